"""`ReplicationLag` on a real primary with a real hot standby, asked on both sides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from examples.servers import PostgresServer, PostgresStandby
from healthkit.checks.sqlalchemy import ReplicationLag
from healthkit.errors import ConfigurationError
from healthkit.status import Status
from tests.healthkit.checks.engines import POSTGRES, engine_of
from tests.healthkit.checks.support import SECRET, Watched, assert_no_secret
from tests.waiting import wait_for

HOUR = 3600.0
Watch = Callable[..., Watched]


class Clock:
    """Monotonic seconds that run with the real ones, and can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    """A primary of this module alone, whose standbys say at once that they are there."""
    with PostgresServer(password=SECRET, settings={"wal_sender_timeout": "5s"}) as server:
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[PostgresStandby]:
    """A fresh hot standby."""
    settings = {"wal_receiver_status_interval": "1s", "wal_retrieve_retry_interval": "200ms"}
    with PostgresStandby(primary, settings=settings) as server:
        yield server


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Register a `ReplicationLag` on a server; it is closed at the end."""
    made: list[Watched] = []

    def register(server: PostgresServer, driver: str = "psycopg", **options: Any) -> Watched:
        probe = ReplicationLag(engine_of(driver, server.url), **{"timeout": 10, **options})
        made.append(Watched(probe, timeout=20))
        return made[-1]

    yield register
    for watched in made:
        watched.probe.close()


def run(server: PostgresServer, statement: str) -> Any:
    """Run one statement as an operator; return the first row, if any."""
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def write(primary: PostgresServer) -> None:
    """Commit something on the primary."""
    run(primary, "CREATE TABLE IF NOT EXISTS orders (id serial); INSERT INTO orders DEFAULT VALUES")


def is_caught_up(primary: PostgresServer, standby: PostgresServer) -> bool:
    """Tell whether the standby has all that the primary wrote so far."""
    (written,) = run(primary, "SELECT pg_current_wal_lsn()::text")
    (has_all,) = run(standby, f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn")
    return bool(has_all)


@pytest.mark.parametrize("driver", POSTGRES)
def test_a_standby_that_keeps_up_passes_on_both_sides(
    driver: str, primary: PostgresServer, standby: PostgresStandby, watch: Watch
) -> None:
    write(primary)
    wait_for(lambda: is_caught_up(primary, standby))
    here, there = watch(standby, driver)(), watch(primary, driver)()
    assert (here.status, here.value, here.unit) == (Status.PASS, 0.0, "s"), here
    assert here.details["role"] == "standby"
    assert here.check.key == "replication:lag"
    assert (there.status, there.results[0].component_id) == (Status.PASS, "walreceiver"), there
    assert there.results[0].details["role"] == "primary"


def test_a_primary_to_which_nobody_writes_makes_no_lag(
    primary: PostgresServer, standby: PostgresStandby, watch: Watch
) -> None:
    write(primary)
    wait_for(lambda: is_caught_up(primary, standby))
    clock = Clock()
    watched = watch(standby, warn=0.01, fail=0.02, monotonic=clock)
    (since,) = run(standby, "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())")
    assert since > 0.02  # the figure that is usually taken for the lag
    assert watched().value == 0
    clock.ahead = 8 * HOUR  # nothing all night
    assert watched().value == 0
    write(primary)
    assert wait_for(lambda: watched().value == 0)


def test_a_paused_replay_lags_by_the_time_since_and_catches_up(
    primary: PostgresServer, standby: PostgresStandby, watch: Watch
) -> None:
    clock = Clock()
    here = watch(standby, warn="1m", fail="10m", monotonic=clock)
    there = watch(primary, warn="1m", fail="10m", monotonic=clock)
    write(primary)
    wait_for(lambda: is_caught_up(primary, standby))
    assert here.passes()
    assert there.passes()
    run(standby, "SELECT pg_wal_replay_pause()")
    write(primary)
    wait_for(lambda: here().output.startswith("lagging: replay is paused on the standby, "))
    there()  # a look that sees what was written
    assert here().status is Status.WARN  # a pause is worth a word, however short
    for ahead, status in ((5 * 60, Status.WARN), (HOUR, Status.FAIL)):
        clock.ahead = ahead
        # the database's own clock was not put forward: only what was looked at proves the lag
        assert here().status is status
        reading = there()
        assert reading.status is status
        assert reading.output.startswith("lagging: the standby has not confirmed what the primary wrote, ")
        assert ahead - 1 <= reading.results[0].value <= ahead + 10
    run(standby, "SELECT pg_wal_replay_resume()")
    wait_for(here.passes, what="recovery on the standby")
    wait_for(there.passes, what="recovery on the primary")


def test_a_frozen_standby_lags_though_the_primarys_own_figure_stands_still(
    primary: PostgresServer, standby: PostgresStandby, watch: Watch
) -> None:
    run(primary, "ALTER SYSTEM SET wal_sender_timeout = 0")  # keep listing it
    run(primary, "SELECT pg_reload_conf()")
    try:
        clock = Clock()
        watched = watch(primary, warn="1m", fail="10m", monotonic=clock)
        write(primary)
        wait_for(watched.passes)
        standby.pause()
        write(primary)
        watched()
        clock.ahead = HOUR
        assert watched().status is Status.FAIL
        standby.resume()
        wait_for(watched.passes, what="recovery")
    finally:
        run(primary, "ALTER SYSTEM RESET wal_sender_timeout")
        run(primary, "SELECT pg_reload_conf()")


def test_a_primary_without_its_standby_fails_and_heals(primary: PostgresServer, watch: Watch) -> None:
    watched = watch(primary)
    wait_for(lambda: run(primary, "SELECT count(*) FROM pg_stat_replication") == (0,), what="no standby")
    assert watched.reason() == "missing standby: 0 of 1 are connected"
    assert watch(primary, standbys=0).passes()
    with PostgresStandby(primary):
        wait_for(watched.passes, what="the standby's connection")


def test_a_standby_cut_off_from_its_primary_warns_at_once_and_fails_with_time(watch: Watch) -> None:
    with PostgresServer() as primary, PostgresStandby(primary) as standby:
        clock = Clock()
        watched = watch(standby, monotonic=clock)
        write(primary)
        wait_for(watched.passes)
        primary.kill()
        wait_for(lambda: watched().status is Status.WARN, what="the loss to be seen")
        words = "not streaming: the standby receives nothing from its primary, and is at most "
        assert watched().output.startswith(words)
        primary.start()
        wait_for(watched.passes, what="recovery", timeout=30)


def test_who_may_not_see_the_standbys_is_told_what_to_grant(
    primary: PostgresServer, standby: PostgresStandby, caplog: pytest.LogCaptureFixture
) -> None:
    run(primary, f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'")
    url = make_url(primary.url).set(username="app").render_as_string(hide_password=False)
    watched = Watched(ReplicationLag(url, timeout=10))
    wait_for(lambda: not watched().output.startswith("missing standby"), what="the standby's connection")
    reading = watched()
    assert reading.output == (
        "permission denied: this user may not see how far the standbys are; run GRANT pg_monitor TO it once"
    )
    assert_no_secret(reading, caplog)
    run(primary, "GRANT pg_monitor TO app")
    wait_for(watched.passes)
    watched.probe.close()
    run(primary, "DROP ROLE app")


@pytest.mark.parametrize(("options", "words"), [
    ({"standbys": -1}, "is not a count"),
    ({"standbys": "two"}, "is not a count"),
    ({"warn": "soon"}, "ReplicationLag warn"),
    ({"fail": -1}, "ReplicationLag fail"),
])  # fmt: skip
def test_nonsense_options_are_refused_at_start(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ReplicationLag("postgresql+psycopg://localhost/shop", **options)


def test_a_database_without_replication_is_refused_at_start() -> None:
    with pytest.raises(ConfigurationError, match="sqlite has no replication"):
        ReplicationLag("sqlite://")
