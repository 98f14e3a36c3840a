"""`ReplicationLag` and `DatabaseWrite` on a real MariaDB replica."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from examples.mariadb import MariaDBServer
from healthkit.checks.sqlalchemy import DatabaseWrite, ReplicationLag
from healthkit.status import Status
from tests.healthkit.checks.engines import MYSQL, engine_of
from tests.healthkit.checks.support import SECRET, Watched, assert_no_secret
from tests.waiting import wait_for

pytestmark = pytest.mark.mysql


def run(server: MariaDBServer, *statements: str) -> Any:
    """Run statements as the operator; return the first value of the last, if any."""
    engine = sa.create_engine(server.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            done = connection.exec_driver_sql(statement)
        return done.scalar() if done.returns_rows else None


@pytest.fixture(scope="module")
def primary() -> Iterator[MariaDBServer]:
    """A primary that writes a binary log."""
    with MariaDBServer(password=SECRET, settings={"server-id": "1", "log-bin": "bin"}) as server:
        run(server, "CREATE USER copy IDENTIFIED BY 'copy'", "GRANT REPLICATION SLAVE ON *.* TO copy")
        yield server


@pytest.fixture(scope="module")
def replica(primary: MariaDBServer) -> Iterator[MariaDBServer]:
    """Its replica, read-only for the app's user."""
    with MariaDBServer(password=SECRET, settings={"server-id": "2", "read-only": "1"}) as server:
        file, position = _position(primary)
        run(
            server,
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='copy',"
            f" MASTER_PASSWORD='copy', MASTER_LOG_FILE='{file}', MASTER_LOG_POS={position},"
            " MASTER_CONNECT_RETRY=1",
            "START SLAVE",
            "CREATE USER app IDENTIFIED BY 'app'",
            "GRANT ALL ON healthkit.* TO app",
        )
        yield server


def _position(primary: MariaDBServer) -> tuple[str, int]:
    engine = sa.create_engine(primary.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SHOW MASTER STATUS").one()
    return str(row[0]), int(row[1])


@contextlib.contextmanager
def watching(probe: Any) -> Iterator[Watched]:
    """Register a probe; it is closed at the end."""
    watched = Watched(probe, timeout=20)
    yield watched
    watched.probe.close()


@pytest.mark.parametrize("driver", MYSQL)
def test_a_replica_that_keeps_up_passes(driver: str, replica: MariaDBServer) -> None:
    with watching(ReplicationLag(engine_of(driver, replica.url), timeout=10)) as watched:
        wait_for(watched.passes, what="replication to start")
        reading = watched()
        assert (reading.value, reading.unit) == (0.0, "s")


@pytest.mark.parametrize("driver", MYSQL)
def test_a_replica_is_read_only_unless_that_is_intended(driver: str, replica: MariaDBServer) -> None:
    app = sa.make_url(replica.url).set(username="app", password="app").render_as_string(hide_password=False)
    with watching(DatabaseWrite(engine_of(driver, app), timeout=10)) as watched:
        assert watched.reason() == "read-only: the database takes reads and refuses writes"
    with watching(DatabaseWrite(engine_of(driver, app), read_only_ok=True, timeout=10)) as watched:
        reading = watched()
        assert (reading.status, reading.details["access"]) == (Status.PASS, "read-only")


def test_a_stopped_replication_fails_and_heals(replica: MariaDBServer) -> None:
    with watching(ReplicationLag(replica.url, timeout=10)) as watched:
        wait_for(watched.passes)
        run(replica, "STOP SLAVE SQL_THREAD")
        assert watched.reason() == "replication stopped: the replica applies nothing"
        run(replica, "START SLAVE SQL_THREAD")
        wait_for(watched.passes, what="recovery")


def test_a_change_that_cannot_be_applied_is_told_by_its_number_alone(
    primary: MariaDBServer, replica: MariaDBServer, caplog: pytest.LogCaptureFixture
) -> None:
    row = f"INSERT INTO clash VALUES (1, '{SECRET}')"
    run(primary, "CREATE TABLE clash (id integer PRIMARY KEY, note varchar(90))")
    with watching(ReplicationLag(replica.url, timeout=10)) as watched:
        wait_for(lambda: run(replica, "SHOW TABLES LIKE 'clash'"), what="the table on the replica")
        run(replica, row)
        run(primary, row)
        words = "replication stopped: the replica applies nothing (error 1062)"
        wait_for(lambda: watched().output == words, what="the clash")
        assert_no_secret(watched(), caplog)
        run(replica, "DELETE FROM clash", "START SLAVE SQL_THREAD")
        wait_for(watched.passes, what="recovery")


def test_a_replica_cut_off_from_its_primary_warns_and_heals(
    primary: MariaDBServer, replica: MariaDBServer
) -> None:
    with watching(ReplicationLag(replica.url, timeout=10)) as watched:
        wait_for(watched.passes)
        primary.kill()
        try:
            wait_for(lambda: watched().status is Status.WARN, what="the loss to be seen")
            words = (
                r"not connected.*: the replica receives nothing from its primary, and is at most .* behind"
            )
            assert re.fullmatch(words, watched().output)
        finally:
            primary.start()
        wait_for(watched.passes, what="recovery", timeout=30)


def test_a_server_that_follows_nobody_is_told(primary: MariaDBServer) -> None:
    with watching(ReplicationLag(primary.url, timeout=10)) as watched:
        assert watched.reason().startswith("not a replica: this server follows no other")
