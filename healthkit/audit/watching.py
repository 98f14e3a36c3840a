"""Takes note of what the app makes and touches: engines, statements, queues, Redis commands, calls outside.

Runs inside the app's own process, which ends when the audit has looked at it: nothing is put back.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from healthkit.audit.facts import Engine, QueueMade, Registered
from healthkit.audit.places import caller
from healthkit.audit.probes import database_of, describe, label_of, means_to_read
from healthkit.health import Health

WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
OTHERS = (  # what else a health route may ask: module, class, method, what it is
    ("redis.client", "Redis", "execute_command", "redis"),
    ("redis.client", "Pipeline", "execute", "redis"),
    ("redis.asyncio.client", "Redis", "execute_command", "redis"),
    ("redis.asyncio.client", "Pipeline", "execute", "redis"),
    ("psycopg", "Cursor", "execute", "database"),
    ("psycopg", "AsyncCursor", "execute", "database"),
    ("pymysql.cursors", "Cursor", "execute", "database"),
    ("asyncpg.connection", "Connection", "_execute", "database"),
    ("pymongo.collection", "Collection", "find", "database"),
)
CALLS = (  # where a request would leave the process
    ("http.client", "HTTPConnection", "connect"),
    ("http.client", "HTTPSConnection", "connect"),
    ("urllib3.connection", "HTTPConnection", "connect"),
    ("urllib3.connection", "HTTPSConnection", "connect"),
    ("httpx", "HTTPTransport", "handle_request"),
    ("httpx", "AsyncHTTPTransport", "handle_async_request"),
    ("aiohttp", "ClientSession", "_request"),
)


class Watch:
    """The notes. Between `begin()` and `end()` a route is asked, and no request leaves the process."""

    def __init__(self) -> None:
        self.engines: list[tuple[weakref.ref[Any], str, int]] = []
        self.queues: list[QueueMade] = []
        self.checks: dict[int, dict[str, Registered]] = {}
        self.databases: set[str] = set()
        self.others: set[str] = set()
        self.written: set[str] = set()
        self.background = False
        self.breaking = False
        self._asking = False
        self._wrote: set[str] = set()

    def install(self) -> None:
        """Begin to watch whatever of these libraries is installed."""
        with contextlib.suppress(Exception):
            self._watch_engines()
        with contextlib.suppress(Exception):
            self._watch_queues()
        for module, owner, method, what in OTHERS:
            with contextlib.suppress(Exception):
                self._watch_other(module, owner, method, what)
        for module, owner, method in CALLS:
            with contextlib.suppress(Exception):
                self._refuse(module, owner, method)
        self._watch_health()

    def begin(self, *, breaking: bool = False) -> None:
        """Ask a route from now on; `breaking`: every statement fails."""
        self.databases, self.others, self._wrote = set(), set(), set()
        self._asking, self.breaking = True, breaking

    def end(self) -> None:
        """The route has been asked."""
        self._asking = self.breaking = False

    def _watch_engines(self) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine as SQLAlchemyEngine

        def new(cls: type[Any], *_: Any, **__: Any) -> Any:
            engine = object.__new__(cls)
            file, line, through = caller()
            if not through:
                self.engines.append((weakref.ref(engine), file, line))
            return engine

        # Not `__init__`: `create_engine` reads its signature.
        SQLAlchemyEngine.__new__ = new  # type: ignore[method-assign]
        event.listen(SQLAlchemyEngine, "do_connect", self._connects)
        event.listen(SQLAlchemyEngine, "before_cursor_execute", self._executes)
        event.listen(SQLAlchemyEngine, "commit", self._commits)

    def _connects(self, dialect: Any, *_: Any) -> None:
        self._touched(f"{dialect.name}:?")

    def _executes(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        database = database_of(connection.engine)
        self._touched(database)
        if self._asking and statement.lstrip().upper().startswith(WRITES):
            self._wrote.add(database)

    def _commits(self, connection: Any) -> None:
        database = database_of(connection.engine)
        if self._asking and database in self._wrote:
            self.written.add(database)

    def _touched(self, database: str) -> None:
        if not self._asking:
            self.background = self.background or threading.current_thread() is not threading.main_thread()
            return
        self.databases.add(database)
        if self.breaking:
            from sqlalchemy.exc import OperationalError

            raise OperationalError("healthkit audit", None, Exception("the database is made to fail"))

    def _watch_queues(self) -> None:
        from rq import Queue

        def made(queue: Any) -> None:
            file, line, through = caller()
            if file and not through:
                self.queues.append(QueueMade(str(queue.name), file, line))

        _after(Queue, "__init__", made)

    def _watch_other(self, module: str, owner: str, method: str, what: str) -> None:
        def called(*_: Any) -> None:
            if self._asking:
                (self.databases if what == "database" else self.others).add(what)

        _before(getattr(importlib.import_module(module), owner), method, called)

    def _refuse(self, module: str, owner: str, method: str) -> None:
        def called(*_: Any) -> None:
            if self._asking:
                self.others.add("outbound")
                raise ConnectionRefusedError("healthkit audit: no request leaves while a route is asked")

        _before(getattr(importlib.import_module(module), owner), method, called)

    def _watch_health(self) -> None:
        original = Health.add

        def add(health: Health, *args: Any, **kwargs: Any) -> Any:
            check = original(health, *args, **kwargs)
            file, line, _ = caller()
            self.checks.setdefault(id(health), {})[check.key] = describe(check, file, line)
            return check

        Health.add = add  # type: ignore[method-assign, assignment]

    def found_checks(self) -> tuple[Registered, ...]:
        """Return the checks of every `Health` of the app."""
        return tuple(row for rows in self.checks.values() for row in rows.values())

    def found_engines(self) -> tuple[Engine, ...]:
        """Return the engines that are alive."""
        return tuple(self._living())

    def _living(self) -> Iterator[Engine]:
        for ref, file, line in self.engines:
            engine = ref()
            if engine is not None and file:
                yield Engine(file, line, database_of(engine), label_of(engine), means_to_read(engine))


def _after(owner: Any, method: str, note: Callable[[Any], None]) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        note(self)
        return result

    setattr(owner, method, wrapper)


def _before(owner: Any, method: str, note: Callable[[Any], None]) -> None:
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        note(self)
        return original(self, *args, **kwargs)

    setattr(owner, method, wrapper)
