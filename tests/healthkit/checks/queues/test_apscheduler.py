"""APScheduler's checks on a real scheduler, and on the stores of one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library

from healthkit.checks.apscheduler import SchedulerHeartbeat, StoredJobs
from healthkit.errors import ConfigurationError
from healthkit.status import Status
from tests.healthkit.checks.support import Watched
from tests.waiting import wait_for


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
def scheduler() -> Iterator[Any]:
    """A scheduler of this process, not started."""
    made = import_module("apscheduler.schedulers.background").BackgroundScheduler(timezone=UTC)
    yield made
    if made.running:
        made.shutdown(wait=False)


def nightly() -> None:
    """Do nothing much."""


def test_a_scheduler_is_dead_running_paused_and_dead_again(scheduler: Any, clock: Ahead) -> None:
    watched = Watched(SchedulerHeartbeat(scheduler, clock=clock))
    assert watched.reason() == "dead: the scheduler is not running"
    scheduler.start()
    scheduler.add_job(nightly, "interval", hours=1)
    reading = watched()
    assert (reading.status, reading.value, reading.details["jobs"]) == (Status.PASS, 0, 1)
    scheduler.pause()
    assert watched().output == "suspended: the scheduler is paused"
    scheduler.resume()
    assert watched.passes()
    scheduler.shutdown()
    assert watched.reason() == "dead: the scheduler is not running"


def test_a_job_that_was_due_and_not_begun_is_late_and_named(scheduler: Any, clock: Ahead) -> None:
    watched = Watched(SchedulerHeartbeat(scheduler, max_late="1m", clock=clock))
    scheduler.start()
    scheduler.add_job(nightly, "interval", hours=1, name="nightly")
    clock.by = 3640
    assert watched.passes()
    clock.by = 3730
    assert watched.reason().startswith("late: 1 job was due and not begun, the first, nightly, 2 min")


def test_a_scheduler_whose_thread_hangs_in_a_job_is_late(clock: Ahead) -> None:
    blocking = import_module("apscheduler.executors.debug").DebugExecutor()  # runs jobs in its own thread
    made = import_module("apscheduler.schedulers.background").BackgroundScheduler(
        executors={"default": blocking}, timezone=UTC
    )
    ends: list[int] = []

    def hang() -> None:
        wait_for(lambda: ends, timeout=30, what="the end of the test")

    made.start()
    made.add_job(nightly, "interval", seconds=0.5, name="nightly", misfire_grace_time=60)
    made.add_job(hang, next_run_time=datetime.now(UTC))
    watched = Watched(SchedulerHeartbeat(made, max_late=1))
    wait_for(lambda: not watched.passes(), what="lateness")
    reason = watched.reason()
    ends.append(1)
    assert reason.startswith(("late: ", "timed out", "still running")), reason  # its lock is held meanwhile
    wait_for(watched.passes, what="recovery")
    made.shutdown()


@pytest.mark.parametrize("kind", ["sqlalchemy", "redis"])
def test_jobs_in_a_store_are_watched_from_another_process(
    kind: str, redis_url: str, tmp_path: Path, clock: Ahead
) -> None:
    if kind == "sqlalchemy":
        url = f"sqlite:///{tmp_path}/jobs.db"
        store = import_module("apscheduler.jobstores.sqlalchemy").SQLAlchemyJobStore(url=url)
    else:
        url = redis_url
        pool = redis_library.ConnectionPool.from_url(url)
        store = import_module("apscheduler.jobstores.redis").RedisJobStore(connection_pool=pool)
    made = import_module("apscheduler.schedulers.background").BackgroundScheduler(
        jobstores={"default": store}, timezone=UTC
    )
    made.start(paused=True)
    watched = Watched(StoredJobs(url, max_late="1m", clock=clock))
    assert watched.reason() == "missing: the store holds no job that is to run again"
    made.add_job(nightly, "date", run_date=datetime.now(UTC) + timedelta(hours=1), id="nightly")
    assert watched.passes()
    clock.by = 3630
    assert watched.passes()
    clock.by = 3690
    assert watched.reason().startswith("late: 1 job was due and not begun, the first, nightly, 1 min")
    watched.probe.close()
    made.shutdown()


def test_what_is_no_scheduler_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a dict is no scheduler of APScheduler 3"):
        SchedulerHeartbeat({})


def test_the_scheduler_of_version_4_is_refused() -> None:
    class AsyncScheduler:
        """As in the alpha of version 4: its jobs are to be awaited, and its state is another."""

        async def get_jobs(self) -> list[Any]:
            return []

    with pytest.raises(ConfigurationError, match="AsyncScheduler is no scheduler of APScheduler 3"):
        SchedulerHeartbeat(AsyncScheduler())
