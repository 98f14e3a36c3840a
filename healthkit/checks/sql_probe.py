"""What the database checks share: one link, one retry on a stale connection, one way to name a reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from healthkit.checks.reasons import TIMED_OUT, causes
from healthkit.checks.sql_link import AnyEngine, Link, sync_engine
from healthkit.checks.sql_reasons import LOCKED, READ_ONLY, STANDBY, TOO_SLOW, database_reason
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

LOCK_SHARE, STATEMENT_SHARE = 0.6, 0.8  # of the timeout, so that the server's own, clearer error comes first
PARTING = 1.0  # seconds a run may take to notice that its socket was shut
RENEW = "60s"


class SQLProbe:
    """Base of the checks on an engine: `work` runs in one transaction on the probe's own connection.

    Made with an `AsyncEngine`, or a URL of an async driver, the probe is an async callable; otherwise a sync
    one.
    """

    name: str
    measurement: ClassVar[str]
    component_type = "datastore"
    _asynchronous: ClassVar[type[SQLProbe] | None] = None

    _standby: bool | None = None
    latency = 0.0

    def _connect_to(self, engine: AnyEngine, timeout: Duration, renew_every: Duration) -> None:
        self.timeout = seconds(timeout, what=f"{type(self).__name__} timeout")
        if self.timeout <= 0:
            raise ConfigurationError(
                f"{type(self).__name__} timeout: {timeout!r} leaves no time; give seconds above 0"
            )
        self._engine, self._is_apps = sync_engine(engine)
        self._link = Link(
            self._engine,
            limit=self.timeout * STATEMENT_SHARE,
            max_age=seconds(renew_every, what="renew_every"),
        )
        self.identity = _identity(self._engine)
        if self._engine.dialect.is_async and self._asynchronous is not None:
            self.__class__ = self._asynchronous  # so that `__call__` is what it looks like: sync or async

    def __call__(self) -> Any:
        """Run once; raises `Fail` with the class of reason first."""
        return self.run()

    def within(self, limit: float) -> None:
        """Fit every limit of its own into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self._link.limit = limit * STATEMENT_SHARE

    def abort(self) -> None:
        """End a run that hangs on the server, from any thread."""
        self._link.abort()

    def close(self) -> None:
        """Close the probe's connection, while no run is under way; the next run opens another."""
        self._link.close()
        self._link.settle()

    def run(self) -> Result:
        """Do the probe's work; a connection that went stale between two runs is replaced once, unseen."""
        try:
            return self._attempt(retry=True)
        except Fail:
            raise
        except Exception as error:  # drivers raise trees of their own while connecting
            reason = self._reason(error)
            if reason is None:
                raise  # shown as its class alone
            for cause in causes(error):  # a half-made connection lives in the frames: let go of it at once
                cause.__traceback__ = None
        raise Fail(reason, **self.details())

    def work(self, connection: Connection) -> Result:
        """Do the work inside a transaction and return the result; the caller commits."""
        raise NotImplementedError

    def _attempt(self, *, retry: bool) -> Result:
        reused = False
        try:
            with self._link.use() as (connection, reused):
                return self._transact(connection, self.work)
        except DBAPIError as error:
            if not (retry and reused and error.connection_invalidated) or self._link.was_cut:
                raise
        return self._attempt(retry=False)

    def _transact(self, connection: Connection, work: Callable[[Connection], Result]) -> Result:
        """Run `work` and COMMIT; on an error the link closes the connection, so nothing is rolled back."""
        started = time.perf_counter()
        transaction = connection.begin()
        self._prepare(connection)
        result = work(connection)
        transaction.commit()
        self.latency = round((time.perf_counter() - started) * 1000, 3)
        return result

    def _prepare(self, connection: Connection) -> None:
        """Let the server bound waiting for locks and slow statements in this transaction; learn its role."""
        lock, statement = round(self._lock_wait() * 1000), round(self.timeout * STATEMENT_SHARE * 1000)
        dialect = connection.dialect.name
        if dialect == "postgresql":
            bounds = {"lock": f"{max(1, lock)}ms", "statement": f"{max(1, statement)}ms"}
            self._standby = bool(connection.execute(_POSTGRES_BOUNDS, bounds).scalar())
        elif dialect in ("mysql", "mariadb"):
            wait = round(self._lock_wait())
            connection.exec_driver_sql(
                f"SET SESSION innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {wait}"
            )

    def _lock_wait(self) -> float:
        """Return the seconds to wait for a lock; MySQL takes whole ones alone."""
        wait = self.timeout * LOCK_SHARE
        return max(1.0, wait // 1) if self._engine.dialect.name in ("mysql", "mariadb") else wait

    def _reason(self, error: Exception) -> str | None:
        """Return what to say, with the class of reason first; None for an error that nobody knows."""
        reason = TIMED_OUT if self._link.was_cut else database_reason(error)
        if reason == READ_ONLY and self._standby:
            return STANDBY
        if reason in (LOCKED, TOO_SLOW):
            limit = self._lock_wait() if reason == LOCKED else self.timeout * STATEMENT_SHARE
            return f"{reason} (over {humanize(limit)})"
        return reason

    def details(self) -> Mapping[str, Any]:
        """Return what is known beside the reading: dialect, driver, role."""
        known = {"dialect": self._engine.dialect.name, "driver": self._engine.dialect.driver}
        if self._standby is not None:
            known["role"] = "standby" if self._standby else "primary"
        return known


class AsyncCall:
    """Makes a probe async: its synchronous code runs in a greenlet, as SQLAlchemy's async engine does it."""

    async def __call__(self) -> Any:
        """Run once on the running loop; raises `Fail` with the class of reason first."""
        from sqlalchemy.util import greenlet_spawn

        run = asyncio.ensure_future(greenlet_spawn(self.run))  # type: ignore[attr-defined]
        try:
            return await asyncio.shield(run)
        except asyncio.CancelledError:
            await self._end(run)
            raise
        finally:
            # one turn of the loop, in which a transport that was cut closes its socket
            await asyncio.sleep(0)

    async def _end(self, run: asyncio.Future[Any]) -> None:
        """End a run by its socket; cancelled as a task, psycopg would first ask the hung server for 5 s."""
        if self._link.abort():  # type: ignore[attr-defined]
            await asyncio.wait({run}, timeout=PARTING)
        run.cancel()
        await asyncio.wait({run})
        if not run.cancelled():
            run.exception()  # seen: it says that the connection was cut


_POSTGRES_BOUNDS = text(
    "SELECT pg_is_in_recovery(), set_config('lock_timeout', :lock, true),"
    " set_config('statement_timeout', :statement, true)"
)


def _identity(engine: Engine) -> str | None:
    """Return what tells that two checks depend on the same database: its kind and name, no address."""
    name = (engine.url.database or "").replace("\\", "/").rpartition("/")[2]
    return f"{engine.dialect.name}:{name}" if name and not name.startswith(":") else None
