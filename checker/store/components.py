"""Components as rows: found with a look at their endpoint, described by its document, forgotten when gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from checker.components import component_spec
from checker.model import MonitorSpec, MonitorState
from checker.state import initial
from checker.store import codec, door, monitors, news
from checker.store.bulk import among, ids
from checker.store.monitor_rows import insert_parts
from checker.store.monitors import Monitor
from checker.store.tables import monitor, state

FORGOTTEN = "gone from its document, and forgotten"


def ensure(conn: Connection, endpoint: Monitor, keys: Sequence[str], now: float) -> list[Monitor]:
    """Return the components of these keys, making what is not there, or had gone; safe to repeat."""
    return ensure_all(conn, [(endpoint, keys)], now)


def ensure_all(
    conn: Connection, wanted: Iterable[tuple[Monitor, Iterable[str]]], now: float
) -> list[Monitor]:
    """Do as `ensure` for many endpoints in a few statements: at the first start all are new at once."""
    specs = {
        (endpoint.id, key): component_spec(endpoint.spec, key)
        for endpoint, keys in wanted
        for key in sorted(keys)
    }
    insert_parts(conn, specs, now)
    parents = sorted({endpoint_id for endpoint_id, _ in specs})
    rows = conn.exec_driver_sql(
        "SELECT id, parent_id, name, removed_at, monitor_id FROM monitor"
        f" LEFT JOIN monitor_state ON monitor_id = id WHERE {among(conn, 'parent_id')} ORDER BY id",
        ids(conn, parents),
    )
    found = [(row, spec) for row in rows.all() if (spec := specs.get((row.parent_id, row.name))) is not None]
    back = [row.id for row, _ in found if row.removed_at is not None]
    if back:
        conn.exec_driver_sql(
            f"UPDATE monitor SET removed_at = NULL WHERE {among(conn, 'id')}", ids(conn, back)
        )
    fresh = [(row, spec) for row, spec in found if row.monitor_id is None or row.removed_at is not None]
    door.save_states(conn, {row.id: initial(spec, now) for row, spec in fresh})
    news.changed(conn, [row.id for row, _ in found])
    return [Monitor(row.id, spec, row.parent_id) for row, spec in found]


def described(conn: Connection, monitor_id: int, spec: MonitorSpec) -> None:
    """Write down what a component's document tells of it now."""
    said = {"identity": spec.identity, "depends_on": list(spec.depends_on)}
    conn.execute(monitor.update().where(monitor.c.id == monitor_id).values(spec=said))
    news.changed(conn, [monitor_id])


def warning(conn: Connection) -> list[tuple[int, int, str, MonitorState]]:
    """Return the components that warn, those that are gone among them: (id, endpoint's id, name, state)."""
    rows = conn.execute(
        select(monitor.c.id, monitor.c.parent_id, monitor.c.name, state)
        .join(state, state.c.monitor_id == monitor.c.id)
        .where(state.c.state == "warn", monitor.c.parent_id.is_not(None), monitor.c.removed_at.is_(None))
    )
    return [
        (row.id, row.parent_id, row.name, codec.state_of(row.state, row.since, row.deadline, row.data))
        for row in rows
    ]


def forget(conn: Connection, monitor_ids: Sequence[int], now: float) -> list[int]:
    """Let go of these components, if they are there; return the ids of those that were.

    Their history is kept; one that comes back is itself again, and begins anew.
    """
    rows = conn.execute(
        select(monitor).where(
            monitor.c.id.in_(monitor_ids), monitor.c.parent_id.is_not(None), monitor.c.removed_at.is_(None)
        )
    ).all()
    monitors.remove(conn, rows, now, FORGOTTEN)
    ids = [int(row.id) for row in rows]
    if ids:
        news.changed(conn, ids)
    return ids
