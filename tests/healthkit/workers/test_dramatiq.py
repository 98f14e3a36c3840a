"""Dramatiq: real workers on a real Redis, and a checker that is there, or not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from tests.healthkit.workers.programs import (
    beats,
    body,
    gaps,
    one_run,
    program,
    settings,
    wait_for_pings,
)
from tests.recording import RecordingServer
from tests.waiting import wait_for

Send = Callable[..., None]


@pytest.fixture
def send(redis_url: str) -> Iterator[Send]:
    broker = RedisBroker(url=redis_url)  # type: ignore[no-untyped-call]
    broker.declare_queue("default")

    def enqueue(name: str, *args: Any) -> None:
        broker.enqueue(Message("default", name, args, {}, {}))

    yield enqueue
    broker.close()
    broker.client.close()


def worker(folder: Path, redis_url: str, checker_url: str) -> Any:
    command = (sys.executable, "-m", "dramatiq", "tests.healthkit.workers.dramatiq_app")
    shape = ("--processes", "1", "--threads", "1", "--worker-shutdown-timeout", "5000")
    return program(*command, *shape, folder=folder, TEST_REDIS_URL=redis_url, **settings(checker_url))


def test_a_worker_beats_and_its_actors_tell_how_they_went(
    redis_url: str, send: Send, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url) as process:
        wait_for(lambda: len(beats(checker)) >= 3, 40, "beats of an idle worker")
        assert beats(checker)[-1] == {"processed": 0, "failed": 0, "backlog": 0}
        send("shop.add", 1, 2)
        send("shop.fail")
        wait_for_pings(checker, "shop-add", "/start", "")
        wait_for_pings(checker, "shop-fail", "/start", "/log", "/start", "/fail")
        assert "RuntimeError: as asked" in body(checker, "shop-fail/fail")
        assert one_run(checker, "shop-add")
        wait_for(lambda: beats(checker)[-1]["processed"] == 2, 20, "the runs to be counted")
        assert beats(checker)[-1]["failed"] == 1
        process.terminate()
        assert process.wait(20) == 0
    assert checker.requests[-1].path == "/ping/key/worker/log"
    assert all(gap > 0.8 for gap in gaps(checker))


def test_a_long_task_does_not_silence_a_worker_and_what_waits_is_told(
    redis_url: str, send: Send, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, checker.url):
        wait_for(lambda: beats(checker), 40, "a beat")
        for _ in range(9):
            send("shop.sleep", 4)
        wait_for(lambda: len([beat for beat in beats(checker) if beat.get("backlog", 0) >= 2]) >= 2, 30, "it")


def test_a_checker_in_trouble_changes_nothing_for_the_tasks(
    trouble: str, redis_url: str, send: Send, tmp_path: Path
) -> None:
    with worker(tmp_path, redis_url, trouble):
        for number in range(20):
            send("shop.add", number, 100_000)
        log = tmp_path / "worker.log"
        wait_for(lambda: all(str(100_000 + n) in log.read_text() for n in range(20)), 40, "the tasks")
