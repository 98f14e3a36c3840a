"""Nodes and leases: who is alive, who was seen when, and who may do what only one may do.

Leases that nodes hold for themselves (`join`, `prolong`) run by the database's clock, which all nodes share.
"""

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


_THINKING = 20_000  # milliseconds that who holds a lease may think between two statements
SIGHT = "sight"  # the lease under which one node tells of time that none of them saw

_CLOCK = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "(extract(epoch FROM clock_timestamp())::double precision)",
}
_NODE = "node:"  # what the names of the nodes' own leases begin with
_FORGOTTEN = 86_400.0  # seconds after which the lease of a node that is gone is forgotten


def acquire(conn: Connection, name: str, owner: str, now: float, ttl: float) -> Lease | None:
    """Take or prolong a lease for `ttl` seconds; return None while another node holds it.

    The row stays locked until the commit, so what the transaction goes on to write is done under the lease.
    Nobody waits for it: while another node's transaction has the row, the lease is that node's. `now` is the
    node's own clock: nodes whose clocks differ may pass the lease on too early, which the epoch makes
    harmless.
    """
    named = lease.c.name == name
    present = conn.execute(select(lease).where(named).with_for_update(skip_locked=True)).first()
    if present is None:
        if conn.execute(select(lease.c.name).where(named)).first() is not None:
            return None
        return _first(conn, name, owner, now + ttl)
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout={_THINKING}")
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


def join(conn: Connection, node_name: str, sign: str, ttl: float, *, after: int = 0) -> Lease:
    """Take a node's own lease under a new epoch, beyond `after`, which fences whoever had the name before.

    `sign` tells this process from another one that has the same name by mistake.
    """
    clock, mark = _CLOCK[conn.dialect.name], placeholder(conn)
    conn.exec_driver_sql(
        f"DELETE FROM lease WHERE substr(name, 1, {len(_NODE)}) = {mark} AND until < {clock} - {_FORGOTTEN}",
        (_NODE,),
    )
    made = conn.exec_driver_sql(
        f"INSERT INTO lease (name, owner, epoch, until) VALUES ({mark}, {mark}, {mark}, {clock} + {mark})"
        " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = lease.epoch + 1,"
        " until = excluded.until RETURNING epoch, until",
        (_own(node_name), owner := f"{sign} {node_name}"[:64], after + 1, ttl),
    ).one()
    return Lease(_own(node_name), owner, made[0], made[1])


def node_of(held: Lease) -> str:
    """Return the name of the node whose own lease this is."""
    return held.owner.partition(" ")[2]


def prolong(conn: Connection, held: Lease, ttl: float) -> bool:
    """Prolong a node's own lease; False where it has run out, or another process took the name."""
    clock, mark = _CLOCK[conn.dialect.name], placeholder(conn)
    done = conn.exec_driver_sql(
        f"UPDATE lease SET until = {clock} + {mark}"
        f" WHERE name = {mark} AND epoch = {mark} AND until > {clock}",
        (ttl, held.name, held.epoch),
    )
    return done.rowcount == 1


def is_taken(conn: Connection, held: Lease) -> bool:
    """Tell whether another process lives under the name of a node."""
    return _lasts(conn, held.name, "owner <>", held.owner)


def is_held(conn: Connection, held: Lease) -> bool:
    """Tell whether a node's own lease still holds: what fences the writes of one that was asleep."""
    return _lasts(conn, held.name, "epoch =", held.epoch)


def _lasts(conn: Connection, name: str, condition: str, value: object) -> bool:
    clock, mark = _CLOCK[conn.dialect.name], placeholder(conn)
    found = conn.exec_driver_sql(
        f"SELECT 1 FROM lease WHERE name = {mark} AND {condition} {mark} AND until > {clock}", (name, value)
    )
    return found.first() is not None


def leave(conn: Connection, held: Lease) -> None:
    """Let go of a node's own lease, so that others take over at once."""
    mine = (lease.c.name == held.name) & (lease.c.epoch == held.epoch)
    conn.execute(lease.update().where(mine).values(until=0.0))


def members(conn: Connection) -> tuple[str, ...]:
    """Return the names of the nodes whose leases hold, in order."""
    clock, mark = _CLOCK[conn.dialect.name], placeholder(conn)
    rows = conn.exec_driver_sql(
        f"SELECT owner FROM lease WHERE substr(name, 1, {len(_NODE)}) = {mark} AND until > {clock}",
        (_NODE,),
    )
    return tuple(sorted(row[0].partition(" ")[2] for row in rows))


def clock(conn: Connection) -> float:
    """Return the time (epoch seconds) by the database's clock."""
    return float(conn.exec_driver_sql(f"SELECT {_CLOCK[conn.dialect.name]}").scalar_one())


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


@dataclass(frozen=True, slots=True)
class OthersSight:
    """Until when, at least, other nodes saw; None where there never was another."""

    last: float | None


def others_sight(conn: Connection, name: str, now: float, ttl: float) -> OthersSight | None:
    """Return what other nodes saw, and take the right to tell of what none did; None while another has it."""
    if acquire(conn, SIGHT, name, now, ttl) is None:
        return None
    last = conn.execute(select(func.max(node.c.seen_at)).where(node.c.name != name)).scalar()
    return OthersSight(None if last is None else float(last))


def _own(node_name: str) -> str:
    return f"{_NODE}{node_name}"[:64]


def _first(conn: Connection, name: str, owner: str, until: float) -> Lease | None:
    mark = placeholder(conn)
    values = f"({mark}, {mark}, {mark}, {mark})"
    made = conn.exec_driver_sql(
        f"INSERT INTO lease (name, owner, epoch, until) VALUES {values} ON CONFLICT (name) DO NOTHING",
        (name, owner, 1, until),
    )
    return Lease(name, owner, 1, until) if made.rowcount == 1 else None
