"""What the checker's tests share: the store, once of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checker.store import Store
from tests.checker.stores import prepare


@pytest.fixture(scope="session")
def postgres_with_schema(new_postgres: Callable[..., str]) -> str:
    """The name of a PostgreSQL database with the schema in it, to copy."""
    url = new_postgres()
    store = Store(url)
    store.migrate()
    store.close()
    return url.rpartition("/")[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database, once of each kind: empty, or with the schema in it where `store` is asked for too."""
    migrated = "store" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "checker.db"
        yield prepare(path) if migrated else f"sqlite:///{path}"
        return
    template = request.getfixturevalue("postgres_with_schema") if migrated else "template1"
    drop = request.getfixturevalue("drop_postgres")
    url = request.getfixturevalue("new_postgres")(template)
    yield url
    drop(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A migrated store, once of each kind."""
    found = Store(store_url)
    yield found
    found.close()
