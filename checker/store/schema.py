"""Brings the schema up to date with Alembic: at start, in one transaction, by one node at a time.

Migrations only add, so a program goes on working while a newer one has migrated, and may even start anew:
nodes are upgraded one by one. A migration that an older program could not work with raises `OLDEST`.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from checker.store import news, postgres
from checker.store.errors import StoreError

_log = logging.getLogger(__name__)

OLDEST = "0001"  # the oldest revision whose program works on the schema that this one makes
_NAME = "schema"  # under which nodes share it
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6865616C74686B  # "healthk": any number that no other program uses for its advisory lock


def upgrade(conn: Connection, *, where: str) -> None:
    """Run the missing migrations on `conn`; `where` names the database in errors.

    Raises `StoreError` when the schema is newer than this program can work with.
    """
    alone(conn)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = conn
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(conn).get_current_revision()
    head = str(script.get_current_head())
    if present == head:
        return
    if present is not None and present not in {revision.revision for revision in script.walk_revisions()}:
        _go_on_or_refuse(conn, present, head, where)
        return
    command.upgrade(config, "head")
    news.say(conn, _NAME, OLDEST, f"revision {head}")


def _go_on_or_refuse(conn: Connection, present: str, head: str, where: str) -> None:
    """Return where a newer program said that ours can work with its schema; raise `StoreError` otherwise."""
    said = news.said(conn, _NAME)
    if said is None or head < said.value:
        raise StoreError(
            f"database {where}: a newer version of the checker made its schema {present!r}; "
            f"this one knows {head!r} at most; upgrade it, or use another database"
        )
    _log.warning(
        "database %s: a newer version of the checker made its schema %r; this one knows %r and works with it;"
        " upgrade it when the other nodes are",
        where, present, head,
    )  # fmt: skip


def alone(conn: Connection) -> None:
    """Let one node at a time go on with a long transaction, and take its time.

    SQLite's writer lock is held already, PostgreSQL has advisory locks.
    """
    if conn.dialect.name != "postgresql":
        return
    postgres.take_time(conn)
    known = conn.exec_driver_sql("SELECT 1 FROM pg_proc WHERE proname='pg_advisory_xact_lock'").first()
    if known is not None:  # CockroachDB has none: there the version table's key lets one of two win
        conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
