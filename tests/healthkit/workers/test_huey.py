"""Huey: real consumers (threads, processes) on Redis and SQLite, and a checker that is there, or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.healthkit.workers.programs import (
    BIN,
    ROOT,
    beats,
    body,
    gaps,
    one_run,
    pings,
    program,
    settings,
    wait_for_pings,
)
from tests.recording import RecordingServer
from tests.waiting import wait_for

APP = "tests.healthkit.workers.huey_app"


@pytest.fixture(params=["redis", "sqlite"])
def storage(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {"TEST_REDIS_URL": redis_url} if request.param == "redis" else sqlite(tmp_path)


def sqlite(folder: Path) -> dict[str, str]:
    return {"TEST_SQLITE": str(folder / "huey.db")}


def consumer(folder: Path, storage: dict[str, str], checker_url: str, kind: str = "thread") -> Any:
    command = (sys.executable, str(BIN / "huey_consumer"), f"{APP}.huey", "-k", kind, "-w", "1")
    return program(*command, folder=folder, **storage, **settings(checker_url))


def enqueue(storage: dict[str, str], *calls: str) -> None:
    script = f"from {APP} import *; {'; '.join(calls)}"
    environ = {"PYTHONPATH": str(ROOT), **storage}
    subprocess.run([sys.executable, "-c", script], env=environ, check=True, timeout=60)


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_consumer_beats_and_its_tasks_tell_how_they_went(
    kind: str, storage: dict[str, str], checker: RecordingServer, tmp_path: Path
) -> None:
    with consumer(tmp_path, storage, checker.url, kind) as process:
        wait_for(lambda: len(beats(checker)) >= 3, 40, "beats of an idle consumer")
        assert beats(checker)[-1] == {"processed": 0, "failed": 0, "backlog": 0}
        enqueue(storage, "add(1, 2)", "fail()", "flaky()", "again()")
        wait_for_pings(checker, "shop_add", "/start", "")
        wait_for_pings(checker, "shop_fail", "/start", "/fail")
        wait_for_pings(checker, "shop_flaky", "/start", "/log", "/start", "/fail")
        wait_for_pings(checker, "shop_again", "/start", "/log", "/start", "")
        assert "RuntimeError: as asked" in body(checker, "shop_fail/fail")
        assert one_run(checker, "shop_add")
        wait_for(lambda: beats(checker)[-1]["processed"] == 4, 20, "the runs to be counted")
        assert beats(checker)[-1]["failed"] == 2
        process.send_signal(2)  # SIGINT: in peace
        assert process.wait(20) == 0
    assert any(request.path == "/ping/key/worker/log" for request in checker.requests)
    assert all(gap > 0.8 for gap in gaps(checker))


def test_a_long_task_does_not_silence_a_consumer_and_what_waits_is_told(
    checker: RecordingServer, tmp_path: Path
) -> None:
    storage = sqlite(tmp_path)
    with consumer(tmp_path, storage, checker.url):
        wait_for(lambda: beats(checker), 40, "a beat")
        enqueue(storage, "[sleep(4) for _ in range(4)]")
        wait_for(lambda: len([beat for beat in beats(checker) if beat.get("backlog", 0) >= 2]) >= 2, 30, "it")


def test_a_checker_in_trouble_changes_nothing_for_the_tasks(trouble: str, tmp_path: Path) -> None:
    storage = sqlite(tmp_path)
    with consumer(tmp_path, storage, trouble):
        enqueue(storage, "[add(number, 100_000) for number in range(20)]")
        log = tmp_path / "worker.log"
        wait_for(lambda: all(str(100_000 + n) in log.read_text() for n in range(20)), 40, "the tasks")


def test_a_task_that_is_interrupted_is_a_failure(checker: RecordingServer, tmp_path: Path) -> None:
    storage = sqlite(tmp_path)
    with consumer(tmp_path, storage, checker.url) as process:
        enqueue(storage, "sleep(30)")
        wait_for(lambda: pings(checker, "shop_sleep") == ["/start"], 40, "its start")
        process.terminate()  # Huey's own meaning of SIGTERM: at once
        wait_for(lambda: "/fail" in pings(checker, "shop_sleep"), 20, "the failure")
    assert "interrupted" in body(checker, "shop_sleep/fail")
