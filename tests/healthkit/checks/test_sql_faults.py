"""Every fault of every database: its class of reason within the timeout, no secret, recovery, nothing left.

A standby and a full disk need servers of their own: test_sql_standby.py and test_sql_full_disk.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from examples.mariadb import MariaDBServer
from examples.servers import PostgresServer
from healthkit.checks.sqlalchemy import DatabaseWrite
from healthkit.status import Status
from tests.healthkit.checks.database_sites import MariaDBSite, PostgresSite, ServerSite, SQLiteSite
from tests.healthkit.checks.engines import MYSQL, POSTGRES, SQLITE, engine_of
from tests.healthkit.checks.support import SECRET, Watched, assert_no_secret
from tests.waiting import wait_for

NO_ANSWER = ("timed out: ", "no answer within ", "still running for ")
PASSES = ("",)
ON_ANY = {
    "read_only": ("read-only: ",),
    "locked": ("locked: ",),
    "exhausted": ("pool exhausted: 1 of 1 connections are in use",),
    "dropped": PASSES,  # the probe's own table is made again
}
ON_SERVERS = ON_ANY | {
    "frozen": NO_ANSWER,
    "black_holed": NO_ANSWER,
    "killed": ("unreachable: ",),
    "wrong_password": ("authentication failed: ",),
}
TABLE = [
    *(pytest.param(driver, fault, id=f"{driver}-{fault}") for driver in SQLITE for fault in ON_ANY),
    *(pytest.param(driver, fault, id=f"{driver}-{fault}") for driver in POSTGRES for fault in ON_SERVERS),
    *(
        pytest.param(driver, fault, id=f"{driver}-{fault}", marks=pytest.mark.mysql)
        for driver in MYSQL
        for fault in ON_SERVERS
    ),
]
Site = SQLiteSite | ServerSite


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresSite]:
    """A PostgreSQL of this module alone."""
    with PostgresServer(password=SECRET) as server, contextlib.closing(PostgresSite(server)) as site:
        yield site


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDBSite]:
    """A MariaDB of this module alone."""
    with MariaDBServer(password=SECRET) as server, contextlib.closing(MariaDBSite(server)) as site:
        yield site


@pytest.fixture
def site(driver: str, request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """The database that the driver is for."""
    if driver in SQLITE:
        return SQLiteSite(tmp_path)
    found: ServerSite = request.getfixturevalue("postgres" if driver in POSTGRES else "mariadb")
    return found


@contextlib.contextmanager
def exhausted(engine: sa.Engine | AsyncEngine) -> Iterator[None]:
    """Hold the one connection that the app's pool has."""
    if isinstance(engine, sa.Engine):
        with engine.connect():
            yield
        engine.dispose()
        return
    loop = asyncio.new_event_loop()
    held = loop.run_until_complete(engine.connect())
    yield
    loop.run_until_complete(held.close())
    loop.run_until_complete(engine.dispose())
    loop.close()


def left(site: Site) -> tuple[int, int, int]:
    """Return what may leak: descriptors of this process, its threads, the server's sessions."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), site.sessions()


@pytest.mark.parametrize(("driver", "fault"), TABLE)
def test_a_fault_gives_its_reason_in_time_and_heals_with_nothing_left(
    driver: str, fault: str, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_of(driver, site.url, pool_size=1, max_overflow=0)
    plain = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    site.prepare(plain)
    watched = Watched(DatabaseWrite(engine, timeout=site.timeout))
    wait_for(watched.passes, what="a healthy start")
    before = left(site)
    with exhausted(engine) if fault == "exhausted" else getattr(site, fault)(plain):
        for _ in range(2):
            started = time.monotonic()
            reading = watched()
            assert time.monotonic() - started < site.timeout + 10  # it ends, however loaded the machine
            assert reading.output.startswith(ON_SERVERS[fault]), reading
            assert (reading.status is Status.PASS) is (ON_SERVERS[fault] is PASSES)
            assert_no_secret(reading, caplog)
    wait_for(watched.passes, what="recovery")
    wait_for(
        lambda: all(now <= then for now, then in zip(left(site), before, strict=True)),
        what=f"the release of what is over {before}",
    )
    watched.probe.close()
