"""The deep probe: does the disk below a database have room for what the app will write next?

A small update fits into pages that exist, so it succeeds on a disk that is full. This one needs new pages.
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import sqlalchemy as sa

SIZE = 64_000  # bytes: more than the free pages kept for a small table, and what MySQL takes as TEXT


def room_table(table: sa.Table) -> sa.Table:
    """Return the table of the deep probe, beside the table of the small one."""
    return sa.Table(
        f"{table.name}_deep",
        table.metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("filler", sa.Text, nullable=False),  # no bytes: aiomysql refuses them
        schema=table.schema,
    )


def take_room(connection: sa.Connection, table: sa.Table) -> None:
    """Write 64 KB into new pages, inside the transaction under way; the table is this probe's own.

    TRUNCATE gives back the old file whole, so that the INSERT must ask the disk for a new one. SQLite has no
    TRUNCATE and reuses its free pages: there a file beside the database asks the disk, and an INSERT that is
    taken back asks the database's own limit (`max_page_count`).
    """
    filler = random.randbytes(SIZE // 2).hex()  # not to be compressed away
    insert = sa.insert(table).values(id=1, filler=filler)
    if connection.dialect.name != "sqlite":
        name = connection.dialect.identifier_preparer.format_table(table)
        connection.execute(sa.text(f"TRUNCATE TABLE {name}"))
        connection.execute(insert)
        return
    _write_beside(connection, filler.encode())
    savepoint = connection.begin_nested()
    connection.execute(insert)
    savepoint.rollback()


def _write_beside(connection: sa.Connection, filler: bytes) -> None:
    """Write a file that nobody sees into the folder of an SQLite database; raises `OSError`."""
    rows = connection.exec_driver_sql("PRAGMA database_list").fetchall()
    path = next((str(row[2] or "") for row in rows if row[1] == "main"), "")
    if not path:
        return  # in memory
    with tempfile.TemporaryFile(dir=Path(path).parent, prefix=".healthkit-") as file:
        file.write(filler)
        file.flush()
        os.fsync(file.fileno())
