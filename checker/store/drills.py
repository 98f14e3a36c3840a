"""What fire drills proved: that an app's sign reaches the checker, and the checker's word reaches people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select

from checker.store import codec
from checker.store.tables import drill, monitor, ping

KEEP = 20  # drills of one monitor


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. `seen_at`: when the way from the app to the checker was proved; `told_at`: that to people.

    `seen` says how, or why not; `told` is channel -> why it did not deliver, "" where it did.
    """

    id: int
    monitor_id: int
    asked_at: float
    asked_by: str
    seen_at: float | None
    seen: str
    told_at: float | None
    told: Mapping[str, str]

    @property
    def proved_at(self) -> float | None:
        """When the whole way was proved, None where a part of it was not (yet)."""
        if self.seen_at is None or self.told_at is None:
            return None
        return max(self.seen_at, self.told_at)


@dataclass(frozen=True, slots=True)
class Unproved:
    """A monitor whose last proof is too old; `proved_at` None: there never was one."""

    name: str
    proved_at: float | None


def begin(conn: Connection, monitor_id: int, key: str, now: float, by: str) -> int:
    """Write down that a drill was asked for, forget the oldest of the monitor's, and return its id."""
    made = conn.execute(
        drill.insert().values(
            monitor_id=monitor_id,
            dedup_key=key,
            asked_at=now,
            asked_by=codec.clean(by, 200),
            seen="",
            told={},
        )
    )
    (drill_id,) = made.inserted_primary_key or (0,)
    mine = drill.c.monitor_id == monitor_id
    kept = select(drill.c.id).where(mine).order_by(drill.c.id.desc()).limit(KEEP)
    conn.execute(delete(drill).where(mine, drill.c.id.not_in(kept)))
    return int(drill_id)


def end(
    conn: Connection,
    drill_id: int,
    *,
    seen_at: float | None,
    seen: str,
    told_at: float | None,
    told: Mapping[str, str],
) -> None:
    """Write down what a drill has shown; a heartbeat's next ping may complete it later."""
    conn.execute(
        drill.update()
        .where(drill.c.id == drill_id)
        .values(
            seen_at=seen_at,
            seen=codec.clean(seen),
            told_at=told_at,
            told={name: codec.clean(error) for name, error in told.items()},
        )
    )


def settle(conn: Connection) -> int:
    """Complete drills by the first ping that came since; return how many. Before pings are forgotten."""
    pending = conn.execute(_pending()).all()
    for row in pending:
        conn.execute(drill.update().where(drill.c.id == row.id).values(seen_at=row.first))
    return len(pending)


def drills(conn: Connection, monitor_id: int | None = None) -> list[Drill]:
    """Return the drills of a monitor, or of all, the latest first."""
    wanted = [] if monitor_id is None else [drill.c.monitor_id == monitor_id]
    came = {row.id: row.first for row in conn.execute(_pending())}
    rows = conn.execute(select(drill).where(*wanted).order_by(drill.c.id.desc())).all()
    return [_drill(row, came.get(row.id)) for row in rows]


def proofs(conn: Connection) -> dict[int, float]:
    """Return when each monitor was last proved, endpoints by their components too; none that never was."""
    parents: dict[int, int] = {
        row[0]: row[1] for row in conn.execute(select(monitor.c.id, monitor.c.parent_id))
    }
    found: dict[int, float] = {}
    for each in drills(conn):
        if each.proved_at is not None:
            for monitor_id in {each.monitor_id, parents.get(each.monitor_id) or each.monitor_id}:
                found[monitor_id] = max(found.get(monitor_id, 0.0), each.proved_at)
    return found


def unproved(conn: Connection, before: float) -> list[Unproved]:
    """Return the endpoints and heartbeats that exist since before a moment, and were not proved since."""
    known = proofs(conn)
    query = (
        select(monitor.c.id, monitor.c.name)
        .where(monitor.c.parent_id.is_(None), monitor.c.removed_at.is_(None), monitor.c.created_at < before)
        .order_by(monitor.c.name)
    )
    return [
        Unproved(row.name, known.get(row.id))
        for row in conn.execute(query)
        if known.get(row.id, before - 1.0) < before
    ]


def _pending() -> Any:
    """Select the drills without a sign of the app, with the first ping that came after the asking."""
    first = (
        select(func.min(ping.c.received_at))
        .where(ping.c.monitor_id == drill.c.monitor_id, ping.c.received_at >= drill.c.asked_at)
        .scalar_subquery()
    )
    query = select(drill.c.id, first.label("first")).where(drill.c.seen_at.is_(None)).subquery()
    return select(query).where(query.c.first.is_not(None))


def _drill(row: Any, came: float | None) -> Drill:
    return Drill(
        id=row.id,
        monitor_id=row.monitor_id,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        seen_at=came if row.seen_at is None else row.seen_at,
        seen=row.seen,
        told_at=row.told_at,
        told=row.told,
    )


def names(found: Iterable[Unproved], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    listed = [each.name for each in found]
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
