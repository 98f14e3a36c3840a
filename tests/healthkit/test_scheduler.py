"""The scheduler: when jobs are called, by a clock that is passed in; and that its thread is no burden."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import pytest

from healthkit.scheduler import Scheduler
from tests.healthkit.dial import Dial
from tests.waiting import wait_for


@pytest.fixture
def dial(monkeypatch: pytest.MonkeyPatch) -> Dial:
    """A clock for a scheduler whose thread never starts: the test turns it."""
    monkeypatch.setattr(threading.Thread, "start", lambda _self: None)
    return Dial(0.0)


def counting(seen: list[float], dial: Dial, again: float | None) -> Callable[[], float | None]:
    def job() -> float | None:
        seen.append(dial.now)
        return again

    return job


def run_to(scheduler: Scheduler, dial: Dial, *moments: float) -> None:
    for moment in moments:
        dial.now = moment
        scheduler.once(moment)


def test_a_job_is_called_when_it_is_due_and_again_as_it_says(dial: Dial) -> None:
    found, seen = Scheduler(dial), []  # type: Scheduler, list[float]
    found.after(5, counting(seen, dial, 10))
    run_to(found, dial, 0, 4.9, 5, 14.9, 15, 25)
    assert seen == [5, 15, 25]


def test_a_job_that_says_nothing_is_over(dial: Dial) -> None:
    found, seen = Scheduler(dial), []  # type: Scheduler, list[float]
    found.after(5, counting(seen, dial, None))
    run_to(found, dial, 5, 50)
    assert seen == [5]
    assert found.once(100) is None


def test_what_was_missed_while_the_process_slept_is_called_once(dial: Dial) -> None:
    found, seen = Scheduler(dial), []  # type: Scheduler, list[float]
    found.after(0, counting(seen, dial, 10))
    run_to(found, dial, 0, 3600, 3600.1)
    assert len(seen) <= 3


def test_a_job_that_raises_is_logged_and_tried_again(dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    found, seen = Scheduler(dial), []  # type: Scheduler, list[float]

    def bad() -> float:
        seen.append(dial.now)
        raise ValueError("hunter2")

    found.after(0, bad)
    run_to(found, dial, 0, 1, 2)
    assert len(seen) == 3
    assert "ValueError" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_job_of_an_object_that_is_gone_is_over(dial: Dial) -> None:
    class Owner:
        def job(self) -> float:
            return 1.0

    found, owner = Scheduler(dial), Owner()
    found.after_while_alive(0, owner.job)
    assert found.once(0) == 1.0
    del owner
    gc.collect()
    assert found.once(1.0) is None


def threads() -> int:
    return sum(thread.name == "healthkit scheduler" for thread in threading.enumerate())


def test_there_is_one_thread_while_there_are_jobs_and_none_after() -> None:
    before = threads()
    found, seen = Scheduler(), threading.Event()
    for _ in range(20):
        found.after(0.01, lambda: seen.set())
    assert threads() <= before + 1
    assert seen.wait(10)
    wait_for(lambda: threads() <= before, what="the thread's end")
    seen.clear()
    found.after(0, lambda: seen.set())
    assert seen.wait(10), "and it starts anew"


def test_a_forked_child_has_no_jobs_and_can_start_anew() -> None:
    found = Scheduler()
    stay = threading.Event()
    found.after(60, lambda: stay.set())
    reader, writer = os.pipe()
    if os.fork() == 0:
        ran = threading.Event()
        left = found.once(1e12)
        found.after(0, lambda: ran.set())
        os.write(writer, f"{left} {ran.wait(10)}".encode())
        os._exit(0)
    os.wait()
    assert os.read(reader, 100).decode() == "None True"
    os.close(reader)
    os.close(writer)
    found.reset()
