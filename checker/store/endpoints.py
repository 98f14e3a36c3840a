"""Endpoints that the API made; each function is a step of one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select

from checker.model import Kind, MonitorSpec
from checker.store import monitors, news
from checker.store.checks import DELETED, TakenError
from checker.store.monitors import Monitor
from checker.store.tables import monitor

_OWNERS = {
    "file": "the configuration file",
    "auto": "an app that announced itself",
    "api": "a heartbeat of the API",
}


def put(conn: Connection, spec: MonitorSpec, now: float) -> tuple[Monitor, bool]:
    """Enter an endpoint, or replace what the API said of it before; return it, and whether it is new.

    Raises `TakenError` for a name that is not the API's endpoint's. What is known of a replaced one is kept.
    """
    named = select(monitor).where(monitor.c.parent_id.is_(None), monitor.c.name == spec.name)
    rows = conn.execute(named.with_for_update(key_share=True)).all()
    live = next((row for row in rows if row.removed_at is None), None)
    if live is not None and (live.source != "api" or live.kind != Kind.ENDPOINT):
        raise TakenError(f'the name "{spec.name}" is that of {_OWNERS.get(live.source, "another monitor")}')
    known = live or next((row for row in rows if row.kind == Kind.ENDPOINT), None)
    made = monitors.enter(conn, known, spec, now)
    if made is None:
        raise TakenError(f'the name "{spec.name}" was taken just now; try again')
    news.changed(conn, [news.EVERYTHING])  # its components are what it says of them
    return Monitor(made, spec), live is None


def delete(conn: Connection, monitor_id: int, now: float) -> bool:
    """Remove an endpoint with its components; their history is kept. False where it is not the API's."""
    query = select(monitor).where(
        monitor.c.id == monitor_id,
        monitor.c.removed_at.is_(None),
        monitor.c.source != "file",
        monitor.c.kind == str(Kind.ENDPOINT),
    )
    row = conn.execute(query.with_for_update(key_share=True)).first()
    if row is None:
        return False
    monitors.remove(conn, [row], now, DELETED)
    news.changed(conn, [news.EVERYTHING])
    return True
