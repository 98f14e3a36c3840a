"""APScheduler: real schedulers in this process, and a checker that is there, or not."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped, unused-ignore]
from apscheduler.schedulers.background import (  # type: ignore[import-untyped, unused-ignore]
    BackgroundScheduler,
)

from healthkit.workers import apscheduler
from healthkit.workers._jobs import Jobs
from healthkit.workers._watch import Watch
from healthkit.workers.apscheduler import install
from tests.healthkit.workers.programs import ROOT, beats, body, gaps, pings, settings, wait_for_pings
from tests.recording import RecordingServer
from tests.waiting import wait_for


@contextlib.contextmanager
def scheduler(
    checker_url: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *jobs: Callable[[Any], object]
) -> Iterator[Any]:
    for name, value in settings(checker_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEALTHKIT_STATE_DIR", str(folder))
    found = BackgroundScheduler(executors={"default": ThreadPoolExecutor(2)}, timezone="UTC")
    install(found)
    for add in jobs:
        add(found)
    found.start()
    yield found
    found.shutdown()


def broken() -> None:
    raise RuntimeError("as asked")


def test_a_scheduler_beats_and_its_jobs_tell_how_they_went(
    checker: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scheduler(
        checker.url,
        monkeypatch,
        tmp_path,
        lambda it: it.add_job(lambda: threading.Event().wait(0.2), id="Slow one"),
        lambda it: it.add_job(broken, id="broken"),
    ):
        wait_for_pings(checker, "slow-one", "/start", "")
        wait_for(lambda: "/fail" in pings(checker, "broken"), what="the failure")
        assert "RuntimeError: as asked" in body(checker, "broken/fail")
        wait_for(lambda: len(beats(checker)) >= 3, 20, "beats")
        assert beats(checker)[-1] == {"processed": 2, "failed": 1}
    wait_for(lambda: "/ping/key/worker/log" in checker.paths(), what="the good-bye")
    assert all(gap > 0.8 for gap in gaps(checker))
    runs = [request.query["rid"] for request in checker.requests if "slow-one" in request.path]
    assert len(runs) == 2
    assert len(set(runs)) == 1


def test_a_job_too_quick_for_its_own_beginning_leaves_no_run_open(
    checker: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scheduler(checker.url, monkeypatch, tmp_path) as running:
        for number in range(30):
            running.add_job(int, id=f"quick-{number:02}")
        ends = [f"quick-{number:02}" for number in range(30)]
        wait_for(lambda: all("" in pings(checker, job) for job in ends), 30, "the end of each job")
    for job in ends:
        assert pings(checker, job)[-1] == ""


def test_an_end_is_never_told_between_a_beginning_that_was_allowed_and_the_telling_of_it() -> None:
    told: list[str] = []
    ended = threading.Event()

    class Slow(Jobs):
        def began(self, name: str, run: object) -> None:
            ended.wait(0.2)  # as long as an end needs to come in between, where it can
            told.append("start")

        def ended(self, name: str, run: object, error: BaseException | str | None = None) -> None:
            told.append("end")
            ended.set()

    listener = apscheduler._Listener(Watch(None, Slow()))
    begins = threading.Thread(target=listener._begin, args=("job", "run"))
    begins.start()
    wait_for(lambda: "run" in listener._begun, what="the beginning")
    listener._end("job", "run", None)
    begins.join()
    assert told == ["start", "end"]


def test_a_run_left_out_since_the_last_still_runs_is_noted(
    checker: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    with scheduler(
        checker.url,
        monkeypatch,
        tmp_path,
        lambda it: it.add_job(over.wait, "interval", args=(30,), seconds=1, id="slow"),
    ):
        try:
            wait_for(lambda: "/log" in pings(checker, "slow"), 20, "the note")
            assert "still runs" in body(checker, "slow/log")
            assert len(beats(checker)) >= 1  # a job that hangs does not silence the scheduler
        finally:
            over.set()


def test_a_missed_run_is_a_failure(
    checker: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def add(it: Any) -> None:
        it.add_job(over.wait, args=(30,), id="hog-1")
        it.add_job(over.wait, args=(30,), id="hog-2")  # both threads are taken
        it.add_job(int, id="late", misfire_grace_time=1)

    with scheduler(checker.url, monkeypatch, tmp_path, add):
        wait_for(lambda: len(beats(checker)) >= 4, 20, "the grace to be over")
        over.set()
        wait_for(lambda: "/fail" in pings(checker, "late"), 10, "the failure")
        assert "should have run" in body(checker, "late/fail")


def test_a_checker_in_trouble_changes_nothing_for_the_jobs(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    with scheduler(trouble, monkeypatch, tmp_path) as running:
        for number in range(20):
            running.add_job(done.append, args=(number,))
        wait_for(lambda: sorted(done) == list(range(20)), 5, "the jobs")


def test_what_is_remembered_of_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apscheduler, "MAX_RUNS", 3)
    listener = apscheduler._Listener(Watch(None, Jobs()))
    for number in range(10):
        listener._end("job", str(number), None)
    assert len(listener._begun) == 3


def test_apscheduler_4_is_refused_with_a_reason() -> None:
    script = (
        "import sys, types\n"
        "sys.modules['apscheduler'] = types.ModuleType('apscheduler')  # as version 4, it has no `events`\n"
        "import healthkit.workers.apscheduler"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "healthkit.workers.apscheduler wants APScheduler 3" in done.stderr
