"""Checks on APScheduler 3: a scheduler of this process, or the jobs that another one keeps in a store.

    health.add(SchedulerHeartbeat(scheduler, max_late="1m"))
    health.add(StoredJobs(engine, max_late="1m"))                # SQLAlchemyJobStore
    health.add(StoredJobs(redis, max_late="1m"))                 # RedisJobStore

A job whose next run lies in the past is one that was due and not begun.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from healthkit.checks.queue_depth import Clock, positive
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

RUNNING, PAUSED = 1, 2  # apscheduler.schedulers.base
RUN_TIMES = "apscheduler.run_times"
TABLE = "apscheduler_jobs"


class SchedulerHeartbeat:
    """Whether a scheduler of this process runs, and begins its jobs in time.

    Fails when it is not running, and when a job has been due for longer than `max_late`; warns when it is
    paused. Details count the jobs and those without a next run. The value is by how many seconds the latest
    job is late.
    """

    measurement = "heartbeat"
    component_type = "component"

    def __init__(
        self, scheduler: Any, *, max_late: Duration = "1m", name: str = "scheduler", timeout: Duration = 2.0,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        if not callable(getattr(scheduler, "get_jobs", None)) or not hasattr(scheduler, "wakeup"):
            raise ConfigurationError(  # that of APScheduler 4 has jobs, too, of another kind
                f"SchedulerHeartbeat: a {type(scheduler).__name__} is no scheduler of APScheduler 3; "
                "pass the app's own"
            )
        self.name = name
        self.timeout = positive(timeout, "SchedulerHeartbeat timeout")
        self._scheduler = scheduler
        self._max_late = seconds(max_late, what="SchedulerHeartbeat max_late")
        self._clock = clock

    def __call__(self) -> Result:
        """Look once; raises `Warn` or `Fail` with the figures."""
        state = self._scheduler.state
        if state not in (RUNNING, PAUSED):
            raise Fail("dead: the scheduler is not running", state="dead")
        due = [(_title(job), getattr(job, "next_run_time", None)) for job in self._scheduler.get_jobs()]
        resting = sum(moment is None for _, moment in due)
        facts: dict[str, Any] = {"jobs": len(due), "resting": resting}
        if state == PAUSED:
            raise Warn("suspended: the scheduler is paused", state="suspended", **facts)
        moments = [(title, moment.timestamp()) for title, moment in due if isinstance(moment, datetime)]
        return _judge(moments, self._clock(), self._max_late, facts)


class StoredJobs:
    """Whether the jobs in a store begin in time: its scheduler may run in any process.

    `store` is an SQLAlchemy engine or URL, or a Redis client or URL; `table` and `key` are the store's, where
    they were changed. Fails when a job has been due for longer than `max_late`, and when there is no job at
    all. The value is by how many seconds the latest job is late.
    """

    measurement = "heartbeat"
    component_type = "component"

    def __init__(
        self, store: Any, *, max_late: Duration = "1m", table: str = TABLE, key: str = RUN_TIMES,
        name: str = "scheduler", timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self.timeout = positive(timeout, "StoredJobs timeout")
        self._max_late = seconds(max_late, what="StoredJobs max_late")
        self._clock = clock
        is_redis = hasattr(store, "connection_pool") or _starts(store, "redis", "unix:")
        self._store = _InRedis(store, key, self.timeout) if is_redis else _InTable(store, table, self.timeout)
        self.abort = self._store.abort

    def __call__(self) -> Result:
        """Read once; raises `Fail` with the figures."""
        moments = self._store.read()
        if not moments:
            raise Fail("missing: the store holds no job that is to run again", state="missing")
        return _judge(moments, self._clock(), self._max_late, {"jobs": len(moments)})

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self._store.within(limit)

    def close(self) -> None:
        """Close the probe's connection; the next run opens another."""
        self._store.close()


class _InRedis:
    def __init__(self, store: Any, key: str, timeout: float) -> None:
        self._given, self._key = store, key
        self.within(timeout)

    def within(self, limit: float) -> None:
        from healthkit.checks.redis_link import STEP_SHARE, own_client

        self._client = own_client(self._given, limit * STEP_SHARE)

    def read(self) -> list[tuple[str, float]]:
        from healthkit.checks.redis_link import told

        with told():
            rows = self._client.zrange(self._key, 0, 99, withscores=True)
        return [(job.decode("utf-8", "replace")[:100], float(score)) for job, score in rows]

    def abort(self) -> None:
        """Nothing to end: each step has its own limit."""

    def close(self) -> None:
        self._client.close()


class _InTable:
    def __init__(self, store: Any, table: str, timeout: float) -> None:
        from healthkit.checks.sql_rows import Rows

        query = f"SELECT id, next_run_time FROM {table} WHERE next_run_time IS NOT NULL ORDER BY 2"
        self._rows = Rows(store, query, timeout=timeout)
        self.within = self._rows.within

    def read(self) -> list[tuple[str, float]]:
        self._rows.run()
        return [(str(job)[:100], float(moment)) for job, moment in self._rows.found]

    def abort(self) -> None:
        self._rows.abort()

    def close(self) -> None:
        self._rows.close()


def _judge(
    moments: Iterable[tuple[str, float]], now: float, max_late: float, facts: dict[str, Any]
) -> Result:
    """Return the reading for the moments (epoch seconds) at which jobs are to run next."""
    late = sorted(((now - moment, title) for title, moment in moments if moment < now), reverse=True)
    value = round(late[0][0], 3) if late else 0.0
    missed = [title for by, title in late if by > max_late]
    if missed:
        noun = "job was" if len(missed) == 1 else "jobs were"
        raise Fail(
            f"late: {len(missed):,} {noun} due and not begun, the first, {missed[0]}, {humanize(value)} ago",
            value=value,
            unit="s",
            state="late",
            late=missed[:10],
            **facts,
        )
    return Result(value, "s", details={"state": "working" if facts["jobs"] else "idle", **facts})


def _title(job: Any) -> str:
    return str(getattr(job, "name", None) or getattr(job, "id", "job"))[:100]


def _starts(store: Any, *words: str) -> bool:
    return isinstance(store, str) and store.startswith(words)
