"""Which monitors fire all the time: what a person should mend, or listen to less."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from checker.store.tables import incident, member

WEEK = 7 * 86_400.0
NOISY = 10  # incidents in a week


@dataclass(frozen=True, slots=True)
class Noisy:
    """A monitor by its full name, and how many incidents it was in."""

    monitor_id: int
    name: str
    incidents: int


def noisy(conn: Connection, now: float, *, within: float = WEEK, least: int = NOISY) -> list[Noisy]:
    """Return the monitors that were in at least so many incidents lately, the noisiest first."""
    count = func.count()
    lately = select(incident.c.id).where(incident.c.since >= now - within)
    query = (
        select(member.c.monitor_id, func.max(member.c.name), count)
        .where(member.c.incident_id.in_(lately))
        .group_by(member.c.monitor_id)
        .having(count >= least)
        .order_by(count.desc(), member.c.monitor_id)
    )
    return [Noisy(row[0], row[1], row[2]) for row in conn.execute(query)]


def incidents_of(conn: Connection, monitor_id: int, now: float, *, least: int = NOISY) -> int | None:
    """Return in how many incidents a monitor was within a week; None where they are not too many."""
    query = (
        select(func.count())
        .select_from(member.join(incident, incident.c.id == member.c.incident_id))
        .where(member.c.monitor_id == monitor_id, incident.c.since >= now - WEEK)
    )
    count = int(conn.execute(query).scalar_one())
    return count if count >= least else None
