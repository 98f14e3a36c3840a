"""Checks on Dramatiq with its Redis broker: the depth of a queue, and its workers.

    health.add(QueueDepth("default", redis, fail=10_000, max_age="5m"))
    health.add(WorkerHeartbeat("default", redis, max_silence="90s"))

Key names are those of Dramatiq's own `dispatch.lua` (1.x and 2.x). `redis` is a client, a URL or the broker.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Unpack

from healthkit.checks.queue_depth import Clock, Limits
from healthkit.checks.queue_model import Crew, Hand, Seen, Task
from healthkit.checks.queue_workers import CrewProbe
from healthkit.checks.redis_lines import ListLine
from healthkit.checks.redis_link import OnRedis, told
from healthkit.checks.redis_queues import RedisProbe
from healthkit.durations import Duration

MOST = 100  # processes and messages in work that are looked at


class QueueDepth(RedisProbe):
    """How many messages of a queue no worker has fetched, how old the first is, and whether the queue grows.

    Details count the delayed and the dead ones.
    """

    def __init__(
        self, queue: str, redis: Any, *, namespace: str = "dramatiq", name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(queue, "dramatiq", name, timeout, clock, limits)
        self._key = f"{_namespace(redis, namespace)}:{queue}"
        self._line = ListLine(self._key)
        self._reach(_client(redis))

    def ask(self, now: float) -> Seen:
        """Read the queue; raises redis-py's errors."""
        line = self._line.look(self._client)
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hget(f"{self._key}.msgs", line.first or b"")
            pipe.hlen(f"{self._key}.DQ.msgs").zcard(f"{self._key}.XQ")
            first, delayed, dead = pipe.execute()
        return Seen(
            line.length, _age(first, now), line.oldest, line.added, {"delayed": delayed, "dead": dead}
        )


class WorkerHeartbeat(OnRedis, CrewProbe):
    """Whether the processes that fetch from a queue live and work: silent, stalled or idle.

    Each worker process beats whenever it asks for messages, many times a minute; one that is killed and one
    that is stopped look the same. Fails when none is known, when all have been silent for longer than
    `max_silence`, and when messages wait and none was begun or ended for `stalled_after`. A process that
    sends beats too, when it does, so that beside busy senders dead workers show by what stands still. The
    value is the seconds since the latest sign.
    """

    def __init__(
        self, queue: str, redis: Any, *, max_silence: Duration = 90.0, stalled_after: Duration | None = None,
        namespace: str = "dramatiq", name: str | None = None, timeout: Duration = 2.0,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, "dramatiq", name, timeout, clock, max_silence, stalled_after)
        self._namespace = _namespace(redis, namespace)
        self._reach(_client(redis))

    def crew(self, now: float) -> Crew:
        """Read the workers; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        with told():
            return self._ask(now)

    def _ask(self, now: float) -> Crew:
        space, key = self._namespace, f"{self._namespace}:{self.queue}"
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zrevrange(f"{space}:__heartbeats__", 0, MOST - 1, withscores=True)
            pipe.llen(key).lindex(key, 0)
            beats, waiting, first = pipe.execute()
        with self._client.pipeline(transaction=False) as pipe:
            for name, _ in beats:
                pipe.smembers(f"{space}:__acks__.{name.decode()}.{self.queue}")
            held = pipe.execute() if beats else []
        ids = sorted(set().union(*held) | ({first} if first else set()))[: MOST * 2]
        bodies = dict(zip(ids, self._client.hmget(f"{key}.msgs", ids) if ids else (), strict=True))
        hands = [
            _hand(name.decode(), max(0.0, now - score / 1000), sorted(group), bodies, self._max_silence)
            for (name, score), group in zip(beats, held, strict=True)
        ]
        age = _age(bodies.get(first), now) if first else None
        progress = (frozenset(ids), waiting == 0)
        return Crew(self.queue, _present(hands), waiting, age, progress)


def _present(hands: Sequence[Hand]) -> tuple[Hand, ...]:
    """Leave out those that ended in peace: Dramatiq forgets them late, they hold nothing, and others live."""
    live = [hand for hand in hands if not hand.is_silent]
    if not live:
        return tuple(hand for hand in hands if hand.tasks) or tuple(hands[:1])
    return tuple(hand for hand in hands if hand.tasks or not hand.is_silent)


def _hand(
    name: str, silence: float, held: Sequence[bytes], bodies: dict[bytes, Any], max_silence: float
) -> Hand:
    tasks = tuple(_task(one, _message(bodies.get(one))) for one in held)
    return Hand(name, silence, silence > max_silence, None, tasks, bool(tasks))


def _task(key: bytes, message: dict[str, Any]) -> Task:
    options = message.get("options")
    limit = options.get("time_limit") if isinstance(options, dict) else None
    return Task(
        id=key.decode("utf-8", "replace")[:100],
        function=str(message.get("actor_name", ""))[:100],  # its arguments may hold a secret
        limit=limit / 1000 if isinstance(limit, int | float) else None,
    )


def _message(body: Any) -> dict[str, Any]:
    """Return a message as Dramatiq's own JSON encoder wrote it; empty for any other encoding."""
    try:
        found = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _age(body: Any, now: float) -> float | None:
    sent = _message(body).get("message_timestamp")
    return max(0.0, now - sent / 1000) if isinstance(sent, int | float) else None


def _client(redis: Any) -> Any:
    return redis.client if hasattr(redis, "broker_id") else redis


def _namespace(redis: Any, given: str) -> str:
    return str(redis.namespace) if hasattr(redis, "broker_id") else given
