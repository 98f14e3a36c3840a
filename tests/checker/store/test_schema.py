"""The migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from checker.store import Store, history_tables
from checker.store.tables import metadata


def test_the_migrations_make_what_the_tables_say(store: Store) -> None:
    def differences(conn: Connection) -> list[Any]:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "target_metadata": metadata})
        return list(compare_metadata(context, metadata))

    assert history_tables.blind.metadata is metadata
    assert store.read_now(differences) == []


def test_sqlite_commits_to_the_disk_and_keeps_its_references(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")

    def pragmas(conn: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [conn.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    assert store.write_now(pragmas) == ["wal", 2, 1]
    store.close()
