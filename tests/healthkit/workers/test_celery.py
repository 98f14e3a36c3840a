"""Celery: real workers and a real beat on a real Redis, and a checker that is there, or not."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery  # type: ignore[import-untyped, unused-ignore]

from tests.healthkit.workers.programs import (
    BIN,
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

APP = "tests.healthkit.workers.celery_app"


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with contextlib.closing(Celery("client", broker=redis_url)) as app:
        yield app


def celery(*arguments: str, folder: Path, **given: str) -> Any:
    return program(str(BIN / "celery"), "-A", APP, *arguments, folder=folder, **given)


def worker(folder: Path, redis_url: str, checker_url: str, pool: str = "prefork", **given: str) -> Any:
    arguments = ("worker", "--pool", pool, "--concurrency", "1", "--loglevel", "INFO", "--without-mingle")
    return celery(*arguments, folder=folder, TEST_REDIS_URL=redis_url, **settings(checker_url) | given)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_beats_and_its_tasks_tell_how_they_went(
    pool: str, redis_url: str, client: Any, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url, pool) as process:
        wait_for(lambda: len(beats(checker)) >= 3, 40, "beats of an idle worker")
        assert beats(checker)[-1] == {"processed": 0, "backlog": 0}
        for name in ("shop.add", "shop.fail", "shop.flaky"):
            client.send_task(name, args=(1, 2) if name == "shop.add" else ())
        wait_for_pings(checker, "shop-add", "/start", "")
        wait_for_pings(checker, "shop-fail", "/start", "/fail")
        wait_for_pings(checker, "shop-flaky", "/start", "/log", "/start", "")
        assert "RuntimeError: as asked" in body(checker, "shop-fail/fail")
        assert one_run(checker, "shop-add")
        wait_for(lambda: beats(checker)[-1]["processed"] == 4, 20, "the runs to be counted")
        process.terminate()
        assert process.wait(20) == 0
    assert any(request.path == "/ping/key/worker/log" for request in checker.requests)
    assert all(gap > 0.8 for gap in gaps(checker))


def test_a_task_whose_process_is_killed_is_told_by_the_parent(
    redis_url: str, client: Any, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url):
        client.send_task("shop.die")
        wait_for(lambda: "/fail" in pings(checker, "shop-die"), 40, "the failure")
    assert "WorkerLost" in body(checker, "shop-die/fail")


def test_a_long_task_does_not_silence_a_pool_and_what_waits_is_told(
    redis_url: str, client: Any, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url):
        wait_for(lambda: beats(checker), 40, "a beat")
        for _ in range(9):
            client.send_task("shop.sleep", args=(5,))
        # one runs, and four are prefetched
        wait_for(lambda: len([beat for beat in beats(checker) if beat.get("backlog", 0) >= 4]) >= 2, 30, "it")


def test_a_frozen_worker_falls_silent(redis_url: str, checker: RecordingServer, tmp_path: Path) -> None:
    with worker(tmp_path, redis_url, checker.url) as process:
        wait_for(lambda: len(beats(checker)) >= 2, 40, "beats")
        process.send_signal(signal.SIGSTOP)
        count = len(beats(checker))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        assert len(beats(checker)) <= count + 1


def test_only_scheduled_tasks_may_be_told(
    redis_url: str, client: Any, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url, TEST_ONLY="scheduled"):
        client.send_task("shop.fail")
        client.send_task("shop.add", args=(1, 2))
        wait_for_pings(checker, "shop-add", "/start", "")
    assert pings(checker, "shop-fail") == []


def test_beat_tells_that_it_lives_and_how_much_it_has_dispatched(
    redis_url: str, checker: RecordingServer, tmp_path: Path
) -> None:
    given = {"HEALTHKIT_BEAT_URL": f"{checker.url}/ping/key/beat", "HEALTHKIT_PING_EVERY": "1"}
    with celery("beat", "--schedule", "s", folder=tmp_path, TEST_REDIS_URL=redis_url, **given):
        checker.wait_for(4, 40)
    found = [request.json()["processed"] for request in checker.requests]
    assert found == sorted(found)
    assert found[-1] >= 2


def test_a_checker_in_trouble_changes_nothing_for_the_tasks(
    trouble: str, redis_url: str, client: Any, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, trouble):
        for _ in range(20):
            client.send_task("shop.add", args=(1, 2))
        log = tmp_path / "worker.log"
        wait_for(lambda: log.read_text().count("succeeded in") == 20, 40, "the tasks")
