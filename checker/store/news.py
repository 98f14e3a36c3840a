"""What nodes tell each other: whose monitors changed, and what all of them should know.

A row a change, written in the transaction that makes it, so that a node learns of it by asking for what came
after the last that it knows: no message is sent, and none can be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from checker.store.bulk import Insert
from checker.store.nodes import clock
from checker.store.tables import news, shared

EVERYTHING = 0  # in the place of a monitor's id: so much changed that all are to be read anew
KEPT = 3_600.0  # seconds; who slept longer reads everything anew
LATE = 1_000  # numbers behind the latest that a transaction under way may still bring

_TELL = Insert(news, ("monitor_id", "at"))


def changed(conn: Connection, monitor_ids: Iterable[int]) -> None:
    """Tell the other nodes that these monitors are new, or other than they were, or gone."""
    now = clock(conn)
    conn.execute(news.delete().where(news.c.at < now - KEPT))
    _TELL(conn, [(each, now) for each in sorted(set(monitor_ids))])


def since(conn: Connection, number: int) -> list[tuple[int, int]]:
    """Return what was told after a number: (number, monitor id), in order."""
    query = select(news.c.id, news.c.monitor_id).where(news.c.id > number).order_by(news.c.id)
    return [(row[0], row[1]) for row in conn.execute(query)]


def latest(conn: Connection) -> int:
    """Return the number of the latest that was told; 0 where nothing was."""
    return conn.execute(select(func.max(news.c.id))).scalar() or 0


@dataclass(frozen=True, slots=True)
class Said:
    """Something that all nodes should know, who said it, and when (by the database's clock)."""

    value: str
    by: str
    at: float


def say(conn: Connection, name: str, value: str, by: str) -> None:
    """Let all nodes know something, in the place of what was said before."""
    now = clock(conn)
    values = {"value": value, "by": by[:64], "at": now}
    if conn.execute(shared.update().where(shared.c.name == name).values(values)).rowcount == 0:
        conn.execute(shared.insert().values(name=name, **values))


def said(conn: Connection, name: str) -> Said | None:
    """Return what was said last under a name."""
    row = conn.execute(select(shared).where(shared.c.name == name)).first()
    return None if row is None else Said(row.value, row.by, row.at)
