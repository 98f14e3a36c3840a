"""Fills a store with heartbeats that are well, and moves deadlines: rows as the checker writes them."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache

from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from checker.model import Kind, MonitorSpec, MonitorState, State
from checker.schedule import Every
from checker.store import Store, blind, codec, door, incidents
from checker.store.bulk import Insert, Row
from checker.store.tables import monitor, state

DAY = 86_400.0
CHUNK = 20_000
_MONITORS = Insert(monitor, ("id", "kind", "name", "slug", "token", "source", "spec", "created_at"))
_COLUMNS = ("monitor_id", "state", "since", "deadline", "data")
_STATES = Insert(state, _COLUMNS)
# Nothing but a bench may lose its file with the power: a million random tokens go into an index.
_HASTY = "PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000; PRAGMA wal_autocheckpoint=0"
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


def fill(store: Store, database: str, count: int, now: float) -> None:
    """Insert heartbeats with the ids 1 to `count`, due in a day and more, spread over an hour."""
    store.migrate()
    if store.dialect == "sqlite":
        _fill_file(make_url(database).database or "", count, now)
        return
    for part in _parts(count):
        store.write_now(lambda conn, part=part: _insert(conn, part, now))  # type: ignore[misc]


def move(store: Store, deadlines: Sequence[tuple[int, float]], now: float) -> None:
    """Let these heartbeats be expected at these moments instead; they know of all blind time until now."""

    def write(conn: Connection) -> None:
        told = max((each.number for each in blind.times(conn)), default=0)
        door.save_states(conn, {number: replace(well(now, due), told=told) for number, due in deadlines})

    store.write_now(write)


def down(store: Store) -> int:
    """Return how many heartbeats are recorded as down: found by an index, as it is asked again and again."""
    query = "SELECT count(*) FROM monitor_state WHERE state IN ('down', 'warn')"
    return store.read_now(lambda conn: int(conn.exec_driver_sql(query).scalar_one()))


def is_judged(store: Store) -> bool:
    """Tell whether no change waits to be judged."""
    return not store.read_now(incidents.any_unjudged)


def token(store: Store, number: int) -> str:
    """Return the uuid in a heartbeat's ping URL."""
    query = monitor.select().with_only_columns(monitor.c.token).where(monitor.c.id == number)
    return str(store.read_now(lambda conn: conn.execute(query).scalar_one()))


def _parts(count: int) -> Iterator[range]:
    for first in range(1, count + 1, CHUNK):
        yield range(first, min(first + CHUNK, count + 1))


def _fill_file(path: str, count: int, now: float) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(_HASTY)
        with conn:
            for part in _parts(count):
                conn.executemany(_plain("monitor", 8), _monitor_rows(part, now))
                conn.executemany(_plain("monitor_state", 5), _state_rows(part, now))
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _plain(table: str, width: int) -> str:
    columns = "id, kind, name, slug, token, source, spec, created_at" if width == 8 else ", ".join(_COLUMNS)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * width)})"


def _insert(conn: Connection, part: range, now: float) -> None:
    _MONITORS(conn, list(_monitor_rows(part, now)))
    _STATES(conn, list(_state_rows(part, now)))


def _monitor_rows(part: range, now: float) -> Iterator[Row]:
    text = codec.dumps(codec.spec_to(SPEC))
    bits = random.Random(part.start).getrandbits
    for number in part:
        token = str(uuid.UUID(int=bits(128), version=4))
        yield number, "heartbeat", name(number), name(number), token, "api", text, now


def _state_rows(part: range, now: float) -> Iterator[Row]:
    for number in part:
        yield number, *_standing(now, now + DAY + number % 3600)


@cache
def _standing(now: float, due: float) -> Row:
    return _state_row(0, well(now, due))[1:]


def _state_row(number: int, each: MonitorState) -> Row:
    return (number, str(each.state), each.since, each.deadline, codec.state_to(each))
