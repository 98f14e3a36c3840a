"""Components as rows: found with a look at their endpoint, described by its document, forgotten when gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from checker.components import component_spec
from checker.model import MonitorSpec, MonitorState
from checker.state import initial
from checker.store import codec, door, monitors, news
from checker.store.monitors import Monitor
from checker.store.tables import monitor, state

FORGOTTEN = "gone from its document, and forgotten"


def ensure(conn: Connection, endpoint: Monitor, keys: Sequence[str], now: float) -> list[Monitor]:
    """Return the components of these keys, making what is not there, or had gone; safe to repeat."""
    made = []
    for key in sorted(keys):
        spec = component_spec(endpoint.spec, key)
        found = monitors.insert(conn, spec, endpoint.id, now)
        if found is None:
            found = _present(conn, endpoint.id, spec, now)
        made.append(Monitor(found, spec, endpoint.id))
    news.changed(conn, [each.id for each in made])
    return made


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


def _present(conn: Connection, endpoint_id: int, spec: MonitorSpec, now: float) -> int:
    """Return the id of a component that is there already; one that was gone begins anew."""
    is_it = (monitor.c.parent_id == endpoint_id) & (monitor.c.name == spec.name)
    row = conn.execute(select(monitor.c.id, monitor.c.removed_at).where(is_it)).one()
    if row.removed_at is not None:
        conn.execute(monitor.update().where(is_it).values(removed_at=None))
        door.save_states(conn, {row.id: initial(spec, now)})
    return int(row.id)
