"""Nodes and leases: who is alive, who was seen when, and who may do what only one may do."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from checker.store.bulk import placeholder
from checker.store.errors import StoreError
from checker.store.tables import lease, node


class Fenced(StoreError):
    """The lease went to another node meanwhile: what was about to be written must not be."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A right held until `until` (epoch seconds); `epoch` grows with each new holder and fences the old."""

    name: str
    owner: str
    epoch: int
    until: float


def acquire(conn: Connection, name: str, owner: str, now: float, ttl: float) -> Lease | None:
    """Take or prolong a lease for `ttl` seconds; return None while another node holds it.

    The row stays locked until the commit, so what the transaction goes on to write is done under the lease.
    `now` is the node's own clock: nodes whose clocks differ may pass the lease on too early, which the epoch
    makes harmless.
    """
    present = conn.execute(select(lease).where(lease.c.name == name).with_for_update()).first()
    if present is None:
        return _first(conn, name, owner, now + ttl)
    if present.owner != owner and present.until > now:
        return None
    # Taken over, or taken up again after it ran out: a new epoch. Prolonged in time: the same.
    epoch = present.epoch if present.owner == owner and present.until > now else present.epoch + 1
    if epoch != present.epoch or present.until < now + ttl / 2:
        conn.execute(
            lease.update()
            .where(lease.c.name == name, lease.c.owner == present.owner, lease.c.epoch == present.epoch)
            .values(owner=owner, epoch=epoch, until=now + ttl)
        )
        return Lease(name, owner, epoch, now + ttl)
    return Lease(name, owner, epoch, present.until)


def hold(conn: Connection, held: Lease) -> None:
    """Make sure, before a commit, that a lease is still ours; raises `Fenced` when it is not."""
    mine = (lease.c.name == held.name) & (lease.c.owner == held.owner) & (lease.c.epoch == held.epoch)
    if conn.execute(lease.update().where(mine).values(epoch=held.epoch)).rowcount != 1:
        raise Fenced(
            f"lease {held.name!r}: epoch {held.epoch} of {held.owner!r} is over; another node has taken it"
        )


def release(conn: Connection, name: str, owner: str) -> None:
    """Let go of a lease at once, so that the next holder need not wait."""
    conn.execute(lease.update().where(lease.c.name == name, lease.c.owner == owner).values(until=0.0))


def started(conn: Connection, name: str, now: float, seen_at: float) -> None:
    """Write down that a node has started; until it has looked, the last that was seen is of `seen_at`."""
    values = {"started_at": now, "seen_at": seen_at, "clean_stop": False}
    if conn.execute(node.update().where(node.c.name == name).values(values)).rowcount == 0:
        conn.execute(node.insert().values(name=name, **values))


def seen(conn: Connection, name: str, now: float) -> None:
    """Write down that a node is alive, and so can see."""
    values = {"seen_at": now, "clean_stop": False}
    if conn.execute(node.update().where(node.c.name == name).values(values)).rowcount == 0:
        conn.execute(node.insert().values(name=name, started_at=now, **values))


def stopped(conn: Connection, name: str, now: float) -> None:
    """Write down that a node stopped in order."""
    conn.execute(node.update().where(node.c.name == name).values(seen_at=now, clean_stop=True))


def last_seen(conn: Connection) -> float | None:
    """Return when any node was last known to see; None where none ever ran."""
    found = conn.execute(select(func.max(node.c.seen_at))).scalar()
    return None if found is None else float(found)


def _first(conn: Connection, name: str, owner: str, until: float) -> Lease | None:
    mark = placeholder(conn)
    values = f"({mark}, {mark}, {mark}, {mark})"
    made = conn.exec_driver_sql(
        f"INSERT INTO lease (name, owner, epoch, until) VALUES {values} ON CONFLICT (name) DO NOTHING",
        (name, owner, 1, until),
    )
    return Lease(name, owner, 1, until) if made.rowcount == 1 else None
