"""What an operator writes and asks: acknowledgements, and what became of one message."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from checker.store import acknowledged
from checker.store.tables import incident, member, outbox


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of a message on one channel."""

    channel: str
    sent: bool
    gave_up: bool
    attempts: int
    error: str

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen."""
        return self.sent or self.gave_up


def acknowledge(conn: Connection, monitor_id: int, now: float, by: str) -> list[str]:
    """Acknowledge the open incidents that a monitor is in; return their titles, none where there is none."""
    query = (
        select(incident.c.id, incident.c.title, incident.c.acknowledged_at)
        .join(member, member.c.incident_id == incident.c.id)
        .where(member.c.monitor_id == monitor_id, incident.c.resolved_at.is_(None))
    )
    found = conn.execute(query).all()
    if found:
        conn.execute(
            incident.update()
            .where(incident.c.id.in_([row.id for row in found]))
            .values(acknowledged_at=now, acknowledged_by=by)
        )
        acknowledged.tell(conn, [row.id for row in found if row.acknowledged_at is None], now)
    return [row.title for row in found]


def acknowledge_incident(conn: Connection, incident_id: int, now: float, by: str) -> bool:
    """Acknowledge an open incident, unless somebody did; tell whether this call did it."""
    open_one = incident.c.resolved_at.is_(None) & incident.c.acknowledged_at.is_(None)
    done = conn.execute(
        incident.update()
        .where(incident.c.id == incident_id, open_one)
        .values(acknowledged_at=now, acknowledged_by=by)
    )
    if done.rowcount:
        acknowledged.tell(conn, [incident_id], now)
    return done.rowcount > 0


def sendings(conn: Connection, dedup_key: str) -> list[Sending]:
    """Return what became of the messages with this key, a row a channel."""
    rows = conn.execute(select(outbox).where(outbox.c.dedup_key == dedup_key).order_by(outbox.c.id)).all()
    return [
        Sending(
            channel=row.channel,
            sent=row.sent_at is not None,
            gave_up=row.gave_up_at is not None,
            attempts=row.attempts,
            error=row.last_error or "",
        )
        for row in rows
    ]
