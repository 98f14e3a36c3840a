"""What the pages show of very many monitors: counts, those that are not well, and a page of the others.

Each query reads what it shows and little more: those in trouble have an index of their own, and a page is
found by the index on names. Only the counts look at every endpoint and heartbeat, and read two words of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from checker.model import Kind, State
from checker.store import codec
from checker.store.bulk import among, ids, placeholder
from checker.store.tables import outbox
from checker.store.views import Delivery

# One row for each endpoint or heartbeat that is not well itself, or has a component that is not.
_TROUBLED = (
    "SELECT top.id, top.kind, top.name, own.state, max(CASE WHEN bad.state = 'down' THEN 1 ELSE 0 END),"
    " min(bad.since) FROM monitor_state bad"
    " JOIN monitor part ON part.id = bad.monitor_id AND part.removed_at IS NULL"
    " JOIN monitor top ON top.id = coalesce(part.parent_id, part.id) AND top.removed_at IS NULL"
    " JOIN monitor_state own ON own.monitor_id = top.id"
    " WHERE bad.state IN ('down', 'warn') AND own.state <> 'paused'"
    " GROUP BY top.id, top.kind, top.name, own.state"
)
_COUNTS = (
    "SELECT monitor.kind, own.state, count(*) FROM monitor"
    " JOIN monitor_state own ON own.monitor_id = monitor.id"
    " WHERE monitor.parent_id IS NULL AND monitor.removed_at IS NULL GROUP BY monitor.kind, own.state"
)
LATELY = 500  # rows of the outbox in which what was given up is looked for


@dataclass(frozen=True, slots=True)
class Trouble:
    """An endpoint or a heartbeat that is not well, since when; `state` counts its components, too."""

    id: int
    kind: Kind
    name: str
    state: State
    since: float


@dataclass(frozen=True, slots=True)
class Tally:
    """All endpoints and heartbeats by kind and state, and those that are not well, the worst first."""

    counts: Mapping[tuple[Kind, State], int]
    troubles: tuple[Trouble, ...]

    def of(self, kind: Kind | None = None) -> Counter[State]:
        """Return how many there are in each state, of one kind or of both."""
        found: Counter[State] = Counter()
        for (each, state), count in self.counts.items():
            if kind in (None, each):
                found[state] += count
        return found


def tally(conn: Connection) -> Tally:
    """Count everything; an endpoint counts once, as the worst of its components."""
    counts: Counter[tuple[Kind, State]] = Counter()
    for row in conn.exec_driver_sql(_COUNTS):
        counts[Kind(row[0]), State(row[1])] += row[2]
    troubles = []
    for number, kind, name, own, down, since in conn.exec_driver_sql(_TROUBLED):
        state = State.DOWN if down else State.WARN
        counts[Kind(kind), State(own)] -= 1
        counts[Kind(kind), state] += 1
        troubles.append(Trouble(number, Kind(kind), name, state, since))
    troubles.sort(key=lambda each: (each.state is not State.DOWN, each.since, each.name))
    return Tally(counts, tuple(troubles))


def heartbeat_states(conn: Connection, monitor_ids: Iterable[int]) -> Counter[State]:
    """Return how many of these monitors that are live heartbeats are in each state."""
    rows = conn.exec_driver_sql(
        "SELECT own.state, count(*) FROM monitor JOIN monitor_state own ON own.monitor_id = monitor.id"
        " WHERE monitor.kind = 'heartbeat' AND monitor.removed_at IS NULL"
        f" AND {among(conn, 'monitor.id')} GROUP BY own.state",
        ids(conn, monitor_ids),
    )
    return Counter({State(row[0]): row[1] for row in rows})


Standing = tuple[int, str, float | None]  # a monitor's id, its state, and how long its last answer took


def standings(conn: Connection) -> list[Standing]:
    """Return how every monitor stands, components too, with nothing more read than that."""
    place = codec.LATENCY
    latency = (
        f"json_extract(data, '$[{place}]')"
        if conn.dialect.name == "sqlite"
        else f"(data::json ->> {place})::double precision"
    )
    rows = conn.exec_driver_sql(f"SELECT monitor_id, state, {latency} FROM monitor_state")
    return [tuple(row) for row in rows]


def page(
    conn: Connection,
    kind: Kind,
    *,
    limit: int,
    offset: int = 0,
    search: str = "",
    among_ids: Iterable[int] | None = None,
) -> list[int]:
    """Return the ids of live endpoints or heartbeats by name; `search` is a part of the name, in any case."""
    text, given = _those(conn, kind, search, among_ids)
    text = f"SELECT id {text} ORDER BY name LIMIT {int(limit)} OFFSET {int(offset)}"
    return list(conn.exec_driver_sql(text, given).scalars())


def count(conn: Connection, kind: Kind, search: str = "", among_ids: Iterable[int] | None = None) -> int:
    """Return how many `page` would give without a limit."""
    text, given = _those(conn, kind, search, among_ids)
    return int(conn.exec_driver_sql(f"SELECT count(*) {text}", given).scalar_one())


def _those(
    conn: Connection, kind: Kind, search: str, among_ids: Iterable[int] | None
) -> tuple[str, tuple[object, ...]]:
    mark = placeholder(conn)
    text = f"FROM monitor WHERE kind = {mark} AND parent_id IS NULL AND removed_at IS NULL"
    given: tuple[object, ...] = (str(kind),)
    if search:
        text += f" AND lower(name) LIKE {mark} ESCAPE '!'"
        given += (f"%{_literal(codec.clean(search.lower()))}%",)
    if among_ids is not None:
        text += f" AND {among(conn, 'id')}"
        given += ids(conn, list(among_ids))
    return text, given


def own_states(conn: Connection, monitor_ids: Iterable[int]) -> list[tuple[int, str, State]]:
    """Return (id, name, own state) of endpoints, then heartbeats, by name."""
    rows = conn.exec_driver_sql(
        "SELECT monitor.id, monitor.name, own.state FROM monitor"
        " LEFT JOIN monitor_state own ON own.monitor_id = monitor.id"
        f" WHERE {among(conn, 'monitor.id')} ORDER BY monitor.kind, monitor.name",
        ids(conn, monitor_ids),
    )
    return [(row[0], row[1], State(row[2] or State.NEW)) for row in rows]


def owed(conn: Connection, limit: int) -> tuple[Delivery, ...]:
    """Return the deliveries that were tried and still wait, then those given up lately."""
    names = tuple(Delivery.__dataclass_fields__)
    columns = [outbox.c[name] for name in names]
    open_ones = outbox.c.sent_at.is_(None) & outbox.c.gave_up_at.is_(None)
    waiting = select(*columns).where(open_ones, outbox.c.attempts > 0)
    waiting = waiting.order_by(outbox.c.channel, outbox.c.id).limit(limit)
    newest = select(outbox.c.id).order_by(outbox.c.id.desc()).limit(LATELY).subquery()
    lost = (
        select(*columns)
        .where(outbox.c.id.in_(select(newest.c.id)), outbox.c.gave_up_at.is_not(None))
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    rows = [*conn.execute(waiting).mappings(), *conn.execute(lost).mappings()]
    return tuple(Delivery(**{**row, "last_error": row["last_error"] or ""}) for row in rows)


def _literal(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
