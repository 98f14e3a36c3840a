"""A disk that is really full: what the deep probe of each database says, and that it heals alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from healthkit.checks.sqlalchemy import DatabaseWrite
from tests import tiny_disk
from tests.healthkit.checks.engines import MYSQL, POSTGRES, engine_of
from tests.healthkit.checks.support import Watched

ROOT = Path(__file__).parents[3]
FULL = "disk full: the database has no room to write"


@pytest.fixture(autouse=True)
def may_mount(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The kernel's leave to mount a small disk."""
    if "needs_no_mount" not in request.keywords and not tiny_disk.is_possible(tmp_path):
        pytest.skip("this kernel lets no ordinary user mount a file system (user namespaces are off)")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a database that lies on a disk of 16 MB."""
    with tiny_disk.TinyDiskPostgres() as server:
        with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE tiny LOCATION '{server.tiny}'".encode())
            admin.execute("CREATE DATABASE shop TABLESPACE tiny")
        yield server.url_for("shop")


@pytest.mark.parametrize("driver", POSTGRES)
def test_postgresql_takes_small_updates_on_a_full_disk_and_the_deep_probe_tells(
    driver: str, postgres: str
) -> None:
    shallow = Watched(DatabaseWrite(engine_of(driver, postgres), timeout=10), timeout=20)
    deep = Watched(DatabaseWrite(engine_of(driver, postgres), deep=True, timeout=10), timeout=20)
    assert shallow.passes()
    for _ in range(2):
        assert deep.passes()
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("CREATE TABLE ballast AS SELECT ''::text AS filler")
        with pytest.raises(psycopg.errors.DiskFull):
            admin.execute("INSERT INTO ballast SELECT repeat('x', 1000) FROM generate_series(1, 50000)")
        assert shallow.passes()
        assert deep.reason() == FULL
        admin.execute("DROP TABLE ballast")
    assert deep.passes()
    for watched in (shallow, deep):
        watched.probe.close()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """The URL of a MariaDB database that lies on a disk of 16 MB."""
    with tiny_disk.TinyDiskMariaDB() as server:
        yield server.url


@pytest.mark.mysql
@pytest.mark.parametrize("driver", MYSQL)
def test_mariadb_takes_small_updates_on_a_full_disk_and_the_deep_probe_tells(
    driver: str, mariadb: str
) -> None:
    shallow = Watched(DatabaseWrite(engine_of(driver, mariadb), timeout=10), timeout=20)
    deep = Watched(DatabaseWrite(engine_of(driver, mariadb), deep=True, timeout=10), timeout=20)
    assert shallow.passes()
    for _ in range(2):
        assert deep.passes()
    engine = create_engine(mariadb, isolation_level="AUTOCOMMIT")
    with engine.connect() as admin:
        ballast = fill(admin)
        assert shallow.passes()
        assert deep.reason() == FULL
        for table in ballast:
            admin.execute(text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()
    assert deep.passes()
    for watched in (shallow, deep):
        watched.probe.close()


def fill(admin: Connection) -> list[str]:
    """Fill the disk with small tables, since InnoDB extends a large one by many pages at once."""
    ballast: list[str] = []
    while True:
        ballast.append(f"ballast_{len(ballast)}")
        try:
            admin.execute(text(f"CREATE TABLE {ballast[-1]} (filler text)"))
            admin.execute(text(f"INSERT INTO {ballast[-1]} SELECT repeat('x', 5000) FROM seq_1_to_10"))
        except DBAPIError:
            return ballast


ON_A_SMALL_DISK = """
import sqlite3, sys
from pathlib import Path
from healthkit.checks.sqlalchemy import DatabaseWrite
from tests.healthkit.checks.engines import engine_of
from tests.healthkit.checks.support import Watched

driver, folder, mode = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
connection = sqlite3.connect(folder / "app.db")
connection.execute(f"PRAGMA journal_mode={mode}")
url = f"sqlite:///{folder}/app.db"
watched = Watched(DatabaseWrite(engine_of(driver, url), deep=True, timeout=10), timeout=20)
print(watched().output or "passes")
ballast = folder / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while file.write(b"x" * 4096):
            pass
    except OSError:
        pass
print(watched().output or "passes")
print(watched().output or "passes")
ballast.unlink()
print(watched().output or "passes")
print(sorted(path.name for path in folder.iterdir() if not path.name.startswith("app.db")))
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("driver", ["pysqlite", "aiosqlite"])
def test_sqlite_on_a_full_disk_is_told_and_nothing_is_left_behind(
    driver: str, mode: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_A_SMALL_DISK, driver, str(tmp_path), mode],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=tiny_disk.mounting(tmp_path, 2),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["passes", FULL, FULL, "passes", "[]"]


@pytest.mark.needs_no_mount
def test_sqlites_own_limit_is_told_however_often_it_is_asked(tmp_path: Path) -> None:
    limit = {"pages": 1000}

    def bound(connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit['pages']}")  # type: ignore[attr-defined]

    engine: Engine = create_engine(f"sqlite:///{tmp_path}/app.db")
    event.listen(engine, "connect", bound)
    shallow, deep = Watched(DatabaseWrite(engine)), Watched(DatabaseWrite(engine, deep=True, name="deep"))
    for _ in range(3):
        assert deep.passes()
    limit["pages"] = 10  # what there is, and no more
    for _ in range(3):
        assert shallow.passes()
        assert deep.reason() == FULL
    limit["pages"] = 1000
    assert deep.passes()


@pytest.mark.needs_no_mount
@pytest.mark.parametrize("driver", ["pysqlite", "aiosqlite"])
def test_a_database_in_memory_has_room(driver: str) -> None:
    watched = Watched(DatabaseWrite(f"sqlite+{driver}://", deep=True))
    assert watched.passes()
    assert watched.passes()
