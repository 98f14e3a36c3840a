"""The engine: single flight, timeouts that hold, freshness, recovery, forks and exits."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from healthkit import carriers
from healthkit.carriers import ThreadCarrier
from healthkit.engine import collect, collect_async
from healthkit.flight import Flight
from healthkit.model import Check, Reading
from healthkit.registration import build
from healthkit.runner import Runner
from healthkit.status import Status
from tests.healthkit.dial import Dial
from tests.waiting import wait_for


class Gate:
    """A check that hangs while the gate is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        self.open.wait(60)
        return self.calls


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.open.set()


def runner(probe: Callable[[], Any], **options: Any) -> Runner:
    return Runner(build(probe, name="probe", **options))


def one(found: Runner) -> Reading:
    return collect([found])[0]


def threads_of(name: str = "healthkit probe:status") -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_two_hundred_callers_at_once_cause_one_run(gate: Gate) -> None:
    shared = runner(gate, timeout=30)
    readings: list[Reading] = []
    callers = [threading.Thread(target=lambda: readings.append(one(shared))) for _ in range(200)]
    for caller in callers:
        caller.start()
    gate.open.set()
    for caller in callers:
        caller.join(30)
    assert gate.calls == 1
    assert len(readings) == 200
    assert len({id(reading) for reading in readings}) == 1


def test_a_thousand_async_callers_cause_one_run_and_no_thread_each(gate: Gate) -> None:
    shared = runner(gate, timeout=30)
    before = threading.active_count()

    async def everyone() -> list[list[Reading]]:
        callers = [asyncio.create_task(collect_async([shared])) for _ in range(1_000)]
        await asyncio.sleep(0)
        assert threading.active_count() <= before + 1
        gate.open.set()
        return await asyncio.gather(*callers)

    assert {id(found[0]) for found in asyncio.run(everyone())} == {id(one(shared))}
    assert gate.calls == 1


def test_a_hung_check_fails_at_its_timeout_then_at_once_and_costs_one_thread(gate: Gate) -> None:
    hung = runner(gate, timeout=0.2)
    start = time.monotonic()
    first = one(hung)
    assert 0.2 <= time.monotonic() - start < 30, "the gate opens after 60 s"
    assert (first.status, first.output) == (Status.FAIL, "no answer within 0.2 s (limit 0.2 s)")
    start = time.monotonic()
    later = [one(hung) for _ in range(200)]
    assert time.monotonic() - start < 30, "200 times the timeout would be 40 s"
    assert all(reading.output.startswith("still running for") for reading in later)
    assert threads_of() == 1
    assert gate.calls == 1


def test_a_hung_check_recovers_by_itself_when_the_call_ends(gate: Gate) -> None:
    hung = runner(gate, timeout=0.1, fresh_for=0)
    assert one(hung).status is Status.FAIL
    gate.open.set()
    wait_for(lambda: one(hung).status is Status.PASS, what="recovery")
    wait_for(lambda: threads_of() == 0, what="no thread while idle")


def test_how_long_a_check_is_running_is_told_in_words(gate: Gate) -> None:
    clock = Dial()
    hung = Runner(build(gate, name="probe", timeout=2), clock=clock, monotonic=clock)
    assert isinstance(hung.begin(), Flight)
    clock.now += 3
    assert one(hung).output == "no answer within 2 s (limit 2 s)"
    clock.now += 9
    assert one(hung).output == "still running for 12 s (limit 2 s)"


def test_a_run_that_ends_too_late_is_a_failure_even_when_nobody_waited(gate: Gate) -> None:
    clock = Dial()
    slow = Runner(build(gate, name="probe", timeout=2, fresh_for=5), clock=clock, monotonic=clock)
    flight = slow.begin()
    assert isinstance(flight, Flight)
    clock.now += 3
    gate.open.set()
    assert flight.wait(10)
    assert one(slow).status is Status.FAIL
    clock.now += 5
    assert one(slow).status is Status.PASS


def test_checks_run_at_once_so_that_a_report_takes_as_long_as_its_slowest() -> None:
    together = threading.Barrier(10)  # nobody passes before all are there
    met = [
        Runner(build(lambda: together.wait(30) >= 0, name=f"probe{number}", timeout=40))
        for number in range(10)
    ]
    assert {reading.status for reading in collect(met)} == {Status.PASS}


def test_a_fresh_reading_is_served_again_and_a_stale_one_is_not() -> None:
    clock, calls = Dial(), []
    counted = Runner(build(lambda: calls.append(1), name="probe", fresh_for=10), clock=clock)
    one(counted)
    clock.now += 9.9
    one(counted)
    assert len(calls) == 1
    clock.now += 0.2
    assert one(counted).time == clock.now
    assert len(calls) == 2


def test_a_clock_that_jumps_back_makes_a_reading_stale() -> None:
    clock, calls = Dial(), []
    counted = Runner(build(lambda: calls.append(1), name="probe", fresh_for=10), clock=clock)
    one(counted)
    clock.now -= 3600
    one(counted)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError(), RecursionError()]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_check_raises_is_an_outcome(error: BaseException, is_async: bool) -> None:
    def sync() -> None:
        raise error

    async def later() -> None:
        raise error

    reading = one(runner(later if is_async else sync))
    assert (reading.status, reading.output) == (Status.FAIL, type(error).__name__)


def test_an_unexpected_exception_shows_and_logs_where_but_never_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def leak() -> None:
        try:
            raise ValueError("postgresql://app:hunter2@db/orders")
        except ValueError as error:
            raise ConnectionError("password hunter2") from error

    leaky = runner(leak, fresh_for=0)
    assert one(leaky).output == "ConnectionError"
    one(leaky)
    assert "hunter2" not in caplog.text
    assert caplog.text.count("test_engine.py") >= 2
    assert "caused by ValueError" in caplog.text
    assert len(caplog.records) == 1, "the same failure is logged once, not at every run"


def test_a_coroutine_from_a_plain_function_fails_clearly() -> None:
    async def inner() -> None: ...

    reading = one(runner(lambda: inner()))
    gc.collect()
    assert reading.status is Status.FAIL
    assert "async def" in reading.output


def test_an_async_check_that_blocks_does_not_block_the_loop(gate: Gate) -> None:
    async def blocks() -> int:
        return gate()

    async def app() -> int:
        asked = asyncio.create_task(collect_async([runner(blocks, timeout=0.5)]))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert (await asked)[0].status is Status.FAIL
        return turns

    assert asyncio.run(app()) > 1


def test_an_async_check_is_cancelled_at_its_timeout() -> None:
    ended: list[str] = []

    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    sleeper = runner(sleeps, timeout=0.1)
    assert one(sleeper).status is Status.FAIL
    wait_for(lambda: ended == ["cancelled"], what="the cancellation")
    wait_for(lambda: threads_of() == 0, what="the thread's end")


def test_what_an_async_check_keeps_open_is_still_usable_at_the_next_run() -> None:
    kept: dict[str, asyncio.AbstractEventLoop] = {}

    async def same_loop() -> str:
        seen = kept.setdefault("loop", asyncio.get_running_loop())
        return "same" if seen is asyncio.get_running_loop() else "another"

    again = runner(same_loop, fresh_for=0)
    assert [one(again).value for _ in range(3)] == ["same"] * 3


def test_an_async_check_that_never_rests_still_hears_of_its_sockets() -> None:
    async def spins() -> str:
        here, there = socket.socketpair()
        with here, there:
            heard = asyncio.Event()
            asyncio.get_running_loop().add_reader(here, heard.set)
            there.send(b"x")
            for turns in range(1_000):
                if heard.is_set():
                    return f"heard after {turns // 100} hundred turns"
                await asyncio.sleep(0)
            return "never heard"

    assert one(runner(spins, timeout=60)).value == "heard after 0 hundred turns"


def test_an_async_check_may_ask_for_the_apps_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadCarrier, "carry", None)  # a thread is not to be had

    async def app() -> tuple[Any, ...]:
        loop = asyncio.get_running_loop()

        async def where() -> bool:
            return asyncio.get_running_loop() is loop

        found = await collect_async([runner(where, on_app_loop=True)])
        return found[0].status, found[0].value

    assert asyncio.run(app()) == (Status.PASS, None)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_check_on_the_apps_loop_cannot_end_the_app(error: type[BaseException]) -> None:
    async def ends() -> None:
        raise error

    async def app() -> str:
        return (await collect_async([runner(ends, on_app_loop=True)]))[0].output

    assert asyncio.run(app()) == error.__name__


def test_a_check_on_the_apps_loop_is_answered_and_cancelled_at_its_timeout() -> None:
    async def app() -> tuple[float, list[str]]:
        seen: list[str] = []

        async def sleeps() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                seen.append("ended")

        sleeper = runner(sleeps, on_app_loop=True, timeout=0.1)
        start = time.monotonic()
        await collect_async([sleeper])
        took = time.monotonic() - start
        for _ in range(100):
            await asyncio.sleep(0)
        return took, seen

    took, seen = asyncio.run(app())
    assert took < 30, "it sleeps for 60 s"
    assert seen == ["ended"]


def test_a_run_lost_with_its_loop_does_not_block_the_check_for_ever() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    stuck = runner(forever, on_app_loop=True, timeout=0.1)
    loop = asyncio.new_event_loop()

    async def start() -> None:
        assert isinstance(stuck.begin(asyncio.get_running_loop()), Flight)

    loop.run_until_complete(start())
    flight = stuck._flight
    assert flight is not None
    assert flight.task is not None
    flight.task.cancel()
    loop.close()
    again = stuck.begin()
    assert isinstance(again, Flight)
    assert again is not flight
    assert not again.wait(0.1)
    assert stuck.settle(again).status is Status.FAIL
    assert again.wait(10), "cancelled, so that no thread stays"


def test_a_client_of_another_loop_is_told_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    async def app() -> Reading:
        mine = asyncio.get_running_loop().create_future()

        async def awaits() -> None:
            await mine

        return (await collect_async([runner(awaits)]))[0]

    reading = asyncio.run(app())
    assert reading.output.startswith("RuntimeError")
    assert "on_app_loop=True" in reading.output
    assert "on_app_loop=True" in caplog.text


def test_abort_is_called_once_for_a_run_over_its_timeout(gate: Gate) -> None:
    class Probe:
        name, measurement = "probe", "status"
        aborts = 0

        def __call__(self) -> None:
            gate()

        def abort(self) -> None:
            self.aborts += 1
            gate.open.set()

    probe = Probe()
    aborted = Runner(build(probe, timeout=0.1))
    one(aborted)
    one(aborted)
    wait_for(lambda: threads_of() == 0, what="the hung call's end")
    assert probe.aborts == 1


def test_an_abort_that_fails_is_logged_without_its_text(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    class Probe:
        name, measurement = "probe", "status"

        def __call__(self) -> None:
            gate()

        def abort(self) -> None:
            raise OSError("secret")

    assert one(Runner(build(Probe(), timeout=0.1))).status is Status.FAIL
    wait_for(lambda: "abort()" in caplog.text, what="the log line")
    assert "secret" not in caplog.text


def test_a_callers_cancellation_leaves_the_run_to_the_others(gate: Gate) -> None:
    shared = runner(gate, timeout=30)

    async def app() -> Reading:
        gone = asyncio.create_task(collect_async([shared]))
        stays = asyncio.create_task(collect_async([shared]))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        gate.open.set()
        return (await stays)[0]

    assert asyncio.run(app()).status is Status.PASS


def test_a_check_that_cannot_be_given_a_thread_fails_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    starved = runner(lambda: None, fresh_for=0)
    with monkeypatch.context() as patched:
        patched.setattr(carriers, "threads", ThreadCarrier())  # none is idle
        patched.setattr(threading.Thread, "start", refuse)
        assert "no thread" in one(starved).output
    assert one(starved).status is Status.PASS


def test_a_forked_child_runs_its_checks_afresh(gate: Gate) -> None:
    async def ready() -> int:
        return os.getpid()

    hung, isolated = runner(gate, timeout=0.1), Runner(build(ready, name="other", fresh_for=60))
    one(hung)
    assert one(isolated).value == os.getpid()
    wait_for(lambda: threads_of(ThreadCarrier.IDLE) >= 1, what="an idle thread, which no child may use")
    gate.open.set()  # in the parent the call ends; the child must not wait for a thread it does not have
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        alone = len(threading.enumerate()) == 1
        said = f"{one(hung).status} {one(isolated).value == os.getpid()} {alone}"
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() == "pass True True"
    os.close(reader)
    os.close(writer)
    wait_for(
        lambda: one(Runner(build(ready, name="other"))).status is Status.PASS, what="the parent's health"
    )
    assert one(isolated).value == os.getpid()


HUNG_PROGRAM = """
import asyncio, threading, time
from healthkit.engine import collect
from healthkit.runner import Runner
from healthkit.registration import build
{source}
reading, = collect([Runner(build(hang, timeout=0.2))])
print(reading.output, flush=True)
"""


@pytest.mark.parametrize(
    "source",
    [
        "def hang(): time.sleep(60)",
        "async def hang(): time.sleep(60)",
        "async def hang(): await asyncio.sleep(60)",
        "async def hang(): await asyncio.to_thread(time.sleep, 60)",
    ],
)
def test_the_interpreter_exits_at_once_with_a_hung_check(source: str) -> None:
    done = subprocess.run(  # the check would hang for twice as long as this waits
        [sys.executable, "-c", HUNG_PROGRAM.format(source=source)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no answer within" in done.stdout


def test_a_check_that_leaves_calls_hanging_in_threads_is_stopped_at_four() -> None:
    shut = threading.Event()

    async def leaves() -> None:
        await asyncio.to_thread(shut.wait, 60)

    leaky = runner(leaves, timeout=0.05, fresh_for=0)
    outputs: list[str] = []

    def refused() -> bool:
        outputs.append(one(leaky).output)
        return "still hang in threads" in outputs[-1]

    try:
        wait_for(refused, what="the refusal")
        assert sum(thread.name == "healthkit-call" for thread in threading.enumerate()) == 4
    finally:
        shut.set()
    wait_for(lambda: one(leaky).status is Status.PASS, what="recovery")


def test_a_background_tasks_error_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def background() -> None:
        raise ValueError("hunter2")

    async def starts() -> None:
        task = asyncio.ensure_future(background())
        await asyncio.sleep(0)
        del task

    started = runner(starts)
    one(started)
    gc.collect()
    wait_for(lambda: "background task" in caplog.text, what="the log line")
    assert "hunter2" not in caplog.text


def test_a_fresh_reading_costs_no_run_and_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = Runner(Check("probe", "status", lambda: None, fresh_for=3600))
    first = one(quick)
    monkeypatch.setattr(ThreadCarrier, "carry", None)
    assert all(one(quick) is first for _ in range(100))


def test_what_a_failed_run_left_in_its_thread_is_gone_at_the_next() -> None:
    kept = threading.local()

    def breaks_its_session() -> str:
        if hasattr(kept, "broken"):
            raise RuntimeError("a session of an earlier run")
        kept.broken = True
        raise ConnectionError

    fragile = runner(breaks_its_session, fresh_for=0)
    assert [one(fragile).output for _ in range(5)] == ["ConnectionError"] * 5


EAGER_PROGRAM = """
import sys
from healthkit.registration import build
from healthkit.runner import Runner
async def later(): ...
Runner(build(lambda: None, name="now"))
print("healthkit.isolation" in sys.modules)
Runner(build(later))
print("healthkit.isolation" in sys.modules)
"""


def test_what_an_async_check_needs_is_imported_with_its_registration_and_not_in_a_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EAGER_PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")


FORKING_PROGRAM = """
import asyncio, gc, os, sys, time
from healthkit import isolation
from healthkit.engine import collect
from healthkit.runner import Runner
from healthkit.registration import build

def late():
    time.sleep(0.2)  # the loop sleeps by now, and needs its own wake-up pipe to hear of it
    return 7

async def woken(): return await asyncio.to_thread(late)

runner = Runner(build(woken, timeout=3, fresh_for=0))
collect([runner])
if os.fork() == 0:
    collect([runner])
    isolation._left_behind.clear()  # as the interpreter's end may
    gc.collect()
    sys.exit(0)
os.wait()
print(collect([runner])[0].value)
"""


def test_a_forked_childs_end_leaves_the_parents_loop_intact() -> None:
    quiet = "ignore:This process:DeprecationWarning"  # from Python 3.12 on; here that is the point
    done = subprocess.run(
        [sys.executable, "-W", quiet, "-c", FORKING_PROGRAM],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("7\n", "")
