"""`Heartbeat`: every run of a job is told truly, and no job is changed by it."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from healthkit import transport
from healthkit.errors import ConfigurationError
from healthkit.heartbeat import Heartbeat, outcome
from healthkit.pings import Ping
from tests.recording import Answer, RecordingServer, black_hole, refused_url

URL = "https://checker.example/ping/sesame/nightly"


class Sent(list[Ping]):
    """Collects the pings of a heartbeat, and lets its clock be set."""

    now = 1000.0

    def heartbeat(self, url: str | None = URL, **settings: Any) -> Heartbeat:
        return Heartbeat(url, submit=self.append, clock=lambda: self.now, **settings)

    def suffixes(self) -> list[str]:
        return [ping.suffix for ping in self]


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_a_job_that_works_sends_start_and_success_under_one_run_id(sent: Sent) -> None:
    @sent.heartbeat().job
    def nightly(number: int, *, twice: bool = False) -> int:
        """Do the work."""
        sent.now += 5
        return number * (2 if twice else 1)

    assert nightly(21, twice=True) == 42
    assert (nightly.__name__, nightly.__doc__) == ("nightly", "Do the work.")
    assert sent.suffixes() == ["/start", ""]
    assert [ping.at for ping in sent] == [1000, 1005]
    assert sent[0].rid == sent[1].rid
    nightly(1)
    assert sent[2].rid != sent[0].rid


def test_a_job_that_raises_sends_fail_with_the_end_of_the_error_and_raises_on(sent: Sent) -> None:
    error = RuntimeError("no such customer")

    @sent.heartbeat().job
    def nightly() -> None:
        raise error

    with pytest.raises(RuntimeError) as caught:
        nightly()
    assert caught.value is error
    assert sent.suffixes() == ["/start", "/fail"]
    assert sent[1].output.endswith("RuntimeError: no such customer\n")
    assert "in nightly" in sent[1].output


def test_the_error_is_bounded_and_its_end_is_kept(sent: Sent) -> None:
    with pytest.raises(RuntimeError), sent.heartbeat(tail=200).run():
        raise RuntimeError("x" * 100_000 + " the point")
    assert len(sent[1].output.encode()) <= 200
    assert sent[1].output.endswith("the point\n")


@pytest.mark.parametrize(
    ("error", "suffix"),
    [
        (SystemExit(), ""),
        (SystemExit(0), ""),
        (SystemExit(3), "/3"),
        (SystemExit(-1), "/255"),
        (SystemExit("bad arguments"), "/1"),
        (KeyboardInterrupt(), "/fail"),
        (asyncio.CancelledError(), "/fail"),
        (BaseExceptionGroup("two", [ValueError("a"), KeyError("b")]), "/fail"),
    ],
)
def test_every_way_to_end_is_told_and_goes_on_unchanged(
    sent: Sent, error: BaseException, suffix: str
) -> None:
    with pytest.raises(type(error)) as caught, sent.heartbeat().run():
        raise error
    assert caught.value is error
    assert sent.suffixes() == ["/start", suffix]


def test_the_text_of_an_exit_is_sent_along() -> None:
    assert outcome(SystemExit("bad arguments")) == ("/1", "bad arguments")


def test_an_exception_that_cannot_be_shown_is_still_a_failure(sent: Sent) -> None:
    class Evil(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Evil), sent.heartbeat().run():
        raise Evil
    assert sent.suffixes() == ["/start", "/fail"]


def test_async_jobs_are_awaited_within_the_run(sent: Sent) -> None:
    @sent.heartbeat().job
    async def nightly(value: int) -> int:
        assert sent.suffixes() == ["/start"]
        await asyncio.sleep(0)
        return value

    assert asyncio.iscoroutinefunction(nightly)
    assert asyncio.run(nightly(7)) == 7
    assert sent.suffixes() == ["/start", ""]


def test_a_cancelled_async_job_stays_cancelled_and_is_told(sent: Sent) -> None:
    @sent.heartbeat().job
    async def nightly() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(nightly())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sent.suffixes() == ["/start", "/fail"]
    assert "CancelledError" in sent[1].output


def test_the_run_is_an_async_context_manager_too(sent: Sent) -> None:
    async def main() -> None:
        async with sent.heartbeat().run() as run:
            run.log("half way")

    asyncio.run(main())
    assert sent.suffixes() == ["/start", "/log", ""]
    assert len({ping.rid for ping in sent}) == 1


def numbers() -> Iterator[int]:
    yield 1


async def async_numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [numbers, async_numbers, functools.partial(numbers)])
def test_generators_are_refused_clearly(sent: Sent, function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"numbers is a generator.*with heartbeat\.run"):
        sent.heartbeat().job(function)


def test_partials_methods_and_callable_objects_are_jobs_too(sent: Sent) -> None:
    heartbeat = sent.heartbeat()

    class Job:
        async def __call__(self) -> str:
            return "called"

        @heartbeat.job
        def method(self) -> str:
            return type(self).__name__

    assert heartbeat.job(functools.partial(int, "11", base=2))() == 3
    assert asyncio.run(heartbeat.job(Job())()) == "called"
    assert Job().method() == "Job"
    assert sent.suffixes() == ["/start", ""] * 3


def test_progress_is_fleeting_and_the_last_ping_carries_the_latest(sent: Sent) -> None:
    with sent.heartbeat().run() as run:
        run.progress(processed=12, backlog=30_000)
        run.progress(processed=13)
    run.progress(processed=99)
    assert sent.suffixes() == ["/start", "/log", "/log", ""]
    assert [ping.fleeting for ping in sent] == [False, True, True, False]
    assert sent[-1].figures == {"processed": 13, "backlog": 30_000}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "12", object()])
def test_progress_that_is_no_number_is_left_out_and_said(
    sent: Sent, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with sent.heartbeat().run() as run:
        run.progress(processed=value, backlog=3)
    assert sent[-1].figures == {"backlog": 3}
    assert "not a finite number" in caplog.text


def test_the_plain_signs(sent: Sent) -> None:
    heartbeat = sent.heartbeat()
    heartbeat.start(rid="r")
    heartbeat.ping("done", processed=3, backlog=0)
    heartbeat.fail("why")
    heartbeat.log("note")
    heartbeat.exit(0)
    heartbeat.exit(3, "three")
    heartbeat.exit(256)
    assert sent.suffixes() == ["/start", "", "/fail", "/log", "", "/3", "/1"]
    assert [ping.output for ping in sent] == ["", "done", "why", "note", "", "three", ""]
    assert sent[1].figures == {"processed": 3, "backlog": 0}


@pytest.mark.parametrize("url", [None, "", "  "])
def test_without_a_url_everything_works_and_nothing_is_sent(sent: Sent, url: str | None) -> None:
    heartbeat = sent.heartbeat(url)

    @heartbeat.job
    def nightly() -> int:
        return 1

    assert not heartbeat.enabled
    assert nightly() == 1
    with heartbeat.run() as run:
        run.progress(processed=1)
        run.log("x")
    heartbeat.ping()
    assert sent == []


def test_a_bad_url_is_refused_at_construction_without_showing_the_key() -> None:
    with pytest.raises(ConfigurationError, match="Heartbeat URL") as caught:
        Heartbeat("chceker.example/ping/sesame/nightly")
    assert "sesame" not in str(caught.value)
    assert "sesame" not in repr(Heartbeat(URL))


def test_a_sender_that_breaks_does_not_break_the_job(caplog: pytest.LogCaptureFixture) -> None:
    def broken(ping: Ping) -> None:
        raise OSError("no more threads")

    @Heartbeat(URL, submit=broken).job
    def nightly() -> int:
        return 1

    assert nightly() == 1
    assert "could not be made" in caplog.text


def test_runs_of_many_threads_keep_apart(sent: Sent) -> None:
    @sent.heartbeat().job
    def nightly() -> None:
        pass

    threads = [threading.Thread(target=nightly) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rids = [ping.rid for ping in sent]
    assert len(set(rids)) == 20
    assert all(rids.count(rid) == 2 for rid in rids)


# with real servers

JOB = """
    import sys, time
    from healthkit.heartbeat import Heartbeat

    @Heartbeat(sys.argv[1] + "/ping/key/job").job
    def job():
        print("working")
        time.sleep(float(sys.argv[3]))
        eval(sys.argv[2])

    begun = time.monotonic()
    try:
        job()
    finally:
        print(time.monotonic() - begun, flush=True)
"""


def run(
    url: str, ending: str, folder: Path, seconds: str = "0.3"
) -> tuple[subprocess.CompletedProcess[str], float]:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(JOB), url, ending, seconds],
        env=os.environ | {"HEALTHKIT_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, time.monotonic() - begun


@pytest.mark.parametrize(
    "trouble", ["down", "black hole", "500", "slow", "hang", "drip", "reset", "404", "tls"]
)
@pytest.mark.parametrize(("ending", "code"), [("None", 0), ("1/0", 1), ("sys.exit(7)", 7)])
def test_whatever_the_checker_does_the_jobs_exit_code_output_and_time_are_its_own(
    trouble: str, ending: str, code: int, tmp_path: Path
) -> None:
    answers = {
        "500": Answer(500),
        "404": Answer(404),
        "slow": Answer(delay=3),
        "hang": Answer(fault="hang"),
        "drip": Answer(fault="drip"),
        "reset": Answer(fault="reset"),
    }
    with RecordingServer(default=answers.get(trouble), tls=trouble == "tls") as server, black_hole() as hole:
        url = {"down": refused_url(), "black hole": hole}.get(trouble, server.url)
        done, took = run(url, ending, tmp_path)
    assert done.returncode == code
    assert done.stdout.startswith("working\n")
    assert float(done.stdout.split()[-1]) < 2.5  # the job itself; whoever waited for an answer took 3 s
    assert took < 3  # and its exit: at most 1 s more where the first ping is not answered


def test_a_job_against_a_good_checker_is_told_from_start_to_end(tmp_path: Path) -> None:
    with RecordingServer() as server:
        done, _ = run(server.url, "1/0", tmp_path, "0")
    assert done.returncode == 1
    assert server.paths() == ["/ping/key/job/start", "/ping/key/job/fail"]
    assert server.requests[1].body.endswith(b"ZeroDivisionError: division by zero\n")
    assert server.requests[0].query == server.requests[1].query


def test_runs_during_an_outage_are_told_afterwards_with_their_true_times(tmp_path: Path) -> None:
    before = time.time()
    with RecordingServer(default=Answer(503)) as server:
        run(server.url, "None", tmp_path)
        run(server.url, "sys.exit(3)", tmp_path)
        outage_over = time.time()
        server.default = Answer()
        server.requests.clear()
        run(server.url, "None", tmp_path)
        late = [
            request
            for request in server.requests
            if request.headers.get("content-type") == "application/json"
        ]
    assert [request.path.removeprefix("/ping/key/job") for request in late] == ["/start", "", "/start", "/3"]
    times = [request.json()["at"] for request in late]
    assert times == sorted(times)
    assert before - 1 < times[0]
    assert times[-1] < outage_over + 1


def test_a_process_that_leaves_by_os_exit_within_rq_still_tells_its_end(tmp_path: Path) -> None:
    script = """
        import os, sys
        from healthkit.heartbeat import Heartbeat
        with Heartbeat(sys.argv[1] + "/ping/key/job").run():
            pass
        os._exit(0)
    """
    with RecordingServer() as server:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), server.url],
            env=os.environ | {"HEALTHKIT_STATE_DIR": str(tmp_path), "RQ_JOB_ID": "1"},
            check=True,
        )
        assert server.paths() == ["/ping/key/job/start", "/ping/key/job"]


def test_a_whole_run_costs_the_job_well_under_a_millisecond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_folder", [tmp_path])
    monkeypatch.setattr(transport, "_senders", {})
    with black_hole() as hole:
        heartbeat = Heartbeat(f"{hole}/ping/key/job")
        costs = []
        for _ in range(200):
            begun = time.perf_counter()
            with heartbeat.run():
                pass
            costs.append(time.perf_counter() - begun)
        transport.leave()
    assert sorted(costs)[100] < 100e-6  # two pings
