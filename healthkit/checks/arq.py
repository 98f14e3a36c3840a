"""Checks on arq: the depth of its queue, and its worker, read from arq's own keys.

    health.add(QueueDepth(redis, fail=10_000, max_age="5m"))
    health.add(WorkerHeartbeat(redis, max_silence="90s"))       # WorkerSettings: health_check_interval = 30

Key names are arq's (0.26 to 0.28). arq itself is not imported: it wants a redis-py older than 6, and the app
may have another.
"""

from __future__ import annotations

import re
import time
from typing import Any, Unpack

from healthkit.checks.queue_depth import Clock, Limits
from healthkit.checks.queue_model import Crew, Hand, Seen, Task
from healthkit.checks.queue_workers import CrewProbe
from healthkit.checks.redis_link import OnRedis, told
from healthkit.checks.redis_queues import RedisProbe
from healthkit.durations import Duration

QUEUE = "arq:queue"
IN_WORK = "arq:in-progress:"
MOST = 1_000  # due jobs that are asked one by one whether they are in work
_FIGURE = re.compile(r"j_(\w+)=(\d+)")


class QueueDepth(RedisProbe):
    """How many due jobs nobody works on, for how long the first has been due, and whether they grow.

    Details count those in work and those that are for later.
    """

    def __init__(
        self, redis: Any, queue: str = QUEUE, *, name: str | None = None, timeout: Duration = 2.0,
        clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(queue, "arq", name, timeout, clock, limits)
        self._reach(redis)

    def ask(self, now: float) -> Seen:
        """Read the queue; raises redis-py's errors."""
        due, later, waiting, in_work = _ask(self._client, self.queue, now)
        first = waiting[0] if waiting else None
        age = None if first is None else max(0.0, now - first[1] / 1000)
        oldest = None if first is None else first[0].hex()
        return Seen(due - len(in_work), age, oldest, None, {"in_work": len(in_work), "later": later})


class WorkerHeartbeat(OnRedis, CrewProbe):
    """Whether arq's worker lives and works: silent, stalled or idle.

    A worker writes its sign every `health_check_interval`, an hour unless its settings say otherwise, and the
    sign is gone a second later: set it to a third of `max_silence`. Workers of one queue share the sign, so
    that this tells of the last of them. The value is the seconds since this check first missed it.
    """

    def __init__(
        self, redis: Any, queue: str = QUEUE, *, max_silence: Duration = 90.0,
        stalled_after: Duration | None = None, health_check_key: str | None = None, name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, "arq", name, timeout, clock, max_silence, stalled_after)
        self._key = health_check_key or f"{queue}:health-check"
        self._reach(redis)
        self._seen_at: float | None = None

    def crew(self, now: float) -> Crew:
        """Read the worker's sign; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        with told():
            sign = self._client.get(self._key)
            due, _, waiting, in_work = _ask(self._client, self.queue, now)
        if sign is not None:
            self._seen_at = now
        tasks = tuple(Task(job.decode("utf-8", "replace")[:100]) for job in in_work)
        hands: tuple[Hand, ...] = ()
        if self._seen_at is not None:
            silence = max(0.0, now - self._seen_at)
            hands = (Hand("arq", silence, silence > self._max_silence, None, tasks, bool(tasks)),)
        age = max(0.0, now - waiting[0][1] / 1000) if waiting else None
        done = dict(_FIGURE.findall((sign or b"").decode("utf-8", "replace")))
        progress = (done.get("complete"), done.get("failed"), frozenset(in_work), due)
        return Crew(self.queue, hands, due - len(in_work), age, progress)


def _ask(client: Any, queue: str, now: float) -> tuple[int, int, list[tuple[bytes, float]], list[bytes]]:
    """Return how many are due and how many later, the due ones not in work, and the ids of those in work.

    A job stays in the queue while it is in work; its score is when it is due, in milliseconds.
    """
    moment = int(now * 1000)
    with client.pipeline(transaction=False) as pipe:
        pipe.zcount(queue, "-inf", moment).zcount(queue, f"({moment}", "+inf")
        pipe.zrangebyscore(queue, "-inf", moment, start=0, num=MOST, withscores=True)
        due, later, rows = pipe.execute()
    with client.pipeline(transaction=False) as pipe:
        for job, _ in rows:
            pipe.exists(f"{IN_WORK}{job.decode('utf-8', 'replace')}")
        flags = pipe.execute() if rows else []
    in_work = [job for (job, _), flag in zip(rows, flags, strict=True) if flag]
    waiting = [row for row, flag in zip(rows, flags, strict=True) if not flag]
    return due, later, waiting, in_work
