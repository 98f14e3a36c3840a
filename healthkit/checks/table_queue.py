"""The check on a database table that serves as a queue.

health.add(TableQueue(engine, "outbox", ready="sent_at IS NULL", age="created_at", fail=10_000, max_age="5m"))
health.add(TableQueue(engine, Outbox, ready=Outbox.sent_at.is_(None), age=Outbox.created_at))
health.add(TableQueue(engine, "SELECT count(*), min(created_at) FROM outbox WHERE ...", name="outbox"))
"""

from __future__ import annotations

import re
import time
from typing import Any, Unpack

import sqlalchemy as sa

from healthkit.checks.queue_depth import Clock, DepthWatch, Limits, plain
from healthkit.checks.queue_model import Seen
from healthkit.checks.sql_freshness import epoch
from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.durations import Duration
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

_NAME = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)?", re.ASCII)


class TableQueue(SQLProbe):
    """How many rows wait in a table, how old the oldest is, and whether they grow.

    `source` is a table's name, a table or mapped class; or a query, as text or SQLAlchemy's, whose first
    value is the count and whose second, where there is one, the oldest timestamp. `ready` tells the rows that
    wait, as SQL text or an expression, `age` the column (or SQL text) of when a row came. Text is put into
    the statement as it is: it belongs to the program, never to a user.
    """

    measurement = "depth"

    def __init__(
        self, engine: AnyEngine, source: Any, *, ready: Any = None, age: Any = None, name: str | None = None,
        timeout: Duration = 2.0, renew_every: Duration = RENEW, clock: Clock = time.time,
        **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        title, self._query = _query(source, ready, age)
        if not (name or title):
            raise ConfigurationError('TableQueue: a query has no name of its own; give one: name="outbox"')
        self.name = name or f"queue-{plain(title)}"
        self._clock = clock
        self._watch = DepthWatch("TableQueue", limits)
        self._needs_age = limits.get("max_age") is not None or limits.get("stalled_after") is not None
        if title and age is None:
            self._watch.without_order('there is no age; give the column of when a row came: age="created_at"')
        self._seen = Seen(0)
        self._connect_to(engine, timeout, renew_every)

    def work(self, connection: sa.Connection) -> Result:
        """Count the rows that wait."""
        row = connection.execute(self._query).one()
        if self._needs_age and len(row) < 2:
            raise Fail("misconfigured: the query returns no second column, the oldest timestamp, to judge")
        oldest = row[1] if len(row) > 1 else None
        age = None if oldest is None else max(0.0, self._clock() - epoch(oldest))
        self._seen = Seen(int(row[0] or 0), age, None if oldest is None else str(oldest))
        return Result()

    def run(self) -> Result:
        """Count, and judge what was counted."""
        super().run()
        return self._watch.judge(self._seen, self._clock())


class AsyncTableQueue(AsyncCall, TableQueue):
    """`TableQueue` on an async engine; made by calling `TableQueue`."""


TableQueue._asynchronous = AsyncTableQueue


def _query(source: Any, ready: Any, age: Any) -> tuple[str, Any]:
    """Return the table's name ("" for a query) and the query for the count and the oldest timestamp."""
    if isinstance(source, str) and not _NAME.fullmatch(source.strip()):
        return "", _alone(sa.text(source), ready, age)
    if isinstance(source, sa.Executable) and not isinstance(source, sa.FromClause):
        return "", _alone(source, ready, age)
    table = _table(source)
    columns: list[Any] = [sa.func.count()]
    if age is not None:
        columns.append(sa.func.min(sa.literal_column(age) if isinstance(age, str) else age))
    query = sa.select(*columns).select_from(table)
    return str(table.name), query if ready is None else query.where(
        sa.text(ready) if isinstance(ready, str) else ready
    )


def _alone(query: Any, ready: Any, age: Any) -> Any:
    if ready is not None or age is not None:
        raise ConfigurationError("TableQueue: a query says itself what is ready and how old; leave both out")
    return query


def _table(source: Any) -> Any:
    if isinstance(source, str):
        schema, _, bare = source.strip().rpartition(".")
        return sa.table(bare, schema=schema or None)
    found = getattr(source, "__table__", source)
    if not isinstance(found, sa.FromClause):
        raise ConfigurationError(
            f"TableQueue: a {type(source).__name__} is neither a table, its name, nor a query"
        )
    return found
