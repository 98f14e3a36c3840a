"""`DatabaseWrite` on a real PostgreSQL, four drivers: each fault gives its reason and heals by itself."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from examples.servers import PostgresServer, free_port
from healthkit.checks.sqlalchemy import DatabaseWrite
from healthkit.status import Status
from tests.healthkit.checks.support import (
    SECRET,
    SECRET_IN_URL,
    Watched,
    assert_no_secret,
    black_hole,
    mute_listener,
)
from tests.waiting import wait_for

SLACK = 3.0  # seconds that a loaded machine may add

DRIVERS = ["psycopg", "psycopg2", "asyncpg", "psycopg-async"]
EngineFor = Callable[..., Engine | AsyncEngine]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """Each way to reach PostgreSQL."""
    return str(request.param)


@pytest.fixture
def engine_for(driver: str) -> EngineFor:
    """Make an engine of this driver for a URL, as an app does."""

    def make(url: str, **options: Any) -> Engine | AsyncEngine:
        name = f"postgresql+{driver.removesuffix('-async')}"
        target = make_url(url).set(drivername=name)
        is_async = driver in ("asyncpg", "psycopg-async")
        return create_async_engine(target, **options) if is_async else create_engine(target, **options)

    return make


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of an operator, to break and heal things with."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def watch(engine_for: EngineFor, postgres_url: str) -> Iterator[Callable[..., Watched]]:
    """Register a `DatabaseWrite` on this test's database (or another URL); it is closed at the end."""
    made: list[Watched] = []

    def register(url: str = postgres_url, pool: dict[str, Any] | None = None, **options: Any) -> Watched:
        made.append(Watched(DatabaseWrite(engine_for(url, **(pool or {})), **options)))
        return made[-1]

    yield register
    for watched in made:
        watched.probe.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A server of this module alone, which wants a password, and may be frozen or killed."""
    with PostgresServer(password=SECRET) as server:
        yield server


Watch = Callable[..., Watched]


def test_each_run_commits_one_more_beat(watch: Watch, admin: psycopg.Connection[Any]) -> None:
    watched = watch(instance="web-1")
    for _ in range(3):
        assert watched.passes()
    assert admin.execute("SELECT instance, beats FROM healthkit_probe").fetchall() == [("web-1", 3)]


def test_one_connection_is_reused_and_the_apps_pool_is_left_alone(
    watch: Watch, admin: psycopg.Connection[Any]
) -> None:
    watched = watch()
    for _ in range(5):
        assert watched.passes()
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert admin.execute(others).fetchone() == (1,)
    assert watched().details["pool"] == "0 of 15 connections are in use"
    assert watched().details["role"] == "primary"


def test_read_only_is_told_though_reads_work(watch: Watch, admin: psycopg.Connection[Any]) -> None:
    watched = watch(renew_every=0)
    assert watched.passes()
    name = admin.execute("SELECT current_database()").fetchone()
    assert name is not None
    admin.execute(f"ALTER DATABASE {name[0]} SET default_transaction_read_only = on".encode())
    assert watched.reason() == "read-only: the database takes reads and refuses writes"
    admin.execute(f"ALTER DATABASE {name[0]} RESET default_transaction_read_only".encode())
    assert watched.passes()


def test_a_changed_default_is_seen_once_the_connection_is_renewed(
    watch: Watch, admin: psycopg.Connection[Any]
) -> None:
    watched = watch(renew_every=0.3)
    assert watched.passes()
    name = admin.execute("SELECT current_database()").fetchone()
    assert name is not None
    admin.execute(f"ALTER DATABASE {name[0]} SET default_transaction_read_only = on".encode())
    wait_for(lambda: watched().output.startswith("read-only: "), what="the new default to be seen")


def test_a_locked_table_is_locked_until_it_is_free(watch: Watch, admin: psycopg.Connection[Any]) -> None:
    watched = watch(timeout=1)
    assert watched.passes()
    with admin.transaction():
        admin.execute("LOCK TABLE healthkit_probe IN ACCESS EXCLUSIVE MODE")
        reason = watched.reason()
    assert reason == ("locked: another transaction kept the table or row locked for too long (over 0.6 s)")
    assert watched.passes()


def test_a_dropped_table_is_made_again(watch: Watch, admin: psycopg.Connection[Any]) -> None:
    watched = watch(instance="web-1")
    assert watched.passes()
    admin.execute("DROP TABLE healthkit_probe")
    assert watched.passes()
    assert admin.execute("SELECT beats FROM healthkit_probe").fetchall() == [(1,)]


def test_a_user_who_may_not_create_the_table_is_told_how_to(
    watch: Watch, admin: psycopg.Connection[Any], postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"app_{os.getpid()}_{time.monotonic_ns()}"
    admin.execute(f"CREATE ROLE {role} LOGIN".encode())
    url = make_url(postgres_url).set(username=role, password=SECRET).render_as_string(hide_password=False)
    watched = watch(url, instance="web-1")
    reading = watched()
    assert reading.output.startswith("missing table: healthkit_probe does not exist and this user may not")
    assert_no_secret(reading, caplog)
    admin.execute(reading.output[reading.output.index("CREATE TABLE") :].encode())
    assert watched.reason() == "permission denied: the user may not do this to the table"
    admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON healthkit_probe TO {role}".encode())
    assert watched.passes()
    admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_an_exhausted_pool_fails_with_its_figures_while_writes_work(
    engine_for: EngineFor, postgres_url: str
) -> None:
    engine = create_engine(postgres_url, pool_size=2, max_overflow=1)
    watched = Watched(DatabaseWrite(engine, timeout=1))
    held = [engine.connect() for _ in range(3)]
    assert watched.reason() == "pool exhausted: 3 of 3 connections are in use, for 0.25 s on end"
    for connection in held:
        connection.close()
    assert watched.passes()
    watched.probe.close()
    engine.dispose()


def test_a_connection_cut_by_the_server_is_replaced_unseen(
    watch: Watch, admin: psycopg.Connection[Any]
) -> None:
    watched = watch()
    assert watched.passes()
    cut = admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    assert cut == [(True,)]
    assert watched.passes()


def test_a_missing_database_is_unreachable(watch: Watch, postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    assert watch(url).reason() == "unreachable: the server has no such database"


def test_a_refused_port_is_unreachable_and_shows_no_secret(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    reading = watch(f"postgresql://shop:{SECRET_IN_URL}@127.0.0.1:{free_port()}/shop")()
    assert reading.output == "unreachable: connection refused"
    assert_no_secret(reading, caplog)


def test_an_unknown_host_is_unreachable(watch: Watch) -> None:
    reason = watch("postgresql://shop@no-such-host.invalid/shop", timeout=10).reason()
    assert reason == "unreachable: the host name is not known"


def test_a_wrong_password_is_an_authentication_failure_and_shows_no_secret(
    watch: Watch, guarded: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = make_url(guarded.url).set(password=f"{SECRET}-old").render_as_string(hide_password=False)
    reading = watch(wrong, timeout=10)()
    assert reading.output == "authentication failed: the server refuses this user or password"
    assert_no_secret(reading, caplog)
    assert watch(guarded.url, timeout=10).passes()


@pytest.mark.parametrize("hole", [black_hole, mute_listener])
def test_an_address_that_never_answers_fails_within_the_timeout(
    watch: Watch, hole: Callable[..., Any]
) -> None:
    with hole() as port:
        watched = watch(f"postgresql://shop:{SECRET_IN_URL}@127.0.0.1:{port}/shop", timeout=1)
        started = time.monotonic()
        reading = watched()
        assert time.monotonic() - started < 1 + SLACK
        assert reading.status is Status.FAIL
        assert reading.output.startswith(("timed out: ", "no answer within "))
        # ... and the hung attempt ends by itself, so that the next one can start
        wait_for(lambda: not threads_of(watched), what="the end of the hung attempt")


def threads_of(watched: Watched) -> list[threading.Thread]:
    """Return the threads that carry runs of this check now."""
    return [thread for thread in threading.enumerate() if watched.check.key in thread.name]


def test_a_frozen_server_fails_within_the_timeout_and_heals_with_nothing_leaked(
    watch: Watch, guarded: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(guarded.url, timeout=1)
    assert watched.passes()
    descriptors = open_descriptors()
    guarded.pause()
    try:
        for _ in range(2):
            started = time.monotonic()
            assert watched().status is Status.FAIL
            assert time.monotonic() - started < 1 + SLACK
            wait_for(lambda: not threads_of(watched), what="the end of the hung run")
    finally:
        guarded.resume()
    wait_for(watched.passes, what="recovery")
    assert not [
        record for record in caplog.records if record.name.startswith("psycopg")
    ]  # no cancel was tried
    wait_for(lambda: open_descriptors() <= descriptors, what="the release of every descriptor")
    with psycopg.connect(guarded.url.replace("+psycopg", ""), autocommit=True) as admin:
        wait_for(lambda: backends(admin) == 1, what="the end of the cut connections")


def test_a_server_that_freezes_before_the_first_word_is_let_go_of(
    engine_for: EngineFor, guarded: PostgresServer
) -> None:
    engine = engine_for(guarded.url)
    plain = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    freezes = [True]

    def freeze(*_: Any) -> None:  # comes before SQLAlchemy asks a new server for its version
        if freezes:
            guarded.pause()

    event.listen(plain.pool, "connect", freeze, insert=True)
    watched = Watched(DatabaseWrite(engine, timeout=1))
    descriptors = open_descriptors()
    try:
        assert watched().output.startswith(("timed out: ", "no answer within "))
        wait_for(lambda: not threads_of(watched), what="the end of the hung run")
    finally:
        freezes.clear()
        guarded.resume()
    wait_for(watched.passes, what="recovery")
    watched.probe.close()
    loops = (
        3 if watched.check.is_async else 0
    )  # an async check keeps its loop: a selector and a pair of sockets
    wait_for(lambda: open_descriptors() <= descriptors + loops, what="the release of every descriptor")


def backends(admin: psycopg.Connection[Any]) -> int:
    """Return how many other clients the server has."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def open_descriptors() -> int:
    """Return how many file descriptors this process holds, without what only awaits collection."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_killed_server_is_unreachable_and_heals_when_it_is_back(
    watch: Watch, guarded: PostgresServer
) -> None:
    watched = watch(guarded.url, timeout=5)
    assert watched.passes()
    guarded.kill()
    assert watched.reason().startswith("unreachable: ")
    guarded.start()
    wait_for(watched.passes, what="recovery")


def test_a_commit_that_waits_for_a_missing_standby_fails_within_the_timeout(
    watch: Watch, guarded: PostgresServer
) -> None:
    watched = watch(guarded.url, timeout=1)
    began = watched().time
    with psycopg.connect(guarded.url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            started = time.monotonic()
            while (reading := watched()).status is Status.PASS:  # until the server has heard of it
                started = time.monotonic()
                assert reading.time < began + 20
            assert reading.output.startswith(("timed out: ", "no answer within "))
            assert time.monotonic() - started < 1 + SLACK
            wait_for(lambda: not threads_of(watched), what="the end of the hung COMMIT")
        finally:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
    wait_for(watched.passes, what="recovery")


def test_a_forked_child_writes_over_a_connection_of_its_own(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    probe = DatabaseWrite(engine)
    probe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if probe().value > 0 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    before = probe._link._raw
    probe()
    assert probe._link._raw is before  # the child spoke on none of the parent's connections
    probe.close()
    engine.dispose()


def test_many_new_instances_at_once_agree_on_one_table(
    postgres_url: str, admin: psycopg.Connection[Any]
) -> None:
    engine = create_engine(postgres_url)
    probes = [DatabaseWrite(engine, instance=f"web-{n}", timeout=30) for n in range(8)]
    gate, failures = threading.Barrier(len(probes)), []

    def first_write(probe: DatabaseWrite) -> None:
        gate.wait()
        try:
            probe()
        except Exception as error:  # noqa: BLE001 - every failure must be seen by the assertion below
            failures.append(error)
        probe.close()

    threads = [threading.Thread(target=first_write, args=(probe,)) for probe in probes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert admin.execute("SELECT count(*) FROM healthkit_probe").fetchone() == (8,)
    engine.dispose()
