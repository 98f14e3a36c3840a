"""`DatabaseWrite` on real SQLite files: what it proves, and the reason it gives for each fault."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from healthkit.checks.sql_write import FORGOTTEN
from healthkit.checks.sqlalchemy import DatabaseWrite
from healthkit.errors import ConfigurationError, Fail
from healthkit.status import Status
from tests.healthkit.checks.support import SECRET, Watched, assert_no_secret

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file that exists and is in WAL mode, as in most apps."""
    file = tmp_path / "app.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    connection.close()
    return file


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """The app's engine on that file."""
    made = create_engine(f"sqlite:///{path}")
    yield made
    made.dispose()


def rows(path: Path) -> list[tuple[Any, ...]]:
    """Return the probe's table as another program reads it."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT instance, beats, at FROM healthkit_probe ORDER BY at").fetchall()
    finally:
        connection.close()


def test_each_run_commits_one_more_beat_to_this_instances_one_row(engine: Engine, path: Path) -> None:
    probe = DatabaseWrite(engine, instance="web-1", clock=lambda: 1_700_000_000.5)
    for _ in range(3):
        probe()
    assert rows(path) == [("web-1", 3, 1_700_000_000.5)]


def test_the_reading_carries_the_latency_and_what_is_known(engine: Engine) -> None:
    reading = Watched(DatabaseWrite(engine))()
    assert reading.status is Status.PASS
    assert reading.check.key == "database:write"
    assert reading.check.component_type == "datastore"
    assert reading.check.identity == "sqlite:app.db"
    assert reading.unit == "ms"
    assert 0 < reading.value < 2000
    assert dict(reading.details) == {
        "dialect": "sqlite", "driver": "pysqlite", "pool": "0 of 15 connections are in use",
    }  # fmt: skip


def test_rows_of_instances_gone_for_a_day_are_removed_by_the_next_new_one(engine: Engine, path: Path) -> None:
    DatabaseWrite(engine, instance="old", clock=lambda: 0.0)()
    DatabaseWrite(engine, instance="yesterday", clock=lambda: FORGOTTEN / 2)()
    DatabaseWrite(engine, instance="new", clock=lambda: FORGOTTEN + 1)()
    assert [row[0] for row in rows(path)] == ["yesterday", "new"]


def test_it_never_takes_a_connection_of_the_apps_pool(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=1, pool_timeout=0.1)
    taken: list[Any] = []
    event.listen(engine, "engine_connect", taken.append)
    DatabaseWrite(engine)()
    assert taken == []
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]
    engine.dispose()


def test_a_full_pool_fails_with_the_figures_and_an_emptied_one_passes(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=1)
    watched = Watched(DatabaseWrite(engine, timeout=1))
    with engine.connect(), engine.connect():
        reason = watched.reason()
        assert reason == "pool exhausted: 2 of 2 connections are in use, for 0.25 s on end"
    assert watched.passes()
    engine.dispose()


def test_a_pool_that_is_full_for_an_instant_only_passes(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", pool_size=1, max_overflow=0)
    probe = DatabaseWrite(engine, timeout=60)
    held = engine.connect()
    naps = probe.naps()
    assert next(naps) > 0
    held.close()
    assert list(naps) == []
    engine.dispose()


def test_listeners_of_the_app_act_on_the_probes_connection_too(engine: Engine) -> None:
    statements = []

    def configure(connection: Any, _: Any) -> None:
        statements.append("configured")
        connection.execute("PRAGMA foreign_keys=ON")

    event.listen(engine, "connect", configure)
    assert Watched(DatabaseWrite(engine)).passes()
    assert statements == ["configured"] * len(statements) != []


def test_query_only_is_read_only_though_reads_work_and_heals_by_itself(engine: Engine) -> None:
    mode = {"value": "OFF"}
    event.listen(engine, "connect", lambda c, _: c.execute(f"PRAGMA query_only={mode['value']}"))
    watched = Watched(DatabaseWrite(engine))
    assert watched.passes()
    mode["value"] = "ON"
    assert watched.reason() == "read-only: the database takes reads and refuses writes"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == 0
    mode["value"] = "OFF"
    assert watched.passes()


def test_a_file_opened_read_only_is_read_only(path: Path) -> None:
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert Watched(DatabaseWrite(engine)).reason().startswith("read-only: ")
    engine.dispose()


def as_ordinary_user(call: Callable[[], Any]) -> Any:
    """Call as a user whom file modes bind; root ignores them."""
    if os.geteuid() != 0:
        return call()
    os.seteuid(NOBODY)
    try:
        return call()
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may use; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_file_made_unwritable_is_read_only_until_it_is_writable_again(open_folder: Path) -> None:
    file = open_folder / "app.db"
    file.touch()
    file.chmod(0o666)
    engine = create_engine(f"sqlite:///{file}")
    probe = DatabaseWrite(engine)
    assert as_ordinary_user(probe).unit == "ms"
    file.chmod(0o444)
    with pytest.raises(Fail, match=r"^read-only: "):
        as_ordinary_user(probe)
    file.chmod(0o666)
    assert as_ordinary_user(probe).unit == "ms"
    engine.dispose()


def test_a_database_that_another_keeps_locked_is_locked_until_it_lets_go(engine: Engine, path: Path) -> None:
    watched = Watched(DatabaseWrite(engine, timeout=0.5))
    assert watched.passes()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert watched.reason() == "locked: another connection kept the database locked for too long"
    other.execute("ROLLBACK")
    assert watched.passes()
    other.close()


def test_no_room_to_write_is_disk_full(engine: Engine) -> None:
    event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count=1"))
    assert Watched(DatabaseWrite(engine)).reason() == "disk full: the database has no room to write"


def test_a_missing_folder_is_unreachable(tmp_path: Path) -> None:
    reason = Watched(DatabaseWrite(f"sqlite:///{tmp_path}/none/app.db")).reason()
    assert reason == "unreachable: the database file cannot be opened"


def test_a_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("dear diary, " * 500)
    reason = Watched(DatabaseWrite(f"sqlite:///{file}")).reason()
    assert reason == "unreachable: the file is not a database, or is damaged"


def test_a_dropped_table_is_made_again(engine: Engine, path: Path) -> None:
    watched = Watched(DatabaseWrite(engine, instance="web-1"))
    assert watched.passes()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE healthkit_probe")
    connection.close()
    assert watched.passes()
    assert [row[:2] for row in rows(path)] == [("web-1", 1)]


def test_a_file_replaced_under_the_app_is_looked_at_afresh(engine: Engine, path: Path) -> None:
    watched = Watched(DatabaseWrite(engine, instance="web-1"))
    assert watched.passes()
    path.unlink()
    path.write_bytes(b"not a database at all" * 100)
    assert watched.reason().startswith("unreachable: the file is not a database")


def test_a_memory_database_passes_run_after_run() -> None:
    watched = Watched(DatabaseWrite(create_engine("sqlite://")))
    assert watched.passes()
    assert watched.passes()
    assert watched.check.identity is None


def test_an_async_engine_makes_an_async_check_with_the_same_readings(path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    watched = Watched(DatabaseWrite(engine, instance="web-1"))
    assert watched.check.is_async
    assert watched.passes()
    assert watched.passes()
    assert [row[:2] for row in rows(path)] == [("web-1", 2)]
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert watched.reason().startswith("locked: ")
    other.close()
    assert watched.passes()
    asyncio.run(engine.dispose())


def test_a_table_name_may_be_chosen(engine: Engine, path: Path) -> None:
    DatabaseWrite(engine, table="ops_probe", name="orders")()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM ops_probe").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("engine", [42, None, object()])
def test_what_is_no_engine_is_refused_at_start(engine: Any) -> None:
    with pytest.raises(ConfigurationError, match="not an SQLAlchemy Engine, AsyncEngine or URL"):
        DatabaseWrite(engine)


@pytest.mark.parametrize(
    "url", [f"nonsense {SECRET}", f"oracle+nonsense://u:{SECRET}@h/d", "postgresql://h:port/d"]
)
def test_what_is_no_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not a database URL") as caught:
        DatabaseWrite(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(("options", "words"), [
    ({"timeout": 0}, "leaves no time"),
    ({"timeout": "soon"}, "not a duration"),
    ({"table": "a."}, "not a table name"),
    ({"renew_every": -1}, "not a duration"),
])  # fmt: skip
def test_nonsense_options_are_refused_at_start(engine: Engine, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        DatabaseWrite(engine, **options)


def test_an_unknown_error_shows_as_its_class_alone(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def explode(*_: Any) -> None:
        raise LookupError(f"cannot find {SECRET}")

    event.listen(engine, "connect", explode)
    reading = Watched(DatabaseWrite(engine))()
    assert reading.output == "LookupError"
    assert_no_secret(reading, caplog)
