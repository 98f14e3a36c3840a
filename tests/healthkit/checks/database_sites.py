"""The databases that the table of faults breaks and heals: a real one of each kind, reached as by an app."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from examples.mariadb import MariaDBServer
from examples.servers import PostgresServer
from tests.healthkit.checks.support import SECRET
from tests.relay import Relay

Statement = str


class SQLiteSite:
    """A file; it has no server, so nothing that happens to servers."""

    timeout = 1.0

    def __init__(self, folder: Path) -> None:
        self.file = folder / "app.db"
        self.url = f"sqlite:///{self.file}"
        self._mode = "OFF"

    def prepare(self, engine: sa.Engine) -> None:
        """Let the app's connections be switched to reading."""

        def switch(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA query_only={self._mode}")
            cursor.close()

        sa.event.listen(engine, "connect", switch)

    def sessions(self) -> int:
        """How many clients the server has: there is none."""
        return 0

    @contextlib.contextmanager
    def read_only(self, engine: sa.Engine) -> Iterator[None]:
        """Take reads and refuse writes."""

        self._mode = "ON"
        yield
        self._mode = "OFF"

    @contextlib.contextmanager
    def locked(self, _: sa.Engine) -> Iterator[None]:
        """Keep the table locked."""
        other = sqlite3.connect(self.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()

    @contextlib.contextmanager
    def dropped(self, _: sa.Engine) -> Iterator[None]:
        """Drop the probe's table."""
        other = sqlite3.connect(self.file)
        other.execute("DROP TABLE healthkit_probe")
        other.close()
        yield


class ServerSite:
    """A server behind a relay, a user `app` with a password, and an operator who breaks things."""

    timeout = 1.0
    only_read: tuple[Statement, Statement]
    count: Statement
    password: Statement
    lock: Statement

    def __init__(self, server: PostgresServer | MariaDBServer, admin: URL, app: URL) -> None:
        self.server = server
        self.relay = Relay(server.port)
        self.operator = self.engine(admin)
        through = app.set(username="app", password=SECRET, port=self.relay.port)
        self.url = through.render_as_string(hide_password=False)

    def engine(self, url: URL) -> sa.Engine:
        """Return the operator's engine, which may always write."""
        return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    def prepare(self, engine: sa.Engine) -> None:
        """Do nothing: a server is broken without the app's help."""

    def close(self) -> None:
        """Let go of the relay; the server is its starter's."""
        self.relay.close()

    def run(self, statement: Statement) -> Any:
        """Run one statement as the operator; return its first value, if any."""
        with self.operator.connect() as connection:
            done = connection.exec_driver_sql(statement)
            return done.scalar() if done.returns_rows else None

    def sessions(self) -> int:
        """How many clients of the app the server has."""
        return int(self.run(self.count))

    def cut(self) -> None:
        """End the app's sessions, as a restart of a proxy does."""
        raise NotImplementedError

    @contextlib.contextmanager
    def read_only(self, _: sa.Engine) -> Iterator[None]:
        """Take reads and refuse writes."""
        self.run(self.only_read[0])
        self.cut()
        try:
            yield
        finally:
            self.run(self.only_read[1])
            self.cut()

    @contextlib.contextmanager
    def locked(self, _: sa.Engine) -> Iterator[None]:
        """Keep the table locked."""
        with self.operator.connect() as connection:
            connection.exec_driver_sql(self.lock)
            yield

    @contextlib.contextmanager
    def dropped(self, _: sa.Engine) -> Iterator[None]:
        """Drop the probe's table."""
        self.run("DROP TABLE healthkit_probe")
        yield

    @contextlib.contextmanager
    def wrong_password(self, _: sa.Engine) -> Iterator[None]:
        """Change the password under the app."""
        self.run(self.password.format("another one"))
        self.cut()
        try:
            yield
        finally:
            self.run(self.password.format(SECRET))

    @contextlib.contextmanager
    def frozen(self, _: sa.Engine) -> Iterator[None]:
        """SIGSTOP: connections are accepted, nothing is answered."""
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()

    @contextlib.contextmanager
    def killed(self, _: sa.Engine) -> Iterator[None]:
        """SIGKILL, and a start afterwards."""
        self.server.kill()
        try:
            yield
        finally:
            self.server.start()

    @contextlib.contextmanager
    def black_holed(self, _: sa.Engine) -> Iterator[None]:
        """Packets go nowhere: what was open stalls, what is new never comes."""
        with self.relay.black_hole():
            yield


class PostgresSite(ServerSite):
    """PostgreSQL."""

    only_read = ("ALTER DATABASE shop SET default_transaction_read_only = on",
                 "ALTER DATABASE shop RESET default_transaction_read_only")  # fmt: skip
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
    password = "ALTER ROLE app PASSWORD '{}'"
    lock = "BEGIN; LOCK TABLE healthkit_probe IN ACCESS EXCLUSIVE MODE"

    def __init__(self, server: PostgresServer) -> None:
        shop = make_url(server.url_for("shop"))
        super().__init__(server, shop.set(database="postgres"), shop)
        self.run(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'")
        self.run("CREATE DATABASE shop OWNER app")
        self.operator = self.engine(shop)

    def engine(self, url: URL) -> sa.Engine:
        """Return the operator's engine, which may always write."""
        return super().engine(url.update_query_dict({"options": "-c default_transaction_read_only=off"}))

    def cut(self) -> None:
        """End the app's sessions."""
        self.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'")


class MariaDBSite(ServerSite):
    """MariaDB. It waits for locks in whole seconds, so the timeout has to be longer."""

    timeout = 2.0
    only_read = ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0")
    count = "SELECT count(*) FROM information_schema.processlist WHERE user = 'app'"
    password = "ALTER USER app IDENTIFIED BY '{}'"
    lock = "LOCK TABLES healthkit_probe WRITE"

    def __init__(self, server: MariaDBServer) -> None:
        url = make_url(server.url)
        super().__init__(server, url.set(query={"charset": "latin1"}), url)  # drivers send passwords so
        self.run(f"CREATE USER app IDENTIFIED BY '{SECRET}'")
        self.run("GRANT ALL ON healthkit.* TO app")

    def cut(self) -> None:
        """End the app's sessions."""
        self.run("KILL USER app")
