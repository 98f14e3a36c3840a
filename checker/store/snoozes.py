"""Snoozes as rows: which monitors nobody is to be told of, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from checker.model import Incident, Snooze
from checker.rules.snoozing import about
from checker.store.tables import incident, member, monitor, snooze


def put(conn: Connection, monitor_ids: Iterable[int], wanted: Snooze) -> None:
    """Snooze monitors, in the place of what was asked for them before; an endpoint with its components."""
    targets = sorted(set(monitor_ids))
    forget(conn, targets)
    row = {"until": wanted.until, "at": wanted.at, "by": wanted.by}
    if targets:
        conn.execute(snooze.insert(), [{"monitor_id": each, **row} for each in targets])


def put_incident(conn: Connection, incident_id: int, wanted: Snooze) -> bool:
    """Snooze all that an open incident is about; tell whether it is open."""
    row = conn.execute(
        select(incident.c.suppressed)
        .where(incident.c.id == incident_id, incident.c.resolved_at.is_(None))
        .with_for_update()
    ).first()
    if row is None:
        return False
    found = conn.execute(
        select(member.c.monitor_id, member.c.name)
        .join(monitor, monitor.c.id == member.c.monitor_id)
        .where(member.c.incident_id == incident_id, member.c.resolved_at.is_(None))
    ).all()
    explained = set(row.suppressed or ())
    put(conn, [each.monitor_id for each in found if each.name not in explained], wanted)
    return True


def forget(conn: Connection, monitor_ids: Sequence[int]) -> bool:
    """End snoozes, telling nobody; tell whether there was one."""
    return conn.execute(snooze.delete().where(snooze.c.monitor_id.in_(monitor_ids))).rowcount > 0


def forget_over(conn: Connection, kept: Mapping[int, Snooze], now: float) -> None:
    """End those of `kept` that are over by `now`, unless somebody has asked for another one meanwhile."""
    over = [number for number, each in kept.items() if each.until <= now]
    if over:
        conn.execute(snooze.delete().where(snooze.c.monitor_id.in_(over), snooze.c.until <= now))


def load(conn: Connection) -> dict[int, Snooze]:
    """Return all snoozes by monitor: those that last, and those whose end nobody was told of yet."""
    return {
        row.monitor_id: Snooze(until=row.until, at=row.at, by=row.by) for row in conn.execute(select(snooze))
    }


def shown(conn: Connection, found: tuple[Incident, ...]) -> tuple[Incident, ...]:
    """Return incidents with the end of their snooze, where all that they are about is snoozed."""
    known = load(conn)
    numbers = {each.monitor_id for one in found for each in about(one)} if known else set()
    if not numbers:
        return found
    rows = conn.execute(select(monitor.c.id, monitor.c.parent_id).where(monitor.c.id.in_(numbers)))
    parents = {row.id: row.parent_id for row in rows}
    return tuple(replace(each, snoozed_until=_until(each, known, parents)) for each in found)


def _until(found: Incident, known: Mapping[int, Snooze], parents: Mapping[int, int | None]) -> float | None:
    families = [(each.monitor_id, parents.get(each.monitor_id)) for each in about(found)]
    moments = [
        max((known[each].until for each in family if each is not None and each in known), default=None)
        for family in families
    ]
    ends = [each for each in moments if each is not None]
    return min(ends) if ends and len(ends) == len(moments) and found.resolved_at is None else None
