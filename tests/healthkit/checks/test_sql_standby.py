"""`DatabaseWrite` on a real hot standby: reads work, writes do not, and a promotion heals it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from examples.servers import PostgresServer, PostgresStandby
from healthkit.checks.sqlalchemy import DatabaseWrite
from healthkit.status import Status
from tests.healthkit.checks.engines import POSTGRES, engine_of
from tests.healthkit.checks.support import SECRET, Watched, assert_no_secret
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    """A primary of this module alone."""
    with PostgresServer(password=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: PostgresServer) -> Iterator[PostgresStandby]:
    """Its hot standby."""
    with PostgresStandby(primary) as server:
        yield server


@pytest.mark.parametrize("driver", POSTGRES)
def test_a_standby_is_read_only_though_it_reads(
    driver: str, standby: PostgresStandby, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(DatabaseWrite(engine_of(driver, standby.url), timeout=10))
    reading = watched()
    assert reading.status is Status.FAIL
    assert reading.output == "read-only: the server is a standby in recovery and refuses writes"
    assert reading.details["role"] == "standby"
    with psycopg.connect(standby.url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert_no_secret(reading, caplog)
    watched.probe.close()


@pytest.mark.parametrize("driver", POSTGRES)
def test_a_standby_that_is_meant_for_reading_passes_and_is_never_written_to(
    driver: str, standby: PostgresStandby
) -> None:
    watched = Watched(DatabaseWrite(engine_of(driver, standby.url), read_only_ok=True, timeout=10))
    before = standby.log.count("read-only transaction")
    reading = watched()
    assert reading.status is Status.PASS
    assert (reading.details["role"], reading.details["access"]) == ("standby", "read-only")
    assert reading.unit == "ms"
    assert standby.log.count("read-only transaction") == before
    watched.probe.close()


def test_an_engine_meant_for_reading_may_also_take_writes_and_a_dead_one_still_fails(
    primary: PostgresServer,
) -> None:
    watched = Watched(DatabaseWrite(primary.url, read_only_ok=True, timeout=10))
    assert watched().details.get("access") is None
    assert watched.passes()
    watched.probe.close()
    nowhere = Watched(DatabaseWrite(primary.url_for("nowhere"), read_only_ok=True, timeout=10))
    assert nowhere.reason() == "unreachable: the server has no such database"


def test_a_database_set_read_only_passes_where_that_is_intended(primary: PostgresServer) -> None:
    with psycopg.connect(primary.url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("CREATE DATABASE archive")
        admin.execute("ALTER DATABASE archive SET default_transaction_read_only = on")
    for intended in (True, False):
        watched = Watched(DatabaseWrite(primary.url_for("archive"), read_only_ok=intended, timeout=10))
        reading = watched()
        assert (reading.status is Status.PASS) is intended, reading
        if intended:
            assert reading.details["access"] == "read-only"
        watched.probe.close()


@pytest.mark.parametrize("driver", POSTGRES)
def test_a_promotion_heals_it_with_nothing_restarted(driver: str, primary: PostgresServer) -> None:
    with PostgresStandby(primary) as server:
        watched = Watched(DatabaseWrite(engine_of(driver, server.url), instance="web-1", timeout=10))
        assert watched.reason().startswith("read-only: the server is a standby")
        server.promote()
        wait_for(watched.passes, what="writes after the promotion")
        assert watched().details["role"] == "primary"
        watched.probe.close()
