"""`rq cron`, a real one on a real Redis, that tells it lives."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import redis as redis_library

from tests.healthkit.workers.programs import BIN, beats, program, settings
from tests.recording import RecordingServer
from tests.waiting import wait_for


def cron(folder: Path, redis_url: str, checker_url: str) -> Any:
    command = (str(BIN / "rq"), "cron", "--url", redis_url, "tests.healthkit.workers.cron_config")
    return program(*command, folder=folder, **settings(checker_url))


def queued(redis_url: str) -> int:
    with redis_library.Redis.from_url(redis_url) as client:
        return int(client.llen("rq:queue:default"))


def test_it_beats_with_what_it_has_enqueued_and_says_good_bye(
    redis_url: str, checker: RecordingServer, tmp_path: Path
) -> None:
    with cron(tmp_path, redis_url, checker.url) as process:
        wait_for(lambda: len(beats(checker)) >= 3, 40, "beats")
        told = [beat["processed"] for beat in beats(checker)]
        assert told == sorted(told)
        assert told[-1] >= 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    last = checker.requests[-1]
    assert last.path == "/ping/key/worker/log"
    assert "RQ cron scheduler" in last.json()["output"]
    assert last.json()["processed"] == queued(redis_url)


def test_a_checker_in_trouble_changes_nothing(trouble: str, redis_url: str, tmp_path: Path) -> None:
    with cron(tmp_path, redis_url, trouble):
        wait_for(lambda: queued(redis_url) >= 3, 40, "jobs")
