"""Heartbeats that the API makes, changes and deletes; each function is one step of one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, text

from checker.model import Kind, MonitorSpec
from checker.rules.expectation import timed
from checker.state import respecified
from checker.store import blind, codec, door, monitors, news
from checker.store.monitors import Monitor
from checker.store.tables import monitor, ping
from healthkit.errors import HealthkitError

NAMESAKES = 200  # names that are tried: `backup`, `backup (2)`, ...
DELETED = "deleted by the API"
_LOCK = 0x6865616C746863  # "healthc": any number that no other program uses for its advisory lock


class TakenError(HealthkitError):
    """A name or slug that belongs to a monitor of the configuration file, or to one that a ping made."""


def alone(conn: Connection) -> None:
    """Let one node at a time look for a namesake and insert: SQLite has one writer anyway."""
    if conn.dialect.name != "postgresql":
        return
    if conn.execute(text("SELECT 1 FROM pg_proc WHERE proname = 'pg_advisory_xact_lock'")).first():
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def namesakes(conn: Connection, name: str | None, slug: str | None) -> list[Monitor]:
    """Return the live heartbeats called `name` (or `name (2)`...), with `slug`, oldest first."""
    query = select(monitor).where(
        monitor.c.kind == "heartbeat", monitor.c.parent_id.is_(None), monitor.c.removed_at.is_(None)
    )
    if name is not None:
        query = query.where(monitor.c.name.in_(list(_names(name))))
    if slug is not None:
        query = query.where(monitor.c.slug == slug)
    return [monitors.monitor_of(row) for row in conn.execute(query.order_by(monitor.c.id))]


def create(conn: Connection, spec: MonitorSpec, now: float, *, derived: bool = False) -> Monitor:
    """Insert a heartbeat under the next free name.

    A slug that belongs to a monitor which the API did not make raises `TakenError`; one that was `derived`
    from the name is left out instead.
    """
    spec = _with_slug(conn, spec, 0, derived)
    made = _titled(replace(spec, name=_free(conn, spec.name), token=str(uuid.uuid4()), source="api"))
    monitor_id = monitors.insert(conn, made, None, now)
    if monitor_id is None:
        raise TakenError(f'the name "{made.name}" was taken just now; try again')
    news.changed(conn, [monitor_id])
    return Monitor(monitor_id, made)


def update(
    conn: Connection,
    monitor_id: int,
    change: Callable[[MonitorSpec], MonitorSpec],
    now: float,
    *,
    derived: bool = False,
) -> Monitor | None:
    """Give a live heartbeat the specification that `change` makes of its present one; None where it is gone.

    As in `create`, a slug that is not free raises `TakenError`, or is left out where it was `derived`.
    What is expected of it counts anew from now only where its schedule changes: a client that writes the same
    again and again never hides a missed sign.
    """
    query = select(monitor).where(monitor.c.id == monitor_id, monitor.c.removed_at.is_(None))
    row = conn.execute(query.with_for_update(key_share=True)).first()
    if row is None:
        return None
    old = monitors.monitor_of(row).spec
    new = replace(change(old), source="api", token=old.token)
    if new.slug != old.slug:
        new = _with_slug(conn, new, monitor_id, derived)
    if new.name != old.name:
        new = _titled(replace(new, name=_free(conn, new.name, monitor_id)))
    values = {"name": new.name, "slug": new.slug, "source": new.source, "spec": codec.spec_to(new)}
    conn.execute(monitor.update().where(monitor.c.id == monitor_id).values(**values))
    news.changed(conn, [monitor_id])
    anew = respecified if new.schedule != old.schedule else None
    states = blind.load_told(conn, {monitor_id: old})
    door.save_states(
        conn, {key: anew(new, each, now) if anew else timed(new, each) for key, each in states.items()}
    )
    return Monitor(monitor_id, new)


def delete(conn: Connection, monitor_id: int, now: float) -> bool:
    """Remove a heartbeat for good: its name, ping URL and pings go; incidents keep what they tell of it."""
    query = select(monitor).where(monitor.c.id == monitor_id, monitor.c.removed_at.is_(None))
    row = conn.execute(query.with_for_update()).first()
    if row is None:
        return False
    monitors.remove(conn, [row], now, DELETED)
    gone = f"{row.name} (deleted {uuid.uuid4().hex[:12]})"
    spec = {key: value for key, value in row.spec.items() if key != "push_token"}
    conn.execute(
        monitor.update().where(monitor.c.id == monitor_id).values(name=gone, slug="", token=None, spec=spec)
    )
    conn.execute(ping.delete().where(ping.c.monitor_id == monitor_id))
    news.changed(conn, [monitor_id])
    return True


def _names(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base} ({number})" for number in range(2, NAMESAKES + 1))


def _free(conn: Connection, base: str, own: int = 0) -> str:
    """Return the first name of its row that no endpoint or heartbeat has, or had."""
    names: Sequence[str] = list(_names(base))
    query = select(monitor.c.name).where(
        monitor.c.parent_id.is_(None), monitor.c.name.in_(names), monitor.c.id != own
    )
    taken = set(conn.execute(query).scalars())
    return next((name for name in names if name not in taken), f"{base} ({uuid.uuid4().hex[:12]})")


def _titled(spec: MonitorSpec) -> MonitorSpec:
    return replace(spec, title=None) if spec.title == spec.name else spec


def _with_slug(conn: Connection, spec: MonitorSpec, own: int, derived: bool) -> MonitorSpec:
    """Return the specification with its slug, where that is free or shared among the API's own."""
    if not spec.slug:
        return spec
    query = select(monitor.c.name, monitor.c.source).where(
        monitor.c.kind == str(Kind.HEARTBEAT),
        monitor.c.slug == spec.slug,
        monitor.c.source != "api",
        monitor.c.removed_at.is_(None),
        monitor.c.id != own,
    )
    row = conn.execute(query).first()
    if row is not None and derived:
        return replace(spec, slug="")
    if row is not None:
        whose = "the configuration" if row.source == "file" else "a ping with create=1"
        raise TakenError(f'the slug "{spec.slug}" belongs to "{row.name}", made by {whose}; choose another')
    return spec
