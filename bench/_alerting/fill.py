"""Fills a store with heartbeats that are well, and moves deadlines: rows as the checker writes them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from checker.model import Kind, MonitorSpec, MonitorState, State
from checker.schedule import Every
from checker.store import Store, codec
from checker.store.bulk import Insert, among, ids
from checker.store.tables import monitor, state

DAY = 86_400.0
CHUNK = 20_000
_MONITORS = Insert(monitor, ("id", "kind", "name", "slug", "token", "source", "spec", "created_at"))
_COLUMNS = ("monitor_id", "state", "since", "deadline", "data")
_STATES = Insert(state, _COLUMNS)
_MOVED = Insert(
    state,
    _COLUMNS,
    "ON CONFLICT (monitor_id) DO UPDATE SET deadline = excluded.deadline, data = excluded.data",
)
SPEC = MonitorSpec(Kind.HEARTBEAT, "", source="api", schedule=Every(DAY), grace=0.0)


def name(number: int) -> str:
    """Return the name of the heartbeat with this id."""
    return f"job-{number:07d}"


def number_of(text: str) -> int:
    """Return the id of the heartbeat with this name."""
    return int(text.removeprefix("job-"))


def well(now: float, due: float) -> MonitorState:
    """Return the state of a heartbeat that was pinged at `now` and is expected at `due`."""
    return MonitorState(
        State.UP, now, successes=1, last_good=now, last_seen=now, pings=1, due_at=due, deadline=due
    )


def fill(store: Store, count: int, now: float) -> None:
    """Insert heartbeats with the ids 1 to `count`, due in a day and more, spread over an hour."""
    store.migrate()
    for first in range(1, count + 1, CHUNK):
        part = range(first, min(first + CHUNK, count + 1))
        store.write_now(lambda conn, part=part: _insert(conn, part, now))  # type: ignore[misc]


def move(store: Store, deadlines: Sequence[tuple[int, float]], now: float) -> None:
    """Let these heartbeats be expected at these moments instead."""
    rows = [_row(number, well(now, due)) for number, due in deadlines]
    store.write_now(lambda conn: _MOVED(conn, rows))


def down(store: Store, numbers: Iterable[int]) -> int:
    """Return how many of these heartbeats are recorded as down."""
    wanted = list(numbers)

    def count(conn: Connection) -> int:
        query = f"SELECT count(*) FROM monitor_state WHERE state = 'down' AND {among(conn, 'monitor_id')}"
        return int(conn.exec_driver_sql(query, ids(conn, wanted)).scalar_one())

    return store.read_now(count)


def _insert(conn: Connection, part: range, now: float) -> None:
    text = codec.dumps(codec.spec_to(SPEC))
    rows = [
        (number, "heartbeat", name(number), name(number), str(uuid.uuid4()), "api", text, now)
        for number in part
    ]
    _MONITORS(conn, rows)
    _STATES(conn, [_row(number, well(now, now + DAY + number % 3600)) for number in part])


def _row(number: int, each: MonitorState) -> tuple[object, ...]:
    return (number, str(each.state), each.since, each.deadline, codec.state_to(each))
