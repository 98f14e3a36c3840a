"""Checks on RQ: how many jobs wait and for how long, whether the workers live, and whether a job comes back.

    health.add(QueueDepth("default", redis, warn=1_000, fail=10_000, max_age="5m"))
    health.add(WorkerHeartbeat("default", redis, max_silence="90s"))
    health.add(FailedJobs("default", redis, failed_max=100, new_max=5))
    health.add(SchedulerHeartbeat("default", redis))
    health.add(CronHeartbeat(redis))
    health.add(QueueCanary("default", redis, max_delay="2m"))

Only Redis is spoken to, over a client of the probe's own made from the app's client or URL.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Unpack

from healthkit.checks.queue_depth import Clock, DepthProbe, Limits
from healthkit.checks.queue_model import Crew, Seen
from healthkit.checks.queue_workers import CrewProbe
from healthkit.checks.redis_lines import ListLine
from healthkit.checks.redis_link import OnRedis, told
from healthkit.checks.rq_canary import Canary
from healthkit.checks.rq_crew import crew_of, oldest_age
from healthkit.checks.rq_probe import RQProbe
from healthkit.checks.rq_registries import FailedJobs
from healthkit.checks.rq_schedulers import CronHeartbeat, SchedulerHeartbeat
from healthkit.checks.rq_snapshot import connected_names, queue_key, read
from healthkit.durations import Duration, seconds
from healthkit.model import Result

__all__ = [
    "CronHeartbeat",
    "FailedJobs",
    "QueueCanary",
    "QueueDepth",
    "SchedulerHeartbeat",
    "WorkerHeartbeat",
]


class QueueDepth(OnRedis, DepthProbe):
    """How many jobs of a queue nobody works on yet, how old the oldest is, and whether the queue grows.

    The limits are those of `healthkit.checks.queue_depth.Limits`. The value is the number of jobs waiting,
    those that a worker has taken and not begun included; details tell the two apart, count started, failed,
    deferred and scheduled jobs, and tell the rates in and out a minute.
    """

    def __init__(
        self, queue: str, redis: Any, *, name: str | None = None, timeout: Duration = 2.0,
        clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(queue, "rq", name, timeout, clock, limits)
        self._reach(redis)
        self._line = ListLine(queue_key(queue))

    def read(self, now: float) -> Seen:
        """Read once; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        with told():
            seen = read(self._client, self.queue, now, workers=False)
            line = self._line.look(self._client)
        counts = dict(seen.counts)
        facts = {"waiting": seen.waiting, "in_dequeue": seen.in_dequeue, "started": counts.pop("wip")}
        return Seen(seen.depth, oldest_age(seen, now), line.oldest, line.added, {**facts, **counts})


class WorkerHeartbeat(OnRedis, CrewProbe):
    """Whether the workers of a queue live and work: tells dead, frozen, stuck and stalled from idle.

    Fails when no worker is registered; when all have been silent for longer than `max_silence`; when a job
    runs past its own timeout; when a job was taken and not begun for longer than `max_silence`; when jobs
    wait and none was begun or ended for `stalled_after` (by default for as long as the jobs in work may run).
    A stock RQ worker gives a sign only every 405 s while idle, so while nothing waits its silence counts as
    idle; `healthkit.workers.rq.HeartbeatWorker` gives signs often, and is held to `max_silence` always. The
    value is the seconds since the latest sign of any.
    """

    def __init__(
        self, queue: str, redis: Any, *, max_silence: Duration = 90.0, stalled_after: Duration | None = None,
        name: str | None = None, timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, "rq", name, timeout, clock, max_silence, stalled_after)
        self._reach(redis)
        self._in_hand: tuple[str, float] = ("", 0.0)

    def crew(self, now: float) -> Crew:
        """Read the workers; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        with told():
            seen = read(self._client, self.queue, now)
            job = seen.in_hand.id if seen.in_hand else ""
            if job != self._in_hand[0] or now < self._in_hand[1]:
                self._in_hand = (job, now)
            held = now - self._in_hand[1] if job else 0.0
            crew = crew_of(self.queue, seen, max_silence=self._max_silence, now=now, in_hand_for=held)
            quiet = [hand for hand in crew.hands if hand.silence > self._max_silence]
            if not any(hand.is_silent or crew.waiting for hand in quiet):
                return crew
            names = connected_names(self._client)  # Redis knows who is still connected
        again = crew_of(self.queue, seen, max_silence=self._max_silence, now=now, connected=names)
        return replace(crew, hands=again.hands)


class QueueCanary(RQProbe):
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
        self._begin(queue, redis, name, timeout, clock)
        self._max_delay = seconds(max_delay, what="QueueCanary max_delay")
        self._every = seconds(every, what="QueueCanary every")

    def __call__(self) -> Result:
        """Judge the last canary and send the next where one is due; raises `Fail` with the figures."""
        with told():
            canary = Canary(self._client, self.queue, max_delay=self._max_delay, every=self._every)
            return canary.run(self._clock())
