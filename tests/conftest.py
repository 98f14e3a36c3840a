"""Real servers for every test: one of each a session, started when asked for; a fresh database a test."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from collections.abc import Callable, Iterator

import psycopg
import pytest
import redis as redis_library
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import URL, make_url

from examples.servers import PostgresServer, RedisServer

_numbers = itertools.count(1)

# A loaded machine is no reason to fail: no deadline an example, no complaint that inputs come slowly.
# The same examples each time, so that a change is judged by what it changed; to look for new ones:
# `make test ARGS="--hypothesis-profile=search"`.
_slow = [HealthCheck.too_slow]
settings.register_profile("search", deadline=None, suppress_health_check=_slow, max_examples=1_000)
settings.register_profile("healthkit", deadline=None, suppress_health_check=_slow, derandomize=True)
settings.load_profile("healthkit")


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """The session's Redis, or the one that HEALTHKIT_TEST_REDIS_URL names (it gets emptied)."""
    if given := os.environ.get("HEALTHKIT_TEST_REDIS_URL"):
        yield given
        return
    with RedisServer(databases=4096) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """The session's PostgreSQL, or the one that HEALTHKIT_TEST_POSTGRES_URL names."""
    if given := os.environ.get("HEALTHKIT_TEST_POSTGRES_URL"):
        yield given
        return
    with PostgresServer() as server:
        yield server.url


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty database of a real Redis."""
    with redis_library.Redis.from_url(redis_server_url) as client:
        databases = int(client.config_get("databases").get("databases", 16))
        number = 1 + next(_numbers) % (databases - 1)
    url = f"{redis_server_url.rsplit('/', 1)[0]}/{number}"
    with redis_library.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def new_postgres(postgres_server_url: str) -> Callable[..., str]:
    """Make a database of a real PostgreSQL, a copy of `template`, and return its URL for psycopg 3."""
    url = make_url(postgres_server_url).set(drivername="postgresql+psycopg")

    def make(template: str = "template1") -> str:
        name = f"healthkit_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return url.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="session")
def drop_postgres(postgres_server_url: str) -> Callable[[str], None]:
    """Drop a database that `new_postgres` made, whoever is still connected to it."""

    def drop(url: str) -> None:
        with psycopg.connect(_plain(make_url(postgres_server_url)), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)".encode())

    return drop


@pytest.fixture
def postgres_url(new_postgres: Callable[..., str], drop_postgres: Callable[[str], None]) -> Iterator[str]:
    """An empty database of a real PostgreSQL, as an SQLAlchemy URL for psycopg 3; dropped after the test."""
    url = new_postgres()
    yield url
    drop_postgres(url)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


# Files that wait the longest for real programs, and cannot be shared out among workers.
LONGEST = (
    "test_sql_faults.py",
    "test_demo.py",
    "test_contract.py",
    "test_checker_process.py",
    "test_claims.py",
    "test_sqlalchemy_postgres.py",
    "test_sql_full_disk.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that wait for real programs, so that the run does not end with one of them alone."""
    items.sort(key=lambda item: (item.path.name not in LONGEST, "e2e" not in item.path.parts))


def pytest_collection_finish() -> None:
    """Take what the collection made, which stays, out of each later search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_sessionstart() -> None:
    """Hear the signals that a shell's `&` or `nohup` switched off: the tests' programs inherit that."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
