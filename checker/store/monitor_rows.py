"""Monitors as rows, read and written: few statements, however many rows there are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from checker.components import component_spec
from checker.model import MonitorSpec
from checker.state import initial
from checker.store import codec, door
from checker.store.bulk import Insert, Row, among, ids, placeholder
from checker.store.tables import monitor

_COLUMNS = ("kind", "name", "parent_id", "slug", "token", "source", "spec", "created_at")
_MONITORS = Insert(monitor, _COLUMNS, "ON CONFLICT DO NOTHING")

HeartbeatRow = tuple[int, str, str, str | None, str, str]  # id, name, slug, token, source, spec as text


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor's row: its id, its specification, and whether it is gone from the configuration."""

    id: int
    spec: MonitorSpec
    parent_id: int | None = None
    removed_at: float | None = None


def monitor_of(row: Any, parents: Mapping[int, Monitor] | None = None) -> Monitor:
    """Return the monitor that a row of the table holds; a component's endpoint must be among `parents`."""
    said = json.loads(row.spec) if isinstance(row.spec, str) else row.spec
    if parents is not None and row.parent_id in parents:
        spec = component_spec(parents[row.parent_id].spec, row.name, said)
    else:
        spec = codec.spec_of(
            said, kind=row.kind, name=row.name, slug=row.slug, token=row.token, parent="", source=row.source
        )
    return Monitor(row.id, spec, row.parent_id, row.removed_at)


def load(conn: Connection, only: Iterable[int] | None = None, *, removed: bool = False) -> list[Monitor]:
    """Return the monitors (or `only` those ids), endpoints before components; removed ones when asked for."""
    if only is None:
        return _read(conn, "TRUE", (), removed)
    wanted = set(only)
    family = f"id IN (SELECT parent_id FROM monitor WHERE parent_id IS NOT NULL AND {among(conn, 'id')})"
    given = (*ids(conn, wanted), *ids(conn, wanted))
    found = _read(conn, f"({among(conn, 'id')} OR {family})", given, removed)
    return [each for each in found if each.id in wanted]


def endpoints(conn: Connection) -> list[Monitor]:
    """Return the live endpoints, and after them their components."""
    return _read(conn, "((kind = 'endpoint' AND parent_id IS NULL) OR parent_id IS NOT NULL)", (), False)


def heartbeats(conn: Connection, after: int, limit: int) -> list[HeartbeatRow]:
    """Return the live heartbeats with ids beyond `after`, in the order of their ids, as plain rows."""
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        f"SELECT id, name, slug, token, source, {_spec(conn)} FROM monitor"
        f" WHERE id > {mark} AND kind = 'heartbeat' AND removed_at IS NULL ORDER BY id LIMIT {mark}",
        (after, limit),
    )
    cursor = rows.cursor
    assert cursor is not None
    return [tuple(row) for row in cursor.fetchall()]  # past the rows of SQLAlchemy: there may be a million


def insert(conn: Connection, spec: MonitorSpec, parent_id: int | None, now: float) -> int | None:
    """Insert a monitor in its initial state; return its id, or None where it (or its slug) is there."""
    marks = ", ".join([placeholder(conn)] * len(_COLUMNS))
    made = conn.exec_driver_sql(
        f"INSERT INTO monitor ({', '.join(_COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING id",
        _row(spec, parent_id, now),
    ).scalar()
    if made is None:
        return None
    door.save_states(conn, {made: initial(spec, now)})
    return int(made)


def insert_all(conn: Connection, specs: Sequence[MonitorSpec], now: float) -> None:
    """Insert endpoints and heartbeats in their initial state, but for those that are there already."""
    _MONITORS(conn, [_row(spec, None, now) for spec in specs])
    wanted = {(str(spec.kind), spec.name): spec for spec in specs}
    made = conn.exec_driver_sql(
        "SELECT id, kind, name FROM monitor LEFT JOIN monitor_state ON monitor_id = id"
        f" WHERE monitor_id IS NULL AND parent_id IS NULL AND {among(conn, 'name')}",
        ids(conn, {spec.name for spec in specs}),
    ).all()
    door.save_states(
        conn, {row.id: initial(wanted[key], now) for row in made if (key := (row.kind, row.name)) in wanted}
    )


def insert_parts(conn: Connection, specs: Mapping[tuple[int, str], MonitorSpec], now: float) -> None:
    """Insert components, (endpoint's id, name) -> specification, without a state; what is there stays."""
    _MONITORS(conn, [_row(spec, endpoint_id, now) for (endpoint_id, _), spec in specs.items()])


def _row(spec: MonitorSpec, parent_id: int | None, now: float) -> Row:
    text = codec.dumps({} if parent_id else codec.spec_to(spec))
    return (str(spec.kind), spec.name, parent_id, spec.slug, spec.token or None, spec.source, text, now)


def _spec(conn: Connection) -> str:
    return "spec" if conn.dialect.name == "sqlite" else "spec::text AS spec"


def _read(conn: Connection, where: str, given: tuple[Any, ...], removed: bool) -> list[Monitor]:
    rows = conn.exec_driver_sql(
        f"SELECT id, kind, name, parent_id, slug, token, source, {_spec(conn)}, removed_at FROM monitor"
        f" WHERE {where}{'' if removed else ' AND removed_at IS NULL'} ORDER BY parent_id IS NOT NULL, id",
        given,
    )
    found: dict[int, Monitor] = {}
    for row in rows:
        found[row.id] = monitor_of(row, found)
    return list(found.values())
