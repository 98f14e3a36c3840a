"""Celery's queues as their broker shows them: lists in Redis, or whatever kombu can ask for a count."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from healthkit.checks.queue_model import Seen
from healthkit.checks.reasons import network_reason
from healthkit.checks.redis_lines import ListLine
from healthkit.errors import ConfigurationError, Fail

STEP_SHARE = 0.3  # of the timeout, for each single step on the network
STEPS, SEPARATOR = (0, 3, 6, 9), "\x06\x16"  # kombu.transport.redis: priorities, each a list of its own
_STAMPS = ("timestamp", "sent_at", "published_at")  # headers or properties that tell when it was sent


def reader(app: Any, queue: str, timeout: float) -> RedisLines | BrokerLine:
    """Return what reads a queue of an app. Raises `ConfigurationError` for what is no Celery app."""
    if not hasattr(app, "connection_for_read"):
        raise ConfigurationError(f"celery: a {type(app).__name__} is no Celery app; pass the app's own")
    connection = app.connection_for_read()
    if connection.transport_cls in ("redis", "rediss"):
        return RedisLines(connection, queue, timeout)
    return BrokerLine(connection, queue, timeout)


class RedisLines:
    """A queue in Redis: one list for each step of priority, taken from the right."""

    def __init__(self, connection: Any, queue: str, timeout: float) -> None:
        options = connection.transport_options or {}
        prefix = options.get("global_keyprefix", "")
        separator = options.get("sep", SEPARATOR)
        keys = [f"{queue}{separator}{n}" if n else queue for n in options.get("priority_steps", STEPS)]
        self._lines = [ListLine(f"{prefix}{key}", pushed="left") for key in keys]
        self._unacked = f"{prefix}{options.get('unacked_key', 'unacked')}"
        self._unacked_index = f"{prefix}{options.get('unacked_index_key', 'unacked_index')}"
        self._url = connection.as_uri(include_password=True)
        self._since: dict[str, tuple[str | None, float]] = {}
        self.within(timeout)

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds."""
        from healthkit.checks.redis_link import own_client

        self._client = own_client(self._url, limit * STEP_SHARE)

    def read(self, now: float) -> Seen:
        """Read the queue; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        from healthkit.checks.redis_link import told

        with told():
            lines = [(line.key, line.look(self._client)) for line in self._lines]
            with self._client.pipeline(transaction=False) as pipe:
                pipe.hlen(self._unacked).zrange(self._unacked_index, 0, 0, withscores=True)
                unacked, first = pipe.execute()
        ages = [self._age(key, line.oldest, line.first, now) for key, line in lines if line.length]
        details: dict[str, Any] = {"unacked": unacked}
        if first:
            details["unacked_age"] = round(max(0.0, now - float(first[0][1])), 3)
        return Seen(
            waiting=sum(line.length for _, line in lines),
            oldest_age=max(ages, default=None),
            oldest="|".join(line.oldest or "" for _, line in lines),
            added=sum(line.added for _, line in lines),
            details=details,
        )

    def _age(self, key: str, who: str | None, body: bytes | None, now: float) -> float:
        """Return the age that a message tells of itself, or for how long it has been seen to be the first."""
        known, since = self._since.get(key, (None, now))
        if who != known or now < since:
            since = now
        self._since[key] = (who, since)
        return max(0.0, now - (_sent(body) or since))

    def close(self) -> None:
        """Close the connections; the next run opens others."""
        self._client.close()


class BrokerLine:
    """A queue on any broker, RabbitMQ above all, asked by a passive declaration over a connection of ours."""

    def __init__(self, connection: Any, queue: str, timeout: float) -> None:
        self._connection, self._queue = connection, queue
        self.within(timeout)

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds."""
        self._step = limit * STEP_SHARE

    def read(self, _now: float) -> Seen:
        """Ask for the count of ready messages. Raises `Fail` with the class of reason."""
        limits = {"read_timeout": self._step, "write_timeout": self._step}
        is_amqp = self._connection.transport_cls in ("amqp", "pyamqp", "amqps")
        options = {**(self._connection.transport_options or {}), **(limits if is_amqp else {})}
        connection = self._connection.clone(connect_timeout=self._step, transport_options=options)
        try:
            connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            answer = connection.channel().queue_declare(self._queue, passive=True)
        except Exception as error:  # each transport has a tree of its own
            reason = broker_reason(error, self._queue)
            if reason is None:
                raise
        else:
            return Seen(answer.message_count, details={"consumers": answer.consumer_count})
        finally:
            with contextlib.suppress(Exception):
                connection.release()
        raise Fail(reason)

    def close(self) -> None:
        """Nothing stays open."""


def broker_reason(error: BaseException, queue: str) -> str | None:
    """Return why a broker refused, with the class of reason first; None when nothing known says it."""
    code = getattr(error, "reply_code", None) or getattr(error, "code", None)
    if code == 404:
        return f"missing: the broker has no queue {queue}"
    if code in (403, 530) or type(error).__name__ in ("AccessRefused", "NotAllowed"):
        return "authentication failed: the broker refuses this user, password or virtual host"
    return network_reason(error)


def _sent(body: bytes | None) -> float | None:
    """Return when a message was sent (epoch seconds), where it says so; Celery's own do not."""
    try:
        message = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    for part in (message.get("headers"), message.get("properties")):
        for stamp in _STAMPS if isinstance(part, dict) else ():
            value = part.get(stamp)  # type: ignore[union-attr]
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value) / (1000 if value > 1e11 else 1)
    return None
