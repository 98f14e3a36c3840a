"""Whether RQ's schedulers live: the one that moves scheduled jobs into a queue, and `rq cron`."""

from __future__ import annotations

import time
from typing import Any

from healthkit.checks.queue_depth import Clock, positive
from healthkit.checks.redis_link import OnRedis, told
from healthkit.checks.rq_probe import RQProbe
from healthkit.checks.rq_snapshot import PREFIX, epoch_of, text_of
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import Fail
from healthkit.model import Result


class SchedulerHeartbeat(RQProbe):
    """Whether a scheduler (`rq worker --with-scheduler`) takes care of a queue, and its jobs are on time.

    Its process dies without its worker's noticing. Fails when none holds the queue, when the one that does
    has been silent for longer than `max_silence` (it beats every second), and when a job has been due for
    longer than `max_late`. The value is by how many seconds the first scheduled job is late.
    """

    measurement = "heartbeat"
    _title = "scheduler"

    def __init__(
        self, queue: str, redis: Any, *, max_silence: Duration = "30s", max_late: Duration = "1m",
        name: str | None = None, timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, redis, name, timeout, clock)
        self._max_silence = seconds(max_silence, what="SchedulerHeartbeat max_silence")
        self._max_late = seconds(max_late, what="SchedulerHeartbeat max_late")

    def __call__(self) -> Result:
        """Read once; raises `Fail` with the figures."""
        now = self._clock()
        with told():
            holder, scheduled, first, beat = self._read()
        late = max(0.0, now - first) if first is not None else 0.0
        facts: dict[str, Any] = {
            "value": round(late, 3),
            "unit": "s",
            "scheduled": scheduled,
            "scheduler": holder or None,
        }
        behind = f"; {_scheduled(scheduled)}" + (f", the first is late by {humanize(late)}" if late else "")
        if not holder:
            raise Fail(f"dead: no scheduler takes care of the queue {self.queue}{behind}", **facts)
        if beat is not None and now - beat > self._max_silence:
            seen = humanize(now - beat)
            raise Fail(f"silent: the scheduler {holder} was last seen {seen} ago{behind}", **facts)
        if late > self._max_late:
            raise Fail(f"late: the scheduler {holder} lives{behind}", **facts)
        return Result(facts.pop("value"), facts.pop("unit"), details=facts)

    def _read(self) -> tuple[str, int, float | None, float | None]:
        """Return who holds the queue, how many are scheduled, when the first is due, and the last beat."""
        key = f"{PREFIX}:scheduled:{self.queue}"
        with self._client.pipeline(transaction=False) as pipe:
            pipe.get(f"{PREFIX}:scheduler-lock:{self.queue}").zcard(key).zrange(key, 0, 0, withscores=True)
            lock, scheduled, first = pipe.execute()
        holder = text_of(lock)
        beat = self._client.hget(f"{PREFIX}:scheduler:{holder}", "last_heartbeat") if holder else None
        return holder, scheduled, float(first[0][1]) if first else None, epoch_of(beat)


class CronHeartbeat(OnRedis):
    """Whether an `rq cron` lives, which enqueues the jobs of a schedule; it beats once a minute at least.

    Fails when none is registered, and when the latest sign of any is older than `max_silence`. The value is
    the seconds since that sign.
    """

    measurement = "heartbeat"
    component_type = "component"

    def __init__(
        self, redis: Any, *, max_silence: Duration = "150s", name: str = "cron", timeout: Duration = 2.0,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self.timeout = positive(timeout, "CronHeartbeat timeout")
        self._max_silence = seconds(max_silence, what="CronHeartbeat max_silence")
        self._reach(redis)
        self._clock = clock

    def __call__(self) -> Result:
        """Read once; raises `Fail` with the figures."""
        now = self._clock()
        with told():
            rows = self._client.zrevrange(f"{PREFIX}:cron_schedulers", 0, 0, withscores=True)
        if not rows:
            raise Fail("dead: no `rq cron` is registered")
        silence = max(0.0, now - float(rows[0][1]))
        seen = f"the `rq cron` {text_of(rows[0][0])[:100]} was last seen {humanize(silence)} ago"
        if silence > self._max_silence:
            limit = humanize(self._max_silence)
            raise Fail(f"silent: {seen} (limit {limit})", value=round(silence, 3), unit="s")
        return Result(round(silence, 3), "s")


def _scheduled(count: int) -> str:
    return f"{count:,} {'job is' if count == 1 else 'jobs are'} scheduled"
