"""Monitors that jobs and apps make by announcing themselves; each function is a step of one transaction."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select

from checker.model import Kind, MonitorSpec
from checker.rules.expectation import timed
from checker.state import respecified
from checker.store import blind, codec, door, monitors, news
from checker.store.monitors import Monitor
from checker.store.tables import monitor


class NoRoomError(LookupError):
    """There are as many announced endpoints as may be."""


def renew(conn: Connection, monitor_id: int, spec: MonitorSpec, now: float) -> Monitor | None:
    """Give a live monitor that a ping made the specification it announces; None where it is gone or not its
    own: what the file or the API made stays as it is.

    What is expected of it counts anew from now only where its schedule changes.
    """
    query = select(monitor).where(
        monitor.c.id == monitor_id, monitor.c.removed_at.is_(None), monitor.c.source == "auto"
    )
    row = conn.execute(query.with_for_update(key_share=True)).first()
    if row is None:
        return None
    old = monitors.monitor_of(row).spec
    new = replace(spec, name=old.name, slug=old.slug, token=old.token, source="auto")
    conn.execute(monitor.update().where(monitor.c.id == monitor_id).values(spec=codec.spec_to(new)))
    anew = respecified if new.schedule != old.schedule else None
    states = blind.load_told(conn, {monitor_id: old})
    door.save_states(
        conn, {key: anew(new, each, now) if anew else timed(new, each) for key, each in states.items()}
    )
    news.changed(conn, [monitor_id])
    return Monitor(monitor_id, new)


def enter(conn: Connection, spec: MonitorSpec, now: float, most: int) -> tuple[Monitor, bool] | None:
    """Enter an announced endpoint, or renew it; return it and whether it is new. None where its name is that
    of a monitor which was not announced. Raises `NoRoomError` beyond `most` announced endpoints.
    """
    named = select(monitor).where(monitor.c.parent_id.is_(None), monitor.c.name == spec.name)
    rows = conn.execute(named.with_for_update(key_share=True)).all()
    live = next((row for row in rows if row.removed_at is None), None)
    if live is not None and (live.source != "auto" or live.kind != Kind.ENDPOINT):
        return None
    if live is not None:
        present = monitors.monitor_of(live)
        kept = present if present.spec == spec else renew(conn, live.id, spec, now)
        return (kept, False) if kept is not None else None
    if _count(conn) >= most:
        raise NoRoomError
    gone = next((row for row in rows if row.kind == Kind.ENDPOINT), None)
    made = monitors.enter(conn, gone, spec, now)
    if made is None:  # another node was faster: it is renewed with the next announcement
        return None
    news.changed(conn, [made])
    return Monitor(made, spec), True


def _count(conn: Connection) -> int:
    live = monitor.c.removed_at.is_(None) & (monitor.c.source == "auto") & monitor.c.parent_id.is_(None)
    query = select(func.count()).where(live, monitor.c.kind == str(Kind.ENDPOINT))
    return int(conn.execute(query).scalar_one())
