"""One page of a long list for the API: which monitors or components it names, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from checker.model import Kind, State
from checker.store import codec
from checker.store.bulk import among, ids, placeholder


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a long list, by their ids in order, and how many are in all of it."""

    ids: tuple[int, ...]
    total: int


def monitors(
    conn: Connection,
    *,
    limit: int,
    offset: int = 0,
    kind: Kind | None = None,
    state: State | None = None,
    among_ids: Iterable[int] | None = None,
) -> Part:
    """Return live endpoints, then heartbeats, by name; those alone that are of a kind or in a state."""
    mark = placeholder(conn)
    joined, given = _in_state(conn, state)
    text = f"FROM monitor{joined} WHERE monitor.parent_id IS NULL AND monitor.removed_at IS NULL"
    if kind is not None:
        text += f" AND monitor.kind = {mark}"
        given.append(str(kind))
    if among_ids is not None:
        text += f" AND {among(conn, 'monitor.id')}"
        given += ids(conn, list(among_ids))
    return _part(conn, text, "monitor.kind, monitor.name", given, limit, offset)


def components(
    conn: Connection, *, limit: int, offset: int = 0, endpoint: str | None = None, state: State | None = None
) -> Part:
    """Return live components by the names of their endpoints; those alone of an endpoint, or in a state."""
    mark = placeholder(conn)
    joined, given = _in_state(conn, state)
    text = "FROM monitor JOIN monitor top ON top.id = monitor.parent_id AND top.removed_at IS NULL"
    text += f"{joined} WHERE monitor.removed_at IS NULL"
    if endpoint is not None:
        text += f" AND top.name = {mark}"
        given.append(codec.clean(endpoint))
    return _part(conn, text, "top.name, monitor.name", given, limit, offset)


def tops(conn: Connection, component_ids: Iterable[int]) -> list[int]:
    """Return the ids of the endpoints that components belong to."""
    text = f"SELECT DISTINCT parent_id FROM monitor WHERE {among(conn, 'id')}"
    return list(conn.exec_driver_sql(text, ids(conn, component_ids)).scalars())


def _in_state(conn: Connection, state: State | None) -> tuple[str, list[Any]]:
    """Return the join that leaves those in a state alone, with its values; none where all are wanted."""
    if state is None:
        return "", []
    mark = placeholder(conn)
    text = f" JOIN monitor_state own ON own.monitor_id = monitor.id AND own.state = {mark}"
    return text, [str(state)]


def _part(conn: Connection, text: str, order: str, given: list[Any], limit: int, offset: int) -> Part:
    total = conn.exec_driver_sql(f"SELECT count(*) {text}", tuple(given)).scalar_one()
    page = f"SELECT monitor.id {text} ORDER BY {order} LIMIT {int(limit)} OFFSET {int(offset)}"
    return Part(tuple(conn.exec_driver_sql(page, tuple(given)).scalars()), int(total))
