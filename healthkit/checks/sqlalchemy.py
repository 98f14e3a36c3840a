"""Checks through the app's own SQLAlchemy engine: the database takes writes, and rows keep coming.

health.add(DatabaseWrite(engine))
health.add(RowFreshness(Invoice.created_at, engine, max_age="26h", name="invoices"))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_pool import pool_fill
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.checks.sql_reasons import DENIED, database_reason, is_missing_table
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

Clock = Callable[[], float]

FORGOTTEN = 86_400.0  # seconds after which another instance's row is nobody's: restarts never grow the table
POOL_SHARE, NAP = 0.25, 0.05  # of the timeout that a pool may stay full; seconds between two looks at it
AHEAD = 300.0  # seconds a row may lie in the future before that is worth a warning

log = logging.getLogger(__name__)


class DatabaseWrite(SQLProbe):
    """Proves that the database takes writes: updates this instance's own row and commits.

    Only a COMMIT proves it: `SELECT 1`, a temporary table and a rolled-back INSERT all succeed on databases
    that take no writes. `engine` is the app's `Engine` or `AsyncEngine`, or a URL; the write goes over one
    connection outside the app's pool, and the pool is only looked at: full for a quarter of `timeout` on end
    is a fail. `table` (`"schema.name"` where needed) is created when missing. `instance` names this
    instance's row; by default host and process. `renew_every` replaces the connection, so that what only new
    connections see is seen. The value is the latency of the transaction in milliseconds.
    """

    measurement = "write"

    def __init__(
        self, engine: AnyEngine, *, name: str = "database", table: str = "healthkit_probe",
        instance: str | None = None, timeout: Duration = 2.0, renew_every: Duration = RENEW,
        clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self._table = _probe_table(table)
        self._instance = instance
        self._clock = clock
        self._connect_to(engine, timeout, renew_every)

    def __call__(self) -> Any:
        """Write once; raises `Fail` with the class of reason first."""
        result = self.run()
        for nap in self.naps():
            time.sleep(nap)
        return result

    def work(self, connection: sa.Connection) -> Result:
        """Update this instance's row, or insert it."""
        mine = {"instance": self._instance or f"{socket.gethostname()}:{os.getpid()}"[:190]}
        now = self._clock()
        rows = self._table
        update = sa.update(rows).where(rows.c.instance == mine["instance"])
        if connection.execute(update.values(beats=rows.c.beats + 1, at=now)).rowcount == 0:
            connection.execute(sa.insert(rows).values(**mine, beats=1, at=now))
            self._is_new = True
        return Result()

    def run(self) -> Result:
        """Write, creating the table when it is missing; returns the latency and what is known."""
        self._is_new = False
        super().run()
        if self._is_new:
            self._sweep()
        return Result(self.latency, "ms", details=self.details())

    def details(self) -> Mapping[str, Any]:
        """Return what is known beside the reading: dialect, driver, role, and how full the app's pool is."""
        fill = pool_fill(self._engine) if self._is_apps else None
        return super().details() if fill is None else {**super().details(), "pool": str(fill)}

    def naps(self) -> Iterator[float]:
        """Yield seconds to wait while the app's pool is full; raises `Fail` when it stays so."""
        patience = self.timeout * POOL_SHARE
        fill = pool_fill(self._engine) if self._is_apps else None
        waited = 0.0
        while fill is not None and fill.is_full:
            if waited >= patience:
                raise Fail(f"pool exhausted: {fill}, for {humanize(patience)} on end", **self.details())
            yield NAP
            waited += NAP
            fill = pool_fill(self._engine)

    def _attempt(self, *, retry: bool) -> Result:
        try:
            return super()._attempt(retry=retry)
        except SQLAlchemyError as error:
            if not is_missing_table(error) or self._link.was_cut:
                raise
        try:
            with self._link.use() as (connection, _):
                self._transact(connection, self._create)
                return self._transact(connection, self.work)
        except SQLAlchemyError as error:
            if database_reason(error) == DENIED:
                raise Fail(self._how_to_create(), **self.details()) from None
            if database_reason(error) is not None:
                raise
        return super()._attempt(retry=False)  # "exists already": another instance created it meanwhile

    def _create(self, connection: sa.Connection) -> Result:
        self._table.create(connection, checkfirst=True)
        log.info("creating the table %r for the probe %r", self._table.fullname, self.name)
        return Result()

    def _how_to_create(self) -> str:
        statement = " ".join(str(CreateTable(self._table).compile(dialect=self._engine.dialect)).split())
        return (
            f"missing table: {self._table.fullname} does not exist and this user may not create it; "
            f"create it once and grant SELECT, INSERT, UPDATE, DELETE on it: {statement}"
        )

    def _sweep(self) -> None:
        """Remove the rows of instances long gone; to fail at that is no news about the database."""
        with contextlib.suppress(SQLAlchemyError), self._link.use() as (connection, _):
            self._transact(connection, self._forget)

    def _forget(self, connection: sa.Connection) -> Result:
        connection.execute(sa.delete(self._table).where(self._table.c.at < self._clock() - FORGOTTEN))
        return Result()


class AsyncDatabaseWrite(AsyncCall, DatabaseWrite):
    """`DatabaseWrite` on an async engine; made by calling `DatabaseWrite`."""

    async def __call__(self) -> Any:
        """Write once; raises `Fail` with the class of reason first."""
        result = await super().__call__()
        for nap in self.naps():
            await asyncio.sleep(nap)
        return result


class RowFreshness(SQLProbe):
    """Proves that a job really produces something: the newest row is younger than `max_age`.

    `query_or_column` is a timestamp column (its maximum is taken), or a query, as text or SQLAlchemy's, whose
    first value is the newest timestamp: a datetime (UTC where it has no zone), a date, epoch seconds, or ISO
    text. Fails when it is older than `max_age` or there is no row; warns from `warn_age` on, where given, and
    when the newest row lies in the future. The value is the age in seconds.
    """

    measurement = "freshness"

    def __init__(
        self, query_or_column: Any, engine: AnyEngine, *, max_age: Duration, warn_age: Duration | None = None,
        name: str = "rows", timeout: Duration = 2.0, renew_every: Duration = RENEW, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self._query = _newest(query_or_column)
        self._max_age = seconds(max_age, what="RowFreshness max_age")
        self._warn_age = (
            self._max_age if warn_age is None else seconds(warn_age, what="RowFreshness warn_age")
        )
        self._clock = clock
        self._connect_to(engine, timeout, renew_every)

    def work(self, connection: sa.Connection) -> Result:
        """Read the newest timestamp and judge its age."""
        newest = connection.execute(self._query).scalar()
        if newest is None:
            raise Fail("no rows: the query returns nothing, so nothing was ever produced")
        age = self._clock() - epoch(newest)
        shown, limit = round(age, 3), humanize(self._max_age)
        if age > self._max_age:
            raise Fail(f"stale: the newest row is {humanize(age)} old (limit {limit})", value=shown, unit="s")
        if age > self._warn_age:
            raise Warn(f"aging: the newest row is {humanize(age)} old (limit {limit})", value=shown, unit="s")
        if age < -AHEAD:
            reason = f"in the future: the newest row lies {humanize(-age)} ahead of this host's clock"
            raise Warn(reason, value=shown, unit="s")
        return Result(max(0.0, shown), "s")


class AsyncRowFreshness(AsyncCall, RowFreshness):
    """`RowFreshness` on an async engine; made by calling `RowFreshness`."""


DatabaseWrite._asynchronous = AsyncDatabaseWrite
RowFreshness._asynchronous = AsyncRowFreshness


def epoch(value: Any) -> float:
    """Return a timestamp from a database as epoch seconds; raises `Fail` for what is none."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Fail(
            f"the query's first value is a {type(value).__name__}, not a timestamp; "
            "return a datetime, a date, epoch seconds or ISO text"
        ) from None


def _probe_table(name: str) -> sa.Table:
    schema, _, bare = name.rpartition(".")
    if not bare or bare != bare.strip():
        raise ConfigurationError(
            f'DatabaseWrite table: {name!r} is not a table name; write "name" or "schema.name"'
        )
    return sa.Table(
        bare,
        sa.MetaData(schema=schema or None),
        sa.Column("instance", sa.String(190), primary_key=True),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.Column("at", sa.Double, nullable=False),  # epoch seconds; no index, so that updates stay in place
    )


def _newest(source: Any) -> Any:
    """Return the query for the newest timestamp."""
    if isinstance(source, str):
        return sa.text(source)
    element = source.__clause_element__() if hasattr(source, "__clause_element__") else source
    if isinstance(element, sa.ColumnElement):
        return sa.select(sa.func.max(element))
    if isinstance(element, sa.Executable):
        return element
    raise ConfigurationError(
        f"RowFreshness: a {type(source).__name__} is neither a column nor a query; "
        "pass a timestamp column such as Invoice.created_at, a select(), or SQL text"
    )
