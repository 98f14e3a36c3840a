"""The check on Huey: the depth of its queue, on Redis, on SQLite, or on any storage of its own.

    health.add(QueueDepth(huey, fail=10_000, max_age="5m", stalled_after="5m"))

Huey keeps no list of its workers (consumers), so what tells that none works is `stalled_after`.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from pathlib import Path
from typing import Any, Unpack

from healthkit.checks.queue_depth import Clock, DepthProbe, Limits
from healthkit.checks.queue_model import Seen
from healthkit.checks.redis_lines import ListLine
from healthkit.durations import Duration
from healthkit.errors import ConfigurationError, Fail

STEP_SHARE = 0.4  # of the timeout, for each single step


class QueueDepth(DepthProbe):
    """How many tasks wait, for how long the first has, and whether the queue grows.

    `huey` is the app's own instance. Tasks are pickled and not looked into, so an age is counted from when
    this check first saw the task at the head. Details count what is scheduled.
    """

    def __init__(
        self, huey: Any, *, name: str | None = None, timeout: Duration = 2.0, clock: Clock = time.time,
        **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        storage = getattr(huey, "storage", None)
        if storage is None or not hasattr(storage, "queue_size"):
            raise ConfigurationError(f"QueueDepth: a {type(huey).__name__} is no Huey; pass the app's own")
        self._begin(str(huey.name), "huey", name, timeout, clock, limits)
        self._reader = _reader(storage)
        self._reader.within(self.timeout)
        if isinstance(self._reader, _OnAny):
            self._watch.without_order("this storage does not show which task is first")

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self._reader.within(limit)

    def read(self, _now: float) -> Seen:
        """Read the storage; raises `Fail` with the class of reason."""
        seen: Seen = self._reader.read()
        return seen

    def close(self) -> None:
        """Close the probe's connections; the next run opens others."""
        self._reader.close()


def _reader(storage: Any) -> Any:
    if hasattr(storage, "conn") and hasattr(storage, "queue_key") and hasattr(storage, "schedule_key"):
        return _OnRedis(storage)
    if hasattr(storage, "filename") and hasattr(storage, "table_task"):
        return _OnSQLite(storage)
    return _OnAny(storage)


class _OnRedis:
    """Over a client of the probe's own."""

    def __init__(self, storage: Any) -> None:
        self._given = storage.conn
        self._line = ListLine(storage.queue_key, pushed="left")
        self._has_priorities = bool(getattr(storage, "priority", False))
        self._schedule = storage.schedule_key

    def within(self, limit: float) -> None:
        from healthkit.checks.redis_link import own_client

        self._client = own_client(self._given, limit * STEP_SHARE)

    def read(self) -> Seen:
        from healthkit.checks.redis_link import told

        with told():
            scheduled = {"scheduled": self._client.zcard(self._schedule)}
            if self._has_priorities:
                return self._by_priority(scheduled)
            line = self._line.look(self._client)
        return Seen(line.length, None, line.oldest, line.added, scheduled)

    def _by_priority(self, details: dict[str, Any]) -> Seen:
        waiting = self._client.zcard(self._line.key)
        first = self._client.zrange(self._line.key, 0, 0)
        return Seen(waiting, None, first[0][:8].hex() if first else None, None, details)

    def close(self) -> None:
        self._client.close()


class _OnSQLite:
    """Over a connection of the probe's own, opened each time, read-only."""

    def __init__(self, storage: Any) -> None:
        self._path, self._queue = str(storage.filename), storage.name

    def within(self, limit: float) -> None:
        self._step = limit * STEP_SHARE

    def read(self) -> Seen:
        where = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(where, timeout=self._step, uri=True)) as connection:
                return self._ask(connection)
        except sqlite3.Error as error:
            from healthkit.checks.sql_reasons import database_reason

            reason = database_reason(error)
            if reason is None:
                raise
        raise Fail(reason)

    def _ask(self, connection: sqlite3.Connection) -> Seen:
        mine = (self._queue,)
        [waiting] = connection.execute("SELECT count(*) FROM task WHERE queue = ?", mine).fetchone()
        first = connection.execute(
            "SELECT data FROM task WHERE queue = ? ORDER BY priority DESC, id LIMIT 1", mine
        ).fetchone()
        [scheduled] = connection.execute("SELECT count(*) FROM schedule WHERE queue = ?", mine).fetchone()
        oldest = (
            hashlib.blake2b(first[0], digest_size=12).hexdigest() if first else None
        )  # ids are used again
        return Seen(waiting, None, oldest, None, {"scheduled": scheduled})

    def close(self) -> None:
        """Nothing stays open."""


class _OnAny:
    """Over Huey's own storage, by the methods that every storage has."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def within(self, limit: float) -> None:
        """Its connection is Huey's, and so are its limits."""

    def read(self) -> Seen:
        return Seen(self._storage.queue_size(), details={"scheduled": self._storage.schedule_size()})

    def close(self) -> None:
        """The connection is Huey's."""
