"""The door's queries: states under lock, rows of pings, polls and changes; plain tuples, few statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from checker.model import Change, MonitorState, Ping, Poll
from checker.store.bulk import Insert, Row, among, ids
from checker.store.codec import clean, dumps, state_of, state_to
from checker.store.tables import change, ping, poll, state

_SAVE = Insert(
    state,
    ("monitor_id", "state", "since", "deadline", "data", "told"),
    "ON CONFLICT (monitor_id) DO UPDATE SET state = excluded.state, since = excluded.since,"
    " deadline = excluded.deadline, data = excluded.data, told = excluded.told",
)
_PINGS = Insert(
    ping,
    (
        "monitor_id",
        "n",
        "at",
        "received_at",
        "kind",
        "exit_code",
        "rid",
        "duration",
        "scheme",
        "method",
        "user_agent",
        "remote",
        "body",
    ),
)
_POLLS = Insert(poll, ("monitor_id", "at", "verdict", "http_status", "latency", "reason"))
_CHANGES = Insert(change, ("monitor_id", "at", "old", "new", "cause", "reason", "evidence"))


def load_states(
    conn: Connection, monitor_ids: Iterable[int], *, lock: bool = False
) -> dict[int, MonitorState]:
    """Return the states of the given monitors; with `lock`, hold them (by id, in order) until the commit."""
    wanted = among(conn, "monitor_id")
    # SQLite's one writer holds everything already.
    suffix = " FOR UPDATE" if lock and conn.dialect.name != "sqlite" else ""
    rows = conn.exec_driver_sql(
        "SELECT monitor_id, state, since, deadline, data, told FROM monitor_state"
        f" WHERE {wanted} ORDER BY monitor_id{suffix}",
        ids(conn, monitor_ids),
    ).fetchall()
    return {row[0]: state_of(row[1], row[2], row[3], row[4], row[5]) for row in rows}


def paused(conn: Connection, monitor_ids: Iterable[int]) -> set[int]:
    """Return those of the given monitors that are paused."""
    query = f"SELECT monitor_id FROM monitor_state WHERE {among(conn, 'monitor_id')} AND state = 'paused'"
    return set(conn.exec_driver_sql(query, ids(conn, monitor_ids)).scalars())


def save_states(conn: Connection, states: Mapping[int, MonitorState]) -> None:
    """Write states, whether or not they are there already."""
    _SAVE(
        conn,
        [
            (monitor_id, str(each.state), each.since, each.deadline, state_to(each), each.told or None)
            for monitor_id, each in sorted(states.items())
        ],
    )


def ping_row(monitor_id: int, n: int, sign: Ping, received_at: float, duration: float | None) -> Row:
    """Return a ping as a row for `insert_pings`; what came from outside is cut to its column."""
    return (
        monitor_id,
        n,
        sign.at,
        received_at,
        str(sign.kind),
        sign.exit_code,
        clean(sign.rid, 36) or None,
        duration,
        clean(sign.scheme, 8),
        clean(sign.method, 16),
        clean(sign.user_agent, 200),
        clean(sign.remote, 64),
        sign.body or None,
    )


def poll_row(monitor_id: int, look: Poll) -> Row:
    """Return a poll as a row for `insert_polls`."""
    return (
        monitor_id,
        look.at,
        str(look.verdict),
        look.http_status,
        look.latency,
        clean(look.reason) or None,
    )


def change_row(each: Change) -> Row:
    """Return a change, whose `monitor_id` is set, as a row for `insert_changes`."""
    return (
        each.monitor_id,
        each.at,
        str(each.old),
        str(each.new),
        str(each.cause),
        clean(each.reason),
        dumps(each.evidence),
    )


def insert_pings(conn: Connection, rows: list[Row]) -> None:
    """Append to the history of pings."""
    _PINGS(conn, rows)


def insert_polls(conn: Connection, rows: list[Row]) -> None:
    """Append to the history of polls."""
    _POLLS(conn, rows)


def insert_changes(conn: Connection, rows: list[Row]) -> None:
    """Append changes for the assembler to judge."""
    _CHANGES(conn, rows)


def due(conn: Connection, now: float, after: tuple[float, int], limit: int = 1000) -> list[tuple[int, float]]:
    """Return (monitor id, deadline) where the deadline has passed, earliest first, beyond `after`."""
    deadline, monitor_id = state.c.deadline, state.c.monitor_id
    query = (
        state.select()
        .with_only_columns(monitor_id, deadline)
        .where(deadline <= now, deadline >= after[0], (deadline > after[0]) | (monitor_id > after[1]))
        .order_by(deadline, monitor_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def next_deadline(conn: Connection) -> float | None:
    """Return the earliest deadline of all monitors."""
    found = conn.exec_driver_sql(
        "SELECT deadline FROM monitor_state WHERE deadline IS NOT NULL ORDER BY deadline LIMIT 1"
    ).scalar()
    return None if found is None else float(found)
