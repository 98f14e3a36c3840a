"""arq's checks on the keys that arq 0.28 wrote: arq wants a redis-py older than this project's, so its layout
is written by hand here, as `arq.connections` and `arq.worker` write it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_library

from healthkit.checks.arq import QueueDepth, WorkerHeartbeat
from healthkit.status import Status
from tests.healthkit.checks.support import Watched


class ArqKeys:
    """Writes what arq's pool and worker write; times in epoch seconds."""

    def __init__(self, url: str) -> None:
        self.client: Any = redis_library.Redis.from_url(url)

    def enqueue(self, job: str, due: float) -> None:
        """As `ArqRedis.enqueue_job`: the job's body, and its place in the queue, in milliseconds."""
        self.client.psetex(f"arq:job:{job}", 86_400_000, b"pickled")
        self.client.zadd("arq:queue", {job: int(due * 1000)})

    def begin(self, job: str) -> None:
        """As `Worker.start_jobs`: the job stays in the queue."""
        self.client.psetex(f"arq:in-progress:{job}", 310_000, b"1")

    def finish(self, job: str) -> None:
        """As `Worker.finish_job`."""
        self.client.zrem("arq:queue", job)
        self.client.delete(f"arq:in-progress:{job}", f"arq:job:{job}")

    def sign(self, complete: int, every: float = 30.0) -> None:
        """As `Worker.record_health`."""
        text = f"Nov-21 20:45:16 j_complete={complete} j_failed=0 j_retried=0 j_ongoing=0 queued=0"
        self.client.psetex("arq:queue:health-check", int((every + 1) * 1000), text)


class Ahead:
    """A clock that can be put ahead of the real one."""

    by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


@pytest.fixture
def keys(redis_url: str) -> Iterator[ArqKeys]:
    """What arq would write."""
    made = ArqKeys(redis_url)
    yield made
    made.client.close()


@pytest.fixture
def clock() -> Ahead:
    """The probe's clock."""
    return Ahead()


def test_due_jobs_count_those_in_work_and_for_later_do_not(
    keys: ArqKeys, redis_url: str, clock: Ahead
) -> None:
    watched = Watched(QueueDepth(redis_url, max_age="5m", clock=clock))
    assert watched().value == 0
    now = time.time()
    for job, due in (("a", now - 120), ("b", now - 60), ("later", now + 3600)):
        keys.enqueue(job, due)
    keys.begin("a")
    reading = watched()
    assert (reading.check.key, reading.value) == ("queue-arq-queue:depth", 1)
    assert (reading.details["in_work"], reading.details["later"]) == (1, 1)
    assert reading.details["oldest_age"] == pytest.approx(60, abs=5)
    clock.by = 300
    assert watched.reason().startswith("too old: the oldest job has waited 6 min")


def test_a_worker_without_a_sign_is_dead_then_idle_then_silent(
    keys: ArqKeys, redis_url: str, clock: Ahead
) -> None:
    watched = Watched(WorkerHeartbeat(redis_url, max_silence="90s", clock=clock))
    assert watched.reason() == "dead: no worker is registered for the queue arq:queue"
    keys.sign(0)
    assert watched().details["state"] == "idle"
    keys.client.delete("arq:queue:health-check")  # it ran out
    clock.by = 80
    assert watched.passes()
    clock.by = 100
    assert watched.reason().startswith("silent: the worker gave no sign for over 1 min 30 s; arq was last ")


def test_a_worker_that_signs_and_works_nothing_off_is_stalled(
    keys: ArqKeys, redis_url: str, clock: Ahead
) -> None:
    watched = Watched(WorkerHeartbeat(redis_url, stalled_after="5m", clock=clock))
    keys.sign(4)
    keys.enqueue("hangs", time.time() - 1)
    keys.begin("hangs")
    keys.enqueue("waits", time.time() - 1)
    assert watched().details["state"] == "working"
    clock.by = 310
    assert "; it hangs in job hangs" in watched.reason()
    keys.finish("hangs")
    assert watched().status is Status.PASS
