"""Checks on RQ: how many jobs wait and for how long, whether the workers live, and whether a job comes back.

    health.add(QueueDepth("default", redis, warn=1_000, fail=10_000, max_age="5m"))
    health.add(WorkerHeartbeat("default", redis, max_silence="90s"))
    health.add(QueueCanary("default", redis, max_delay="2m"))

Only Redis is spoken to, over a client of the probe's own made from the app's client or URL.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from healthkit.checks.redis_link import own_client, told
from healthkit.checks.rq_canary import Canary
from healthkit.checks.rq_judge import judge, oldest_age
from healthkit.checks.rq_snapshot import read
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

Clock = Callable[[], float]

STEP_SHARE = 0.4  # of the timeout, for each single step on the network: to connect, to be answered
GROWTH_WINDOW = 300.0  # seconds of depths kept, to tell a queue that grows


class _QueueProbe:
    """What the checks on a queue have in common."""

    measurement: ClassVar[str]
    component_type = "component"

    def __init__(self, queue: str, redis: Any, name: str | None, timeout: Duration, clock: Clock) -> None:
        kind = type(self).__name__
        if not isinstance(queue, str) or not queue:
            raise ConfigurationError(
                f'{kind}: the queue must be a name such as "default", not {queue!r:.100}'
            )
        self.queue = queue
        self.timeout = seconds(timeout, what=f"{kind} timeout")
        if self.timeout <= 0:
            raise ConfigurationError(f"{kind} timeout: {timeout!r} leaves no time; give seconds above 0")
        self.name = name or f"{self._title}-{queue.replace(':', '-')}"
        self.identity = f"rq:{queue}"
        self._client = own_client(redis, self.timeout * STEP_SHARE)
        self._clock = clock

    _title: ClassVar[str]

    def close(self) -> None:
        """Close the probe's connections; the next run opens others."""
        self._client.close()


class QueueDepth(_QueueProbe):
    """How many jobs of a queue nobody works on yet, and how old the oldest is.

    From `warn` and `fail` jobs on it warns and fails; it fails when the oldest waits longer than `max_age`.
    The value is the number of jobs waiting, those that a worker has taken and not begun included; details
    tell the two apart, and count started, failed, deferred and scheduled jobs and the growth a minute.
    """

    measurement = "depth"
    _title = "queue"

    def __init__(
        self, queue: str, redis: Any, *, warn: int | None = None, fail: int | None = None,
        max_age: Duration | None = None, name: str | None = None, timeout: Duration = 2.0,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        super().__init__(queue, redis, name, timeout, clock)
        self._warn, self._fail = _limit(warn, "warn"), _limit(fail, "fail")
        if self._warn is not None and self._fail is not None and self._warn > self._fail:
            raise ConfigurationError(f"QueueDepth: warn={warn} is above fail={fail}; swap them")
        self._max_age = None if max_age is None else seconds(max_age, what="QueueDepth max_age")
        self._past: deque[tuple[float, int]] = deque(maxlen=1_000)

    def __call__(self) -> Result:
        """Read once; raises `Warn` or `Fail` with the figures."""
        now = self._clock()
        with told():
            seen = read(self._client, self.queue, now, workers=False)
        age = oldest_age(seen, now)
        facts: dict[str, Any] = {"waiting": seen.waiting, "in_dequeue": seen.in_dequeue, **seen.counts}
        facts["started"] = facts.pop("wip")
        if age is not None:
            facts["oldest_age"] = round(age, 3)
        growth = self._growth(seen.depth, now)
        if growth is not None:
            facts["growth_per_minute"] = growth
        self._judge(seen.depth, age, facts)
        return Result(seen.depth, "jobs", details=facts)

    def _judge(self, depth: int, age: float | None, facts: dict[str, Any]) -> None:
        about = {"value": depth, "unit": "jobs", **facts}
        wait = "" if age is None else f"; the oldest has waited {humanize(age)}"
        if self._fail is not None and depth >= self._fail:
            raise Fail(f"too deep: {_jobs(depth)} (limit {self._fail:,}){wait}", **about)
        if self._max_age is not None and age is not None and age > self._max_age:
            limit = humanize(self._max_age)
            raise Fail(
                f"too old: the oldest job has waited {humanize(age)} (limit {limit}); {_jobs(depth)}", **about
            )
        if self._warn is not None and depth >= self._warn:
            raise Warn(f"deep: {_jobs(depth)} (warning from {self._warn:,}){wait}", **about)

    def _growth(self, depth: int, now: float) -> float | None:
        """Return the growth in jobs a minute since the oldest reading kept; None until one is old enough."""
        while self._past and not 0 <= now - self._past[0][0] <= GROWTH_WINDOW:
            self._past.popleft()
        self._past.append((now, depth))
        then, before = self._past[0]
        return round((depth - before) / (now - then) * 60, 2) if now - then >= 1 else None


class WorkerHeartbeat(_QueueProbe):
    """Whether the workers of a queue live and work: tells dead, frozen and stuck from idle.

    Fails when no worker is registered; when all have been silent for longer than `max_silence`; when a job
    runs past its own timeout; when a job was taken and not begun for longer than `max_silence`. A stock RQ
    worker gives a sign only every 405 s while idle, so while nothing waits its silence counts as idle;
    `healthkit.workers.rq.HeartbeatWorker` gives signs often, and is held to `max_silence` always. The value
    is the seconds since the latest sign of any.
    """

    measurement = "heartbeat"
    _title = "worker"

    def __init__(
        self, queue: str, redis: Any, *, max_silence: Duration = 90.0, name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        super().__init__(queue, redis, name, timeout, clock)
        self._max_silence = seconds(max_silence, what="WorkerHeartbeat max_silence")
        self._in_hand: tuple[str, float] = ("", 0.0)

    def __call__(self) -> Result:
        """Read once; raises `Warn` or `Fail` with the figures."""
        now = self._clock()
        with told():
            seen = read(self._client, self.queue, now)
        job = seen.in_hand.id if seen.in_hand else ""
        if job != self._in_hand[0]:
            self._in_hand = (job, now)
        held = now - self._in_hand[1] if job else 0.0
        return judge(self.queue, seen, max_silence=self._max_silence, now=now, in_hand_for=held)


class QueueCanary(_QueueProbe):
    """Whether a tiny job sent through the real queue comes back within `max_delay`.

    Each run sends one if none is under way and `every` has passed, and judges the last; no run waits for it.
    The job calls `time.time`, so workers need nothing installed; the canaries of all processes of the app are
    one. The value is the seconds from sending to its end.
    """

    measurement = "delay"
    _title = "canary"

    def __init__(
        self, queue: str, redis: Any, *, max_delay: Duration = 120.0, every: Duration = 30.0,
        name: str | None = None, timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        super().__init__(queue, redis, name, timeout, clock)
        self._canary = Canary(
            self._client,
            queue,
            max_delay=seconds(max_delay, what="QueueCanary max_delay"),
            every=seconds(every, what="QueueCanary every"),
        )

    def __call__(self) -> Result:
        """Judge the last canary and send the next where one is due; raises `Fail` with the figures."""
        with told():
            return self._canary.run(self._clock())


def _limit(value: Any, what: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigurationError(
            f"QueueDepth {what}: {value!r:.100} is not a number of jobs; give a whole number above 0"
        )
    return value


def _jobs(depth: int) -> str:
    return f"{depth:,} {'job waits' if depth == 1 else 'jobs wait'}"
