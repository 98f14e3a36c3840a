"""What carries a check: a thread each while it runs, handed on while it is young and nothing went wrong."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from healthkit.carriers import ThreadCarrier
from tests.healthkit.dial import Dial
from tests.waiting import wait_for

Landed = list[threading.Thread]


class Patient(ThreadCarrier):
    """Threads that wait for longer than any test runs, unless the clock says otherwise."""

    LIFE = 600.0


def carried(carrier: ThreadCarrier, *, fit: bool = True, name: str = "a check") -> threading.Thread:
    """Carry a call to its end, and until its thread is idle or gone; return the thread."""
    found: Landed = []

    def landed(thread: threading.Thread) -> bool:
        found.append(thread)
        return fit

    carrier.carry(threading.current_thread, landed, name)
    wait_for(lambda: found and (carrier._idle or not found[0].is_alive()), 30, "the thread at rest")
    return found[0]


def test_a_thread_whose_call_went_well_is_handed_the_next() -> None:
    carrier = Patient()
    assert carried(carrier) is carried(carrier)


def test_a_thread_whose_call_left_it_unfit_ends_and_the_next_call_has_another() -> None:
    carrier = Patient()
    first = carried(carrier, fit=False)
    first.join(30)
    assert not first.is_alive()
    assert carried(carrier) is not first


def test_a_thread_takes_no_call_once_it_is_old() -> None:
    clock = Dial()
    carrier = ThreadCarrier(clock)
    ages: Landed = []

    def landed(thread: threading.Thread) -> bool:
        clock.now += ThreadCarrier.LIFE
        ages.append(thread)
        return True

    carrier.carry(threading.current_thread, landed, "slow")
    wait_for(lambda: ages and not ages[0].is_alive(), 30, "the thread's end")
    assert carrier._idle == []


def test_no_call_waits_for_another_and_no_more_threads_than_calls_at_once() -> None:
    carrier, together, found = Patient(), threading.Barrier(8), set[threading.Thread]()

    def work() -> threading.Thread:
        together.wait(30)  # nobody passes before all eight are there
        return threading.current_thread()

    def landed(thread: threading.Thread) -> bool:
        found.add(thread)
        return True

    for _ in range(5):
        for _ in range(8):
            carrier.carry(work, landed, "together")
        wait_for(lambda: len(carrier._idle) == 8, 30, "eight idle threads")
    assert len(found) == 8


def test_an_idle_thread_ends_by_itself() -> None:
    class Brief(ThreadCarrier):
        LIFE = 0.05

    carrier = Brief()
    found = carried(carrier)
    found.join(30)
    assert not found.is_alive()
    assert carrier._idle == []


def test_a_call_handed_over_while_the_thread_gives_up_is_still_made() -> None:
    class Fleeting(ThreadCarrier):
        LIFE = 0.0005

    carrier, made = Fleeting(), list[int]()

    def numbered(number: int) -> Callable[[], int]:
        return lambda: number

    def landed(number: int) -> bool:
        made.append(number)
        return True

    for number in range(1_500):
        carrier.carry(numbered(number), landed, "fleeting")
    wait_for(lambda: len(made) == 1_500, 30, "every call")
    assert sorted(made) == list(range(1_500))
    wait_for(lambda: carrier._idle == [], 30, "the end of the last thread")


def test_a_thread_bears_the_name_of_what_it_carries() -> None:
    carrier, seen = Patient(), list[str]()

    def landed(name: str) -> bool:
        seen.append(name)
        return True

    for name in ("healthkit one", "healthkit two"):
        carrier.carry(lambda: threading.current_thread().name, landed, name)
        wait_for(lambda: carrier._idle, 30, "an idle thread")
    assert seen == ["healthkit one", "healthkit two"]
    assert carried(carrier).name == ThreadCarrier.IDLE


def test_a_call_does_not_see_the_context_of_the_one_before_nor_of_its_caller() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    variable.set("the caller's")
    carrier, seen = Patient(), list[str]()

    def work() -> str:
        found = variable.get()
        variable.set("the call's")
        return found

    def landed(found: str) -> bool:
        seen.append(found)
        return True

    for _ in range(2):
        carrier.carry(work, landed, "contextual")
        wait_for(lambda: carrier._idle, 30, "an idle thread")
    assert seen == ["unset", "unset"]


def test_an_idle_thread_keeps_nothing_of_what_it_carried() -> None:
    class Work:
        def __call__(self) -> None: ...

    carrier, work = Patient(), Work()
    kept = weakref.ref(work)
    carrier.carry(work, lambda _: True, "forgotten")
    del work
    wait_for(lambda: carrier._idle, 30, "an idle thread")
    gc.collect()
    assert kept() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_no_idle_thread_and_starts_its_own() -> None:
    carrier = Patient()
    carried(carrier)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        made = threading.Event()
        none = carrier._idle == []
        carrier.carry(made.set, lambda _: True, "in the child")
        os.write(writer, f"{none} {made.wait(30)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() == "True True"
    os.close(reader)
    os.close(writer)
    assert len(carrier._idle) == 1, "the parent's own is still there"


IDLE_PROGRAM = """
import time
from healthkit import carriers
carriers.ThreadCarrier.LIFE = 600
carriers.threads.carry(lambda: None, lambda _: True, "done")
while not carriers.threads._idle:
    time.sleep(0.01)
print("idle")
"""


def test_the_interpreters_end_does_not_wait_for_an_idle_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IDLE_PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("idle\n", "", 0)
