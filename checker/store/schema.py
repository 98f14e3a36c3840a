"""Brings the schema up to date with Alembic: at start, in one transaction, by one node at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from checker.store.errors import StoreError

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6865616C74686B  # "healthk": any number that no other program uses for its advisory lock


def upgrade(conn: Connection, *, where: str) -> None:
    """Run the missing migrations on `conn`; `where` names the database in errors.

    Raises `StoreError` when the schema is newer than this program knows.
    """
    _alone(conn)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = conn
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(conn).get_current_revision()
    if present == script.get_current_head():
        return
    if present is not None and present not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreError(
            f"database {where}: a newer version of the checker made its schema {present!r}; "
            f"this one knows {script.get_current_head()!r} at most; upgrade it, or use another database"
        )
    command.upgrade(config, "head")


def _alone(conn: Connection) -> None:
    """Let one node at a time migrate: SQLite's writer lock is held already, PostgreSQL has advisory locks."""
    if conn.dialect.name != "postgresql":
        return
    conn.exec_driver_sql("SET LOCAL statement_timeout=0")
    conn.exec_driver_sql("SET LOCAL lock_timeout=0")
    known = conn.exec_driver_sql("SELECT 1 FROM pg_proc WHERE proname='pg_advisory_xact_lock'").first()
    if known is not None:  # CockroachDB has none: there the version table's key lets one of two win
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
