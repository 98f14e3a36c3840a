"""RQ workers that beat: real `rq worker` processes on a real Redis, and a checker that is there, or not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from rq import Queue

from healthkit.workers._beats import beats_from
from healthkit.workers.rq import FIELD
from tests.healthkit.workers import jobs
from tests.healthkit.workers.programs import BIN, beats, gaps, program
from tests.recording import Answer, RecordingServer, black_hole
from tests.waiting import wait_for

CLASSES = ["HeartbeatWorker", "HeartbeatSimpleWorker", "HeartbeatSpawnWorker"]


@pytest.fixture
def connection(redis_url: str) -> Iterator[redis_library.Redis]:
    with redis_library.Redis.from_url(redis_url) as client:
        yield client


def worker(
    redis_url: str,
    folder: Path,
    *arguments: str,
    command: str = "worker",
    kind: str = CLASSES[0],
    **given: str,
) -> Any:
    script = (str(BIN / "rq"), command, "--url", redis_url, *arguments, "default")
    return program(*script, folder=folder, RQ_WORKER_CLASS=f"healthkit.workers.rq.{kind}", **given)


def beating(checker: RecordingServer, **more: str) -> dict[str, str]:
    return {"HEALTHKIT_PING_URL": f"{checker.url}/ping/key/worker", "HEALTHKIT_PING_EVERY": "1", **more}


def told(checker: RecordingServer, *, backlog: int) -> list[dict[str, Any]]:
    return [beat for beat in beats(checker) if beat["backlog"] == backlog]


def worker_keys(connection: redis_library.Redis) -> list[bytes]:
    keys: list[Any] = connection.keys("rq:worker:*")
    return [key for key in keys if not key.endswith(b":executions")]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_worker_beats_idle_and_busy_and_tells_what_it_did(
    kind: str, redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    queue = Queue(connection=connection)
    with worker(redis_url, tmp_path, kind=kind, **beating(checker)) as process:
        wait_for(lambda: len(beats(checker)) >= 3, 20, "three beats of an idle worker")
        assert beats(checker)[-1] == {"processed": 0, "backlog": 0, "failed": 0, "queues": ["default"]}
        good, bad = queue.enqueue(jobs.add, 20, 22), queue.enqueue(jobs.fail)
        wait_for(lambda: beats(checker)[-1]["processed"] == 2, 20, "both jobs to be told")
        assert beats(checker)[-1]["failed"] == 1
        assert good.return_value(refresh=True) == 42
        assert bad.get_status() == "failed"
        process.terminate()
        assert process.wait(15) == 0
    last = checker.requests[-1]
    assert last.path == "/ping/key/worker/log"
    assert last.json()["processed"] == 2
    assert "ends" in last.json()["output"]


def test_a_long_job_does_not_silence_a_worker_and_its_backlog_is_told(
    redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    queue = Queue(connection=connection)
    for _ in range(3):
        queue.enqueue(jobs.sleep, 4)
    with worker(redis_url, tmp_path, **beating(checker)):
        wait_for(lambda: len(told(checker, backlog=2)) >= 3, 20, "beats")
        assert {beat["processed"] for beat in told(checker, backlog=2)} == {0}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_worker_promises_its_next_beat_and_vanishes_soon_after_a_kill(
    kind: str, redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(redis_url, tmp_path, kind=kind, **beating(checker)) as process:
        wait_for(lambda: len(beats(checker)) >= 2, 20, "two beats")
        key = worker_keys(connection)[0]
        assert connection.hget(key, FIELD) == b"1"
        assert 0 < connection.ttl(key) <= 3
        process.kill()
        process.wait()
        wait_for(lambda: not worker_keys(connection), 30, "its key to go")


def test_a_simple_worker_promises_no_beat_before_its_jobs_timeout(
    redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    Queue(connection=connection).enqueue(jobs.sleep, 2, job_timeout=40)
    with worker(redis_url, tmp_path, kind="HeartbeatSimpleWorker", **beating(checker)):
        key = wait_for(lambda: worker_keys(connection), 20, "a worker")[0]
        wait_for(lambda: connection.hget(key, FIELD) == b"40", 10, "the longer promise")
        wait_for(lambda: connection.hget(key, FIELD) == b"1", 10, "the usual promise again")


def test_a_frozen_idle_worker_falls_silent_and_registers_again_when_it_wakes_up(
    redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    with worker(redis_url, tmp_path, **beating(checker)) as process:
        wait_for(lambda: len(beats(checker)) >= 2, 20, "two beats")
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: not worker_keys(connection), 30, "its key to go")
        connection.flushdb()
        count = len(checker.requests)
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(checker.requests) >= count + 2, 20, "beats again")
        key = worker_keys(connection)[0]
        wait_for(lambda: connection.hget(key, "queues") == b"default", 10, "its queues")
        assert connection.smembers("rq:workers") == {key}


def test_without_a_url_it_behaves_as_the_stock_worker(
    redis_url: str, connection: redis_library.Redis, tmp_path: Path
) -> None:
    job = Queue(connection=connection).enqueue(jobs.add, 1, 2)
    with worker(redis_url, tmp_path, HEALTHKIT_PING_URL=""):
        wait_for(lambda: job.get_status(refresh=True) == "finished", 20, "the job")
        key = wait_for(lambda: worker_keys(connection), what="a worker")[0]
        assert connection.hget(key, FIELD) is None
        wait_for(lambda: int(connection.ttl(key)) > 400, what="the life that RQ gives an idle worker")


@pytest.mark.parametrize(
    ("url", "every"), [("no url", "30"), ("http://checker.example/x", "often"), ("http://c.example/x", "0")]
)
def test_a_wrong_setting_is_said_and_the_worker_works_on(
    url: str, every: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert beats_from({"HEALTHKIT_PING_URL": url, "HEALTHKIT_PING_EVERY": every}) is None
    assert "does not beat" in caplog.text


def test_the_pace_may_be_written_as_a_duration() -> None:
    found = beats_from({"HEALTHKIT_PING_URL": "http://checker.example/ping/x", "HEALTHKIT_PING_EVERY": "2m"})
    assert found is not None
    assert found.every == 120


@pytest.mark.parametrize("trouble", ["black hole", "500", "404"])
def test_a_checker_in_trouble_changes_nothing_for_the_jobs(
    trouble: str, redis_url: str, connection: redis_library.Redis, tmp_path: Path
) -> None:
    queue = Queue(connection=connection)
    todo = [queue.enqueue(jobs.add, number, 1) for number in range(10)]
    status = int(trouble) if trouble.isdecimal() else 200
    with RecordingServer(default=Answer(status)) as server, black_hole() as hole:
        url = hole if trouble == "black hole" else server.url
        settings = {"HEALTHKIT_PING_URL": f"{url}/ping/key/worker", "HEALTHKIT_PING_EVERY": "1"}
        with worker(redis_url, tmp_path, "--burst", **settings) as process:
            assert process.wait(30) == 0
    assert [job.return_value(refresh=True) for job in todo] == list(range(1, 11))


def test_a_pool_of_workers_beats_too(
    redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    todo = [Queue(connection=connection).enqueue(jobs.add, number, 1) for number in range(5)]
    with worker(redis_url, tmp_path, "--num-workers", "2", command="worker-pool", **beating(checker)):
        wait_for(lambda: all(job.get_status(refresh=True) == "finished" for job in todo), 40, "the jobs")
        wait_for(lambda: len(beats(checker)) >= 4, 20, "beats")
        assert len(worker_keys(connection)) == 2


@pytest.mark.parametrize("kind", CLASSES)
def test_a_job_with_a_heartbeat_of_its_own_tells_its_end_from_the_work_horse(
    kind: str, redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    job = Queue(connection=connection).enqueue(jobs.with_heartbeat, f"{checker.url}/ping/key/job")
    with worker(redis_url, tmp_path, kind=kind, HEALTHKIT_PING_URL=""):
        wait_for(lambda: job.get_status(refresh=True) == "finished", 20, "the job")
        checker.wait_for(2)
    assert checker.paths() == ["/ping/key/job/start", "/ping/key/job"]


def test_pings_are_at_most_one_a_second_however_many_jobs_run(
    redis_url: str, connection: redis_library.Redis, checker: RecordingServer, tmp_path: Path
) -> None:
    queue = Queue(connection=connection)
    todo = [queue.enqueue(jobs.add, number, 1) for number in range(150)]
    with worker(redis_url, tmp_path, kind="HeartbeatSimpleWorker", **beating(checker)):
        wait_for(lambda: todo[-1].get_status(refresh=True) == "finished", 40, "the jobs")
    assert all(gap > 0.8 for gap in gaps(checker))
