"""The outbox: what is owed to whom, who is sending it now, and how the channels fare."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from checker.model import Notification
from checker.store import codec
from checker.store.bulk import Insert, among, ids, placeholder
from checker.store.tables import channel_state, outbox

_PUT = Insert(
    outbox,
    ("incident_id", "channel", "dedup_key", "event", "notification", "created_at", "not_before"),
)
_EPOCH = "CAST(id AS TEXT) || ':' || CAST(lease_epoch AS TEXT)"  # of a row: which claim of it is meant
_WAITING = outbox.c.sent_at.is_(None) & outbox.c.gave_up_at.is_(None)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this node is to send now. `epoch` fences: whoever claims the row later has a higher one."""

    id: int
    channel: str
    dedup_key: str
    notification: Notification
    created_at: float
    attempts: int  # this one included
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel fares."""

    broken_since: float | None = None
    last_sent_at: float | None = None


def put(conn: Connection, notification: Notification, channels: Iterable[str], now: float) -> int:
    """Owe a notification to each of the channels; return how many rows that made."""
    return put_all(conn, [(notification, channels)], now)


def put_all(conn: Connection, told: Iterable[tuple[Notification, Iterable[str]]], now: float) -> int:
    """Owe each notification to its channels; return how many rows that made."""
    rows = []
    for notification, channels in told:
        incident = notification.incident
        text = codec.dumps(codec.notification_to(notification))
        rows += [
            (incident.id or None, channel, incident.dedup_key, str(notification.event), text, now, now)
            for channel in channels
        ]
    _PUT(conn, rows)
    return len(rows)


def heard(conn: Connection, incident_ids: Iterable[int]) -> dict[int, set[str]]:
    """Return which channels each of these incidents was told to, or is to be."""
    wanted = list(incident_ids)
    found: dict[int, set[str]] = {}
    if wanted:
        rows = conn.exec_driver_sql(
            f"SELECT DISTINCT incident_id, channel FROM outbox WHERE {among(conn, 'incident_id')}",
            ids(conn, wanted),
        )
        for incident_id, channel in rows:
            found.setdefault(incident_id, set()).add(channel)
    return found


def claim(
    conn: Connection,
    channel: str,
    owner: str,
    now: float,
    *,
    until: float,
    limit: int,
    without: Collection[int],
) -> list[Claimed]:
    """Return rows that `owner` is to send on a channel, leased until `until`; the oldest first.

    A row is not given out while an earlier one of the same key and channel waits or is being sent, so that a
    "resolved" never overtakes its "down".
    """
    earlier = outbox.alias("earlier")
    before = select(earlier.c.id).where(
        earlier.c.dedup_key == outbox.c.dedup_key,
        earlier.c.channel == outbox.c.channel,
        earlier.c.id < outbox.c.id,
        earlier.c.sent_at.is_(None),
        earlier.c.gave_up_at.is_(None),
    )
    free = outbox.c.lease_until.is_(None) | (outbox.c.lease_until <= now)
    query = (
        select(outbox)
        .where(outbox.c.channel == channel, _WAITING, outbox.c.not_before <= now, free, ~before.exists())
        .order_by(outbox.c.id)
        .limit(limit + len(without))
        .with_for_update(skip_locked=True)
    )
    rows = [row for row in conn.execute(query) if row.id not in without][:limit]
    if rows:
        mark = placeholder(conn)
        conn.exec_driver_sql(
            f"UPDATE outbox SET lease_owner = {mark}, lease_until = {mark}, lease_epoch = lease_epoch + 1,"
            f" attempts = attempts + 1 WHERE {among(conn, 'id')}",
            (owner, until, *ids(conn, [row.id for row in rows])),
        )
    return [
        Claimed(
            id=row.id,
            channel=row.channel,
            dedup_key=row.dedup_key,
            notification=codec.notification_of(row.notification),
            created_at=row.created_at,
            attempts=row.attempts + 1,
            owner=owner,
            epoch=row.lease_epoch + 1,
        )
        for row in rows
    ]


def mark_sent(conn: Connection, row: Claimed, now: float) -> bool:
    """Write down that a row was sent; False where another node has claimed it since."""
    return _settle(conn, row, sent_at=now, last_error=None)


def mark_all_sent(conn: Connection, rows: Collection[Claimed], now: float) -> set[int]:
    """Write down that rows of one owner were sent; return the ids of those that were still its own."""
    mark = placeholder(conn)
    owners = {row.owner for row in rows}
    found: set[int] = set()
    for owner in owners:
        mine = {row.id: f"{row.id}:{row.epoch}" for row in rows if row.owner == owner}
        done = conn.exec_driver_sql(
            f"UPDATE outbox SET lease_until = NULL, last_error = NULL, sent_at = {mark}"
            f" WHERE {among(conn, 'id')} AND {among(conn, _EPOCH)} AND lease_owner = {mark}"
            " AND sent_at IS NULL AND gave_up_at IS NULL RETURNING id",
            (now, *ids(conn, mine), *ids(conn, mine.values()), owner),
        )
        found.update(done.scalars())
    return found


def mark_failed(conn: Connection, row: Claimed, *, not_before: float, error: str) -> bool:
    """Write down that a row was not sent, and when to try again; False where it is another node's now."""
    return _settle(conn, row, not_before=not_before, last_error=codec.clean(error))


def give_up(conn: Connection, row: Claimed, now: float, error: str) -> bool:
    """Write down that a row will never be sent; False where another node has it now."""
    return _settle(conn, row, gave_up_at=now, last_error=codec.clean(error))


def reclaim(conn: Connection, owner: str) -> int:
    """Free the rows that an earlier life of this node was sending; return how many there were."""
    held = _WAITING & (outbox.c.lease_owner == owner) & outbox.c.lease_until.is_not(None)
    return conn.execute(outbox.update().where(held).values(lease_until=None, not_before=0.0)).rowcount


def expire(conn: Connection, before: float, now: float) -> int:
    """Give up on what has waited since before `before`, on any channel; return how many rows that were."""
    late = (
        _WAITING
        & (outbox.c.created_at < before)
        & (outbox.c.lease_until.is_(None) | (outbox.c.lease_until <= now))
    )
    return conn.execute(outbox.update().where(late).values(gave_up_at=now)).rowcount


def hurry(conn: Connection, channel: str, now: float) -> None:
    """Let everything that waits for a channel be tried at once: it works again."""
    late = _WAITING & (outbox.c.channel == channel) & (outbox.c.not_before > now)
    conn.execute(outbox.update().where(late).values(not_before=now))


def channel_states(conn: Connection) -> dict[str, ChannelState]:
    """Return how each channel fares that has been used."""
    columns = (channel_state.c.name, channel_state.c.broken_since, channel_state.c.last_sent_at)
    return {row[0]: ChannelState(row[1], row[2]) for row in conn.execute(select(*columns))}


def channel_worked(conn: Connection, name: str, now: float) -> None:
    """Write down that a channel delivered: it is not broken, whatever it was before."""
    _save_channel(conn, name, broken_since=None, last_sent_at=now)


def channel_failed(
    conn: Connection, name: str, now: float, error: str, *, broken_since: float | None
) -> None:
    """Write down that a channel failed, and since when it has been broken, if it is."""
    _save_channel(conn, name, broken_since=broken_since, last_error_at=now, last_error=codec.clean(error))


def _settle(conn: Connection, row: Claimed, **values: object) -> bool:
    mine = (
        (outbox.c.id == row.id)
        & (outbox.c.lease_owner == row.owner)
        & (outbox.c.lease_epoch == row.epoch)
        & _WAITING
    )
    return conn.execute(outbox.update().where(mine).values(lease_until=None, **values)).rowcount == 1


def _save_channel(conn: Connection, name: str, **values: object) -> None:
    changed = channel_state.update().where(channel_state.c.name == name).values(**values)
    if conn.execute(changed).rowcount == 0:
        conn.exec_driver_sql(
            f"INSERT INTO channel_state (name) VALUES ({placeholder(conn)}) ON CONFLICT (name) DO NOTHING",
            (name,),
        )
        conn.execute(changed)
