"""`MigrationsCurrent` with real Alembic scripts: what is missing is named, on every branch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config

from healthkit.checks.sqlalchemy import MigrationsCurrent
from healthkit.errors import ConfigurationError
from healthkit.status import Status
from tests.healthkit.checks.engines import POSTGRES, SQLITE, engine_of
from tests.healthkit.checks.support import Watched

SCRIPTS = {
    "a1": ((), "create orders"),
    "b2": (("a1",), "add customers"),
    "c3": (("b2",), "index orders"),
}
BRANCH = {"x9": (("a1",), "start billing")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of migrations, three in a row."""
    path = tmp_path / "migrations"
    (path / "versions").mkdir(parents=True)
    write(path, SCRIPTS)
    return path


def write(folder: Path, scripts: Mapping[str, tuple[tuple[str, ...], str]], **more: Any) -> None:
    """Write migrations as Alembic does."""
    for revision, (below, title) in scripts.items():
        down = below[0] if len(below) == 1 else below or None
        text = f'"""{title}"""\nrevision = {revision!r}\ndown_revision = {down!r}\n'
        text += "".join(f"{key} = {value!r}\n" for key, value in more.items())
        (folder / "versions" / f"{revision}.py").write_text(text)


def stamp(url: str, *revisions: str) -> None:
    """Leave a database with these revisions, as Alembic does."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32))"))
        connection.execute(sa.text("DELETE FROM alembic_version"))
        for revision in revisions:
            connection.execute(sa.text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})
    engine.dispose()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of this test's own."""
    return f"sqlite:///{tmp_path}/app.db"


@pytest.mark.parametrize("driver", [*SQLITE, *POSTGRES])
def test_a_database_at_the_head_passes_and_one_behind_names_what_it_lacks(
    driver: str, url: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    address = url if driver in SQLITE else request.getfixturevalue("postgres_url")
    watched = Watched(MigrationsCurrent(engine_of(driver, address), folder, timeout=10), timeout=20)
    assert watched.reason() == "not migrated: the table alembic_version does not exist"
    stamp(address, "a1")
    assert watched.reason() == (
        "not migrated: 2 migrations are missing: b2 (add customers), c3 (index orders)"
    )
    stamp(address, "c3")
    reading = watched()
    assert (reading.status, reading.value, reading.check.key) == (Status.PASS, "c3", "database:migrations")
    watched.probe.close()


def test_an_emptied_version_table_lacks_everything(url: str, folder: Path) -> None:
    stamp(url)
    reason = Watched(MigrationsCurrent(url, folder)).reason()
    assert reason.startswith("not migrated: 3 migrations are missing: a1 (create orders), ")


def test_every_branch_must_be_at_its_head(url: str, folder: Path) -> None:
    write(folder, BRANCH)
    watched = Watched(MigrationsCurrent(url, folder))
    stamp(url, "c3")
    assert watched.reason() == "not migrated: 1 migration is missing: x9 (start billing)"
    stamp(url, "x9")
    assert watched.reason().startswith("not migrated: 2 migrations are missing: b2 ")
    stamp(url, "c3", "x9")
    assert watched().value == "c3, x9"


def test_a_branch_is_applied_with_what_depends_on_it(url: str, folder: Path) -> None:
    write(folder, {"x9": ((), "start billing")}, depends_on="b2", branch_labels=("billing",))
    stamp(url, "x9")
    assert Watched(MigrationsCurrent(url, folder)).reason() == (
        "not migrated: 1 migration is missing: c3 (index orders)"
    )


def test_a_merge_stands_on_both_its_branches(url: str, folder: Path) -> None:
    write(folder, BRANCH | {"m5": (("c3", "x9"), "merge billing")})
    stamp(url, "m5")
    assert Watched(MigrationsCurrent(url, folder)).passes()


def test_a_database_migrated_for_a_newer_release_warns(url: str, folder: Path) -> None:
    stamp(url, "c3", "zz")
    reading = Watched(MigrationsCurrent(url, folder))()
    assert reading.status is Status.WARN
    assert reading.output == "ahead: the database has zz, which this code does not know"


def test_many_missing_are_counted_and_the_first_named(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    (folder / "versions").mkdir(parents=True)
    names = [f"r{number}" for number in range(8)]
    write(
        folder,
        {one: ((below,) if below else (), "step") for below, one in zip(["", *names], names, strict=False)},
    )
    stamp(url)
    reason = Watched(MigrationsCurrent(url, folder)).reason()
    assert reason.startswith("not migrated: 8 migrations are missing: r0 (step), ")
    assert reason.endswith("r4 (step) and 3 more")


def test_an_ini_file_and_a_config_name_the_folder_too(url: str, folder: Path) -> None:
    ini = folder.parent / "alembic.ini"
    ini.write_text(f"[alembic]\nscript_location = {folder}\npath_separator = os\n")
    stamp(url, "c3")
    assert Watched(MigrationsCurrent(url, ini)).passes()
    assert Watched(MigrationsCurrent(url, Config(ini))).passes()


def test_the_checkers_own_store_is_at_its_head(url: str) -> None:
    from checker.store import Store

    store = Store(url)
    store.migrate()
    store.close()
    import checker.store

    folder = Path(checker.store.__file__).parent / "migrations"
    assert Watched(MigrationsCurrent(url, folder)).passes()


@pytest.mark.parametrize("migrations", ["/nowhere/at/all", None, 42])
def test_what_is_no_folder_of_scripts_is_refused_at_start(migrations: Any) -> None:
    with pytest.raises(ConfigurationError, match="neither a folder of Alembic's scripts nor"):
        MigrationsCurrent("sqlite://", migrations)


def test_scripts_that_cannot_be_read_fail_with_no_word_of_theirs(url: str, folder: Path) -> None:
    (folder / "versions" / "broken.py").write_text("password = 'hunter2' = 'oops'\n")
    reason = Watched(MigrationsCurrent(url, folder)).reason()
    assert reason == "the migration scripts cannot be read (SyntaxError)"
