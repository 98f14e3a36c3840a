"""When nobody could see: neither up nor down, for any monitor."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from checker.store.bulk import Insert
from checker.store.history_tables import blind

_PUT = Insert(
    blind, ("node", "start", "end"), 'ON CONFLICT (node, start) DO UPDATE SET "end" = excluded."end"'
)


def put(conn: Connection, node: str, start: float, end: float) -> None:
    """Keep that nobody could see from `start` to `end`, as a node found; with the same start, it grew."""
    _PUT(conn, [(node, start, end)])


def spans(conn: Connection, start: float, end: float) -> list[tuple[float, float]]:
    """Return the blind times that touch a span, in the order they began; they may overlap."""
    query = select(blind.c.start, blind.c.end).where(blind.c.end > start, blind.c.start < end)
    return [(row[0], row[1]) for row in conn.execute(query.order_by(blind.c.start))]


def since(conn: Connection, last: int) -> tuple[int, float | None]:
    """Return the highest id, and when the earliest of those beyond the id `last` began."""
    found = conn.execute(select(func.max(blind.c.id), func.min(blind.c.start)).where(blind.c.id > last)).one()
    return int(found[0] or last), found[1]
