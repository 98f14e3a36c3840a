"""RQ's failed, lost and scheduled jobs, its scheduler and its cron, on a real Redis with real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
from rq import Queue

from healthkit.checks.rq import CronHeartbeat, FailedJobs, QueueDepth, SchedulerHeartbeat, WorkerHeartbeat
from healthkit.errors import ConfigurationError
from healthkit.status import Status
from tests.healthkit.checks import rq_jobs
from tests.healthkit.checks.queues.rigs import Process
from tests.healthkit.checks.rq_workers import RealWorker
from tests.healthkit.checks.support import Watched
from tests.waiting import wait_for

CRON = """
from rq import cron
from tests.healthkit.checks.rq_jobs import quick
cron.register(quick, queue_name="default", interval=1)
"""


class Ahead:
    """A clock that can be put ahead of the real one."""

    by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


@pytest.fixture
def clock() -> Ahead:
    """The probe's clock."""
    return Ahead()


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """The app's client."""
    with redis_library.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture
def queue(client: Any) -> Queue:
    """The app's queue."""
    return Queue("default", connection=client)


def test_new_failures_are_counted_and_their_functions_named(
    queue: Queue, redis_url: str, clock: Ahead
) -> None:
    watched = Watched(FailedJobs("default", redis_url, new_max=2, window="10m", clock=clock))
    with RealWorker(redis_url):
        queue.enqueue(rq_jobs.breaks)
        wait_for(lambda: watched().value == 1, what="the first failure")
        assert watched.passes()
        queue.enqueue(rq_jobs.breaks)
        wait_for(lambda: watched().value == 2, what="the second")
    assert watched.reason() == (
        "failing: 2 jobs failed within 10 min (limit 2): tests.healthkit.checks.rq_jobs.breaks 2"
    )
    assert watched().details["functions"] == {"tests.healthkit.checks.rq_jobs.breaks": 2}
    clock.by = 700
    reading = watched()
    assert (reading.status, reading.value, reading.details["failed"]) == (Status.PASS, 0, 2)


def test_kept_failures_and_scheduled_jobs_have_limits(queue: Queue, redis_url: str) -> None:
    with RealWorker(redis_url):
        queue.enqueue(rq_jobs.breaks)
        kept = Watched(FailedJobs("default", redis_url, new_max=None, failed_max=1))
        wait_for(lambda: not kept.passes(), what="the failure")
        assert kept.reason() == "piled up: 1 failed jobs are kept (limit 1)"
    queue.enqueue_in(timedelta(hours=1), rq_jobs.quick)
    scheduled = Watched(FailedJobs("default", redis_url, new_max=None, scheduled_max=1))
    assert scheduled.reason() == "piled up: 1 scheduled jobs are kept (limit 1)"


def test_a_job_whose_worker_and_horse_were_killed_is_abandoned(
    queue: Queue, redis_url: str, tmp_path: Path, clock: Ahead
) -> None:
    failed = Watched(FailedJobs("default", redis_url, clock=clock))
    heart = Watched(WorkerHeartbeat("default", redis_url, clock=clock, max_silence=300))
    with RealWorker(redis_url) as worker:
        queue.enqueue(rq_jobs.wait_until, str(tmp_path / "never"), job_timeout=3600)
        wait_for(lambda: heart().details.get("busy") == 1 and not len(queue), what="the job's start")
        worker.kill()
        assert failed.passes()
        clock.by = 200
        assert failed.reason() == (
            "abandoned: a started job has lost the worker, and nobody has taken care of that yet"
        )
        assert heart().details["abandoned"] == 1


def test_a_job_stuck_in_dequeue_is_told_after_its_time(queue: Queue, redis_url: str, clock: Ahead) -> None:
    watched = Watched(FailedJobs("default", redis_url, dequeue_max="2m", clock=clock))
    job = queue.enqueue(rq_jobs.quick)
    queue.connection.lmove(queue.key, queue.intermediate_queue_key)
    assert watched.passes()
    clock.by = 130
    assert watched.reason() == (
        f"stuck in dequeue: job {job.id} (tests.healthkit.checks.rq_jobs.quick) was taken 2 min 10 s ago "
        "and not begun"
    )


def test_the_rates_in_and_out_are_told(queue: Queue, redis_url: str, clock: Ahead) -> None:
    watched = Watched(QueueDepth("default", redis_url, clock=clock))
    for _ in range(5):
        queue.enqueue(rq_jobs.quick)
    assert watched().value == 5
    for _ in range(4):
        queue.connection.lpop(queue.key)  # as a worker takes them
    for _ in range(3):
        queue.enqueue(rq_jobs.quick)
    clock.by = 60
    details = watched().details
    assert details["in_per_minute"] == pytest.approx(3, rel=0.1)
    assert details["out_per_minute"] == pytest.approx(4, rel=0.1)
    assert details["drains_in"] == pytest.approx(240, rel=0.1)


def held_by(client: Any) -> str:
    """Return the key of the scheduler that holds the queue."""
    return f"rq:scheduler:{client.get('rq:scheduler-lock:default').decode()}"


def test_a_scheduler_is_watched_apart_from_its_worker(
    queue: Queue, redis_url: str, client: Any, clock: Ahead
) -> None:
    watched = Watched(SchedulerHeartbeat("default", redis_url, max_late="1m", clock=clock))
    queue.enqueue_in(timedelta(hours=1), rq_jobs.quick)
    assert watched.reason() == "dead: no scheduler takes care of the queue default; 1 job is scheduled"
    command = ["rq.cli", "worker", "--url", redis_url, "--quiet", "--with-scheduler", "default"]
    with Process(command) as process:
        wait_for(watched.passes, timeout=30, what="the scheduler")
        wait_for(lambda: client.hget(held_by(client), "last_heartbeat"), what="its first beat")
        process.freeze()
        clock.by = 40
        assert watched.reason().startswith("silent: the scheduler ")
        process.thaw()
        clock.by = 0
        wait_for(watched.passes, timeout=30, what="recovery")
    client.hset(held_by(client), "last_heartbeat", "")
    clock.by = 3600 + 300
    reason = watched.reason()
    assert reason.startswith("late: the scheduler ")
    assert "lives; 1 job is scheduled, the first is late by 5 min" in reason


def test_rq_cron_is_watched(redis_url: str, tmp_path: Path, clock: Ahead) -> None:
    watched = Watched(CronHeartbeat(redis_url, max_silence="150s", clock=clock))
    assert watched.reason() == "dead: no `rq cron` is registered"
    (tmp_path / "cron_of_test.py").write_text(CRON)
    with Process(["rq.cli", "cron", "--url", redis_url, str(tmp_path / "cron_of_test.py")]) as process:
        wait_for(watched.passes, timeout=30, what="the first beat")
        assert watched().check.key == "cron:heartbeat"
        process.freeze()
        clock.by = 160
        assert watched.reason().startswith("silent: the `rq cron` ")
        process.thaw()
        clock.by = 0
        wait_for(watched.passes, what="recovery")


@pytest.mark.parametrize(("options", "words"), [
    ({"new_max": 0}, "FailedJobs new_max: 0 is not a number of jobs"),
    ({"abandoned_max": -1}, "FailedJobs abandoned_max: -1 must be 0 or more"),
    ({"dequeue_max": 0}, "FailedJobs dequeue_max: 0 leaves no time"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        FailedJobs("default", "redis://127.0.0.1/0", **options)
