"""One writer thread, a few reader threads, one transaction per call: on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url

from checker.store import codec, postgres, schema
from checker.store.errors import StoreError, StoreUnavailable, explain, is_unavailable, safe
from checker.store.threads import Threads

T = TypeVar("T")

_log = logging.getLogger(__name__)

_SQLITE = (
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)
_CONFLICTS = frozenset(
    {"40001", "40P01"}
)  # serialization failure, deadlock: the same work succeeds when repeated
_TRIES = 3


class Store:
    """The database. Every write goes through one thread, every call is one transaction.

    `url`: `sqlite:///path` or `postgresql://...`. `timeout` bounds, in seconds, how long a caller waits.
    Functions given to `write` and `read` take a `sqlalchemy.Connection`; they may run again after a lost
    connection or a conflict, so they change nothing but the database. Raises `StoreError` for a URL that
    cannot work, `StoreUnavailable` when the database cannot be used now.
    """

    def __init__(self, url: str, *, readers: int = 4, timeout: float = 10.0) -> None:
        self._url = _parse(url)
        self._timeout = timeout
        self._writer = Threads("store-writer")
        self._readers = Threads("store-reader", readers)
        self._write_engine = _engine(self._url, 1, write=True)
        self._read_engine = _engine(self._url, readers, write=False)

    @property
    def dialect(self) -> str:
        """`"sqlite"` or `"postgresql"`."""
        return self._url.get_backend_name()

    def __repr__(self) -> str:
        return f"Store({safe(self._url)!r})"

    def migrate(self) -> None:
        """Bring the schema up to date; raises `StoreError` when it cannot be, or is newer than we are."""
        try:
            self._writer.submit(lambda: self._transact(self._write_engine, self._upgrade)).result()
        except StoreUnavailable as error:
            raise StoreError(str(error)) from error.__cause__

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one transaction on the writer thread, and return after the commit."""
        return await self._bounded(self._submit_write(fn))

    async def settle(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one transaction, however long it takes, one node after another: for large changes."""

        def settled(conn: Connection) -> T:
            schema.alone(conn)
            return fn(conn)

        return await asyncio.wrap_future(self._submit(self._writer, self._write_engine, settled))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on a reader thread, on one consistent view of the data."""
        return await self._bounded(self._submit_read(fn))

    def write_now(self, fn: Callable[[Connection], T]) -> T:
        """Like `write`, for callers without an event loop."""
        return self._wait(self._submit_write(fn))

    def read_now(self, fn: Callable[[Connection], T]) -> T:
        """Like `read`, for callers without an event loop."""
        return self._wait(self._submit_read(fn))

    def close(self) -> None:
        """Finish what is queued, and close all connections."""
        self._writer.close()
        self._readers.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _submit_write(self, fn: Callable[[Connection], T]) -> Future[T]:
        # A transaction that hangs longer than anyone waits: whoever comes now is told so at once.
        if self._writer.busy_for() > self._timeout:
            raise self._silent()
        return self._submit(self._writer, self._write_engine, fn)

    def _submit_read(self, fn: Callable[[Connection], T]) -> Future[T]:
        return self._submit(self._readers, self._read_engine, fn)

    def _submit(self, threads: Threads, engine: Engine, fn: Callable[[Connection], T]) -> Future[T]:
        try:
            return threads.submit(lambda: self._transact(engine, fn))
        except RuntimeError as error:
            raise StoreUnavailable(f"database {safe(self._url)}: the store is closed") from error

    async def _bounded(self, future: Future[T]) -> T:
        waiting = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=self._timeout)
        except asyncio.CancelledError:  # whoever waited had less time than we give
            waiting.add_done_callback(_forget)
            raise
        if done:
            return waiting.result()
        waiting.add_done_callback(_forget)
        future.cancel()  # holds only while it has not begun; a running transaction ends on its own
        raise self._silent()

    def _wait(self, future: Future[T]) -> T:
        try:
            return future.result(self._timeout)
        except FutureTimeoutError as error:
            if future.done():
                raise
            future.cancel()
            raise self._silent() from error

    def _silent(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"database {safe(self._url)}: no answer within {self._timeout:g} s; "
            "see whether it is overloaded, stopped or cut off"
        )

    def _transact(self, engine: Engine, fn: Callable[[Connection], T]) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                return _run(engine, fn)
            except _CommitError as error:
                raise self._unavailable(engine, error.cause) from error.cause
            except (exc.DBAPIError, exc.TimeoutError) as error:
                if not is_unavailable(error):
                    raise
                if attempt == _TRIES or not _worth_repeating(error, attempt):
                    raise self._unavailable(engine, error) from error
        raise AssertionError("unreachable")

    def _unavailable(self, engine: Engine, error: BaseException) -> StoreError:
        if self.dialect != "sqlite":
            engine.dispose()  # the next call connects anew: to a restarted server, or to the new primary
        message, words = explain(error, self._url)
        _log.debug("the database cannot be used: %s", words)
        return StoreUnavailable(message)

    def _upgrade(self, conn: Connection) -> None:
        schema.upgrade(conn, where=safe(self._url))


class _CommitError(Exception):
    """A commit failed: whether it took effect is not known, so the work must not be repeated by itself."""

    def __init__(self, cause: exc.DBAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _run(engine: Engine, fn: Callable[[Connection], T]) -> T:
    with engine.connect() as conn:
        with conn.begin() as transaction:
            result = fn(conn)
            try:
                transaction.commit()
            except exc.DBAPIError as error:
                if is_unavailable(error):
                    raise _CommitError(error) from error
                raise
        return result


def _worth_repeating(error: exc.DBAPIError | exc.TimeoutError, attempt: int) -> bool:
    if not isinstance(error, exc.DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) in _CONFLICTS:
        return True
    return error.connection_invalidated and attempt == 1


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # nobody waits for it any more; asked for, so that asyncio does not complain


def _parse(text: str) -> URL:
    try:
        url = make_url(postgres.with_hosts(text))
    except (exc.ArgumentError, ValueError) as error:
        raise StoreError(
            "database: this is not a database URL; "
            'write "sqlite:///checker.db" or "postgresql://user@host/name"'
        ) from error
    scheme = url.drivername
    if scheme in ("sqlite", "sqlite+pysqlite"):
        return _parse_file(url)
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"database: unknown scheme {scheme!r}; known are sqlite (sqlite:///checker.db) and "
        "postgresql (postgresql://user@host/name)"
    )


def _parse_file(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError(
            f"database {safe(url)}: it must be a file, or nothing would outlive a restart; "
            'write for example "sqlite:///checker.db"'
        )
    path = Path(url.database)
    if path.is_dir():
        raise StoreError(f"database {safe(url)}: {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise StoreError(
            f"database {safe(url)}: the folder {path.parent} does not exist; create it, or change `database`"
        )
    return url.set(drivername="sqlite+pysqlite")


def _engine(url: URL, size: int, *, write: bool) -> Engine:
    arguments: dict[str, Any] = {} if url.get_backend_name() == "sqlite" else dict(postgres.CONNECT)
    try:
        engine = create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            json_serializer=codec.dumps,
            connect_args={key: value for key, value in arguments.items() if key not in url.query},
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"database {safe(url)}: the driver {error.name!r} is not installed; "
            'install it with `pip install "healthkit-monitor[postgres]"`'
        ) from error
    if url.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, write)
    else:
        postgres.prepare(engine)
        if not write:
            return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine


def _prepare_sqlite(engine: Engine, write: bool) -> None:
    """Begin transactions ourselves: the driver would do so late, and the late upgrade of a lock fails."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (*_SQLITE, *(() if write else ("PRAGMA query_only=ON",))):
            connection.execute(pragma).fetchall()

    @event.listens_for(engine, "begin")
    def begun(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
