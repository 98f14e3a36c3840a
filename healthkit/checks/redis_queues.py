"""Checks on a plain Redis list or stream that serves as a queue.

    health.add(RedisList("emails", redis, fail=10_000, stalled_after="5m"))
    health.add(RedisStream("orders", redis, group="billing", fail=10_000, max_idle="5m"))

Over a client of the probe's own, made from the app's client or URL.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from redis import exceptions as errors

from healthkit.checks.queue_depth import Clock, DepthProbe, Limits, span
from healthkit.checks.queue_model import Seen
from healthkit.checks.redis_lines import ListLine
from healthkit.checks.redis_link import OnRedis, told
from healthkit.durations import Duration, humanize
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

MOST = 100  # consumers of a group, and pending entries, that are looked at


class RedisProbe(OnRedis, DepthProbe):
    """Base of the depth checks that speak to Redis."""

    def read(self, now: float) -> Seen:
        """Read once; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        with told():
            return self.ask(now)

    def ask(self, now: float) -> Seen:
        """Read once; raises redis-py's errors."""
        raise NotImplementedError


class RedisList(RedisProbe):
    """How many elements wait in a list, how long the first has stood there, and whether the list grows.

    `pushed` tells the end at which producers add: "left" (LPUSH, with RPOP or BRPOP) or "right". A list says
    nothing of ages, so an age is counted from when this check first saw the element at its head.
    """

    def __init__(
        self, key: str, redis: Any, *, pushed: str = "left", name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(key, "redis", name, timeout, clock, limits)
        if pushed not in ("left", "right"):
            raise ConfigurationError(f'RedisList pushed: {pushed!r:.100} must be "left" or "right"')
        self._line = ListLine(key, pushed=pushed)
        self._reach(redis)

    def ask(self, _now: float) -> Seen:
        """Read the list; raises redis-py's errors."""
        line = self._line.look(self._client)
        return Seen(line.length, None, line.oldest, line.added)


class RedisStream(RedisProbe):
    """How far a consumer group lags behind a stream, and for how long entries have been pending.

    The depth is what was not delivered yet; its age is that of the first such entry. Fails when an entry was
    delivered and not acknowledged for longer than `max_idle`, and when the group is not there.
    """

    def __init__(
        self, key: str, redis: Any, *, group: str, max_idle: Duration | None = None, name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(key, "redis", name, timeout, clock, limits)
        self._group = group
        self._max_idle = span(max_idle, "RedisStream max_idle")
        self._reach(redis)

    def __call__(self) -> Result:
        """Read once; raises `Warn` or `Fail` with the figures."""
        now = self._clock()
        seen = self.read(now)
        held = seen.details.get("longest_pending", 0.0)
        if self._max_idle is not None and held > self._max_idle:
            who = seen.details["consumer"]
            limit = humanize(self._max_idle)
            reason = f"stuck: the consumer {who} has held an entry for {humanize(held)} (limit {limit})"
            raise Fail(reason, value=seen.waiting, unit="jobs", **seen.details)
        return self._watch.judge(seen, now)

    def ask(self, now: float) -> Seen:
        """Read the stream and its group; raises redis-py's errors, and `Fail` without the group."""
        stream, group = self._facts()
        last = _text(group.get("last-delivered-id"))
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xrange(self.queue, min=f"({last}", count=1)
            pipe.xpending_range(self.queue, self._group, "-", "+", MOST)
            ahead, pending = pipe.execute()
        lag = group.get("lag")
        waiting = int(lag) if lag is not None else self._count_after(last) if ahead else 0
        first = _text(ahead[0][0]) if ahead and waiting else None
        added = stream.get("entries-added")
        facts = {"length": stream.get("length"), "pending": group.get("pending"), **_held(pending)}
        facts["consumers"] = group.get("consumers")
        age = None if first is None else max(0.0, now - int(first.partition("-")[0]) / 1000)
        return Seen(waiting, age, first, None if added is None else int(added), facts)

    def _facts(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        try:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.xinfo_stream(self.queue).xinfo_groups(self.queue)
                stream, groups = pipe.execute()
        except errors.ResponseError as error:
            if "no such key" in str(error):
                raise Fail(f"missing: there is no stream {self.queue}") from None
            raise
        for group in groups:
            if _text(group["name"]) == self._group:
                return stream, group
        raise Fail(f"missing: the stream {self.queue} has no consumer group {self._group}")

    def _count_after(self, last: str) -> int:
        """Count what was not delivered, where Redis (before 7, or after a deletion) does not tell the lag."""
        return len(self._client.xrange(self.queue, min=f"({last}", count=100_000))


def _held(pending: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return for how long the longest of the pending entries has been held, and by whom."""
    if not pending:
        return {}
    worst = max(pending, key=lambda row: int(row["time_since_delivered"]))
    held = int(worst["time_since_delivered"]) / 1000
    return {"longest_pending": round(held, 3), "consumer": _text(worst["consumer"])[:100]}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
