"""Tells that somebody has taken on an incident, wherever the incident itself was told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from checker.model import Event, Incident, Notification
from checker.store import incidents, outbox
from checker.store.tables import incident
from checker.store.tables import outbox as told


def tell(conn: Connection, incident_ids: Sequence[int], now: float) -> int:
    """Owe the word to every channel that heard of these open incidents; return how many rows that made."""
    groups = conn.execute(select(incident.c.group).where(incident.c.id.in_(incident_ids))).scalars().all()
    count = 0
    for each in incidents.open_of(conn, groups):
        if each.id in incident_ids:
            channels, url = _heard(conn, each)
            count += outbox.put(conn, Notification(Event.ACKNOWLEDGED, each, now, url), channels, now)
    return count


def _heard(conn: Connection, found: Incident) -> tuple[list[str], str]:
    """Return the channels that an incident was told on, and the link it was told with."""
    query = select(told.c.channel, told.c.notification).where(told.c.dedup_key == found.dedup_key)
    rows = conn.execute(query.order_by(told.c.id)).all()
    return list(dict.fromkeys(row.channel for row in rows)), rows[-1].notification["url"] if rows else ""
