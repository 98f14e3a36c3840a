"""One connection of a probe's own, made as the app's engine makes them and kept outside its pool.

Outside the pool, because a probe on the pool hangs with an exhausted one; kept, because a new connection
costs ten times what the write does. It survives forks (the child starts its own), and another thread can cut
it when it hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.pool import NullPool

from healthkit.errors import ConfigurationError

if TYPE_CHECKING:  # it needs greenlet, which SQLAlchemy does without where nothing is async
    from sqlalchemy.ext.asyncio import AsyncEngine

AnyEngine: TypeAlias = "Engine | AsyncEngine | URL | str"
Home = tuple[int, asyncio.AbstractEventLoop | None]  # the process, and an async connection's loop

_connecting = threading.local()  # `.link` is the link for which this thread connects now
_left_behind: list[object] = []  # connections of a parent process: never closed, never collected

_BY_DRIVER: dict[str, Callable[[float], dict[str, Any]]] = {
    "psycopg": lambda limit: {"connect_timeout": max(2, round(limit))},  # libpq takes no less than 2 s
    "psycopg2": lambda limit: {"connect_timeout": max(2, round(limit))},
    "asyncpg": lambda limit: {"timeout": limit},
    "pysqlite": lambda limit: {"timeout": limit / 2},  # waiting for a lock, in seconds
    "aiosqlite": lambda limit: {"timeout": limit / 2},
    "pymysql": lambda limit: {"connect_timeout": limit, "read_timeout": limit, "write_timeout": limit},
    "mysqldb": lambda limit: {"connect_timeout": max(1, round(limit))},
    "aiomysql": lambda limit: {"connect_timeout": limit},
    "asyncmy": lambda limit: {"connect_timeout": limit},
}


class Link:
    """The probe's connection: opened when needed, reused, renewed when old, cut from outside by `abort`.

    `limit` bounds connecting, in seconds. `max_age` (seconds) makes a changed password, a moved server or a
    changed default show within that time.
    """

    def __init__(self, engine: Engine, *, limit: float, max_age: float) -> None:
        self.limit = limit
        self._max_age = (
            0.0 if engine.dialect.name == "sqlite" else max_age
        )  # to open a file is cheap: look afresh
        self._app_engine = engine
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._raw: Any = None
        self._line: socket.socket | None = None
        self._home: Home = (0, None)
        self._opened = 0.0
        self.was_cut = False

    @contextlib.contextmanager
    def use(self) -> Iterator[tuple[Connection, bool]]:
        """Lend the connection, and whether it was used before; after any error it is closed for good."""
        self.was_cut = False
        reused = self._is_usable()
        try:
            yield (self._connection if reused and self._connection is not None else self._open()), reused
        except BaseException:
            self.close()
            raise
        if self._max_age == 0:
            self.close()

    def abort(self) -> bool:
        """End what hangs on the connection, from any thread, by shutting its socket; whether there is one."""
        self.was_cut = True
        line = self._line
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        return line is not None

    def close(self) -> None:
        """Close the connection without a word to a server that may not be answering."""
        raw, line = self._raw, self._line
        self._raw = self._connection = self._line = None
        if line is not None:
            line.close()
        if raw is not None:
            with contextlib.suppress(Exception):
                _close(raw)

    def settle(self) -> None:
        """Give the idle loop of an async connection one turn, in which its transport closes the socket."""
        loop = self._home[1]
        if loop is None or loop.is_closed() or loop.is_running() or asyncio._get_running_loop() is not None:
            return
        loop.run_until_complete(asyncio.sleep(0))

    def _is_usable(self) -> bool:
        if self._connection is None:
            return False
        if self._home != self._here():
            self._leave_behind()
            return False
        if self._connection.closed or time.monotonic() - self._opened > self._max_age:
            self.close()
            return False
        return True

    def _leave_behind(self) -> None:
        """Drop a connection of another process, unclosed: closing would speak on that one's socket."""
        if self._home[0] == os.getpid():
            self.abort()  # of another event loop, which cannot be asked to close it any more
            self.close()
            return
        _left_behind.append((self._connection, self._raw, self._line))
        self._raw = self._connection = self._line = None

    def _here(self) -> Home:
        """Return the process and, for an async driver, the loop: a connection is used nowhere else."""
        return os.getpid(), asyncio.get_running_loop() if self._app_engine.dialect.is_async else None

    def _open(self) -> Connection:
        if self._engine is None:
            self._engine = _apart(self._app_engine)
        _connecting.link = self
        try:
            connection = self._engine.connect()
        finally:
            _connecting.link = None
        connection.detach()
        if self._raw is None:  # the app's own `creator=` made it
            self._keep(self._engine.dialect, connection.connection.dbapi_connection)
        self._connection = connection
        self._home, self._opened = self._here(), time.monotonic()
        return connection

    def _connect(self, dialect: Dialect, arguments: Any, parameters: dict[str, Any]) -> Any:
        limits = _BY_DRIVER.get(dialect.driver)
        bounds = limits(self.limit) if limits is not None else {}
        raw = dialect.connect(*arguments, **{**parameters, **bounds})
        self._keep(dialect, raw)
        return raw

    def _keep(self, dialect: Dialect, raw: Any) -> None:
        """Take hold of the socket at once: the first words that SQLAlchemy says on it may hang already."""
        self._raw, self._line = raw, _second_handle(dialect.get_driver_connection(raw))
        if self.was_cut:
            self.abort()  # it was asked for while there was no socket yet


def sync_engine(engine: AnyEngine) -> tuple[Engine, bool]:
    """Return the engine to build on and whether it belongs to an app (whose pool can be watched).

    Raises `ConfigurationError`, without quoting a URL, for what is none.
    """
    engine = getattr(engine, "sync_engine", engine)  # of an `AsyncEngine`
    if isinstance(engine, Engine):
        return engine, True
    if isinstance(engine, str | URL):
        return _from_url(engine), False
    raise ConfigurationError(
        f"engine: a {type(engine).__name__} is not an SQLAlchemy Engine, AsyncEngine or URL; "
        "pass the engine that the app itself uses"
    )


def _from_url(url: str | URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
        if parsed.get_dialect().is_async:
            from sqlalchemy.ext.asyncio import create_async_engine

            return create_async_engine(parsed, poolclass=NullPool).sync_engine
        return create_engine(parsed, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigurationError(
            "engine: the text is not a database URL that SQLAlchemy knows; "
            "write one such as postgresql+psycopg://user:password@host/name, or pass the app's engine"
        ) from None


def _apart(engine: Engine) -> Engine:
    """Return an engine that connects as the app's does, listeners included, outside of its pool."""
    if not event.contains(engine, "do_connect", _bound):
        event.listen(engine, "do_connect", _bound)
    pool = NullPool(
        engine.pool._creator, reset_on_return=None, dialect=engine.dialect, _dispatch=engine.pool.dispatch
    )
    return Engine(
        pool,
        engine.dialect,
        engine.url,
        execution_options=engine.get_execution_options(),
        hide_parameters=True,
    )


def _bound(dialect: Dialect, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
    """Connect with limits when a probe of this thread connects; the app's own connecting stays as it is."""
    link = getattr(_connecting, "link", None)
    if link is None:
        return None
    _connecting.link = None  # only this one: on an event loop others connect on this thread meanwhile
    return link._connect(dialect, arguments, parameters)


def _second_handle(driver: Any) -> socket.socket | None:
    """Return a handle of our own on the connection's socket, so that a reused number is never hit."""
    number = _descriptor(driver)
    return None if number is None else socket.socket(fileno=os.dup(number))


def _descriptor(driver: Any) -> int | None:
    """Return the file descriptor of a driver's connection, where it has a socket and shows it."""
    for holder in (driver, getattr(driver, "_sock", None)):  # psycopg, psycopg2, mysqlclient; pymysql
        fileno = getattr(holder, "fileno", None)
        if callable(fileno):
            return int(fileno())
    writer = getattr(driver, "_writer", None)  # aiomysql, asyncmy
    transport = getattr(driver, "_transport", None) or getattr(
        writer, "transport", None
    )  # asyncpg has the first
    found = None if transport is None else transport.get_extra_info("socket")
    return None if found is None else int(found.fileno())


def _close(raw: Any) -> None:
    libpq = getattr(getattr(raw, "_connection", raw), "pgconn", None)  # psycopg, plain or under an adapter
    force = getattr(raw, "_terminate_force_close", None)  # SQLAlchemy's other async adapters
    if libpq is not None:
        libpq.finish()
    elif force is not None and "sqlite" not in type(raw).__name__:
        force()
    else:
        raw.close()
