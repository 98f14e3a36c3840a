"""`DatabaseWrite`: only a COMMIT proves that a database takes writes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from healthkit.checks.sql_link import AnyEngine
from healthkit.checks.sql_pool import pool_fill
from healthkit.checks.sql_probe import RENEW, AsyncCall, SQLProbe
from healthkit.checks.sql_reasons import DENIED, READ_ONLY_REASONS, database_reason, is_missing_table
from healthkit.checks.sql_room import room_table, take_room
from healthkit.durations import Duration, humanize
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

Clock = Callable[[], float]

FORGOTTEN = 86_400.0  # seconds after which another instance's row is nobody's: restarts never grow the table
POOL_SHARE, NAP = 0.25, 0.05  # of the timeout that a pool may stay full; seconds between two looks at it

log = logging.getLogger(__name__)


class DatabaseWrite(SQLProbe):
    """Proves that the database takes writes: updates this instance's own row and commits.

    Only a COMMIT proves it: `SELECT 1`, a temporary table and a rolled-back INSERT all succeed on databases
    that take no writes. `engine` is the app's `Engine` or `AsyncEngine`, or a URL; the write goes over one
    connection outside the app's pool, and the pool is only looked at: full for a quarter of `timeout` on end
    is a fail. `table` (`"schema.name"` where needed) is created when missing. `instance` names this
    instance's row; by default host and process. `deep=True` also writes 64 KB into new pages, which a full
    disk refuses when small updates still succeed. `read_only_ok=True` is for an engine that is meant for
    reading, such as a standby's: it then has to answer, and a refused write is no fault. `renew_every`
    replaces the connection, so that what only new connections see is seen. The value is the latency of the
    transaction in milliseconds.
    """

    measurement = "write"

    def __init__(
        self, engine: AnyEngine, *, name: str = "database", table: str = "healthkit_probe",
        instance: str | None = None, deep: bool = False, read_only_ok: bool = False, timeout: Duration = 2.0,
        renew_every: Duration = RENEW, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self._table = _probe_table(table)
        self._room = room_table(self._table) if deep else None
        self._read_only_ok = read_only_ok
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
        if self._standby and self._read_only_ok:
            return Result()  # it answers; a write would only fill its log with errors
        mine = {"instance": self._instance or f"{socket.gethostname()}:{os.getpid()}"[:190]}
        now = self._clock()
        rows = self._table
        update = sa.update(rows).where(rows.c.instance == mine["instance"])
        if connection.execute(update.values(beats=rows.c.beats + 1, at=now)).rowcount == 0:
            connection.execute(sa.insert(rows).values(**mine, beats=1, at=now))
            self._is_new = True
        if self._room is not None:
            take_room(connection, self._room)
        return Result()

    def run(self) -> Result:
        """Write, creating the table when it is missing; returns the latency and what is known."""
        self._is_new, latency = False, None
        is_read_only = False
        try:
            super().run()
            latency = self.latency
        except Fail as failure:
            is_read_only = self._read_only_ok and failure.reason in READ_ONLY_REASONS
            if not is_read_only:
                raise
        if self._is_new and not is_read_only:
            self._sweep()
        access = {"access": "read-only"} if is_read_only or (self._standby and self._read_only_ok) else {}
        return Result(latency, "ms" if latency else None, details={**self.details(), **access})

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
        self._table.metadata.create_all(connection)
        log.info("creating the table %r for the probe %r", self._table.fullname, self.name)
        return Result()

    def _how_to_create(self) -> str:
        tables = [table for table in (self._table, self._room) if table is not None]
        texts = [str(CreateTable(table).compile(dialect=self._engine.dialect)) for table in tables]
        names = " or ".join(table.fullname for table in tables)
        return (
            f"missing table: {names} does not exist and this user may not create it; create it once and "
            f"grant SELECT, INSERT, UPDATE, DELETE{', TRUNCATE' if self._room is not None else ''} on it: "
            + "; ".join(" ".join(text.split()) for text in texts)
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


DatabaseWrite._asynchronous = AsyncDatabaseWrite


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
