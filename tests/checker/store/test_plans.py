"""What the pages ask of large tables is found by an index: no query walks through all of a history."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from checker.model import Kind, State
from checker.store import (
    Store,
    blind,
    board,
    figures,
    incidents,
    listing,
    noise,
    rollups,
    stands,
    uptime,
    views,
)
from tests.checker.house import NOW, SHOP, House, heartbeat

GROWING = ("ping", "poll", "change", "history_hour", "history_day", "incident_member", "outbox", "blind")
FEW = "ix_outbox_waiting|ix_change_unjudged"  # indexes of the few rows that somebody waits for
NAMES = {1: "shop", 2: "a"}
ASKED: dict[str, Callable[[Connection], object]] = {
    "counts": board.tally,
    "page": lambda conn: board.page(conn, Kind.HEARTBEAT, limit=50),
    "listing": lambda conn: listing.monitors(conn, limit=9, state=State.UP, among_ids=[1, 2]),
    "parts": lambda conn: listing.components(conn, limit=9, endpoint="shop\0", state=State.UP),
    "tops": lambda conn: listing.tops(conn, [1, 2]),
    "states": lambda conn: board.heartbeat_states(conn, [1, 2]),
    "everything": stands.stands,
    "some": lambda conn: views.watched(conn, [1, 2]),
    "open": lambda conn: views.incidents(conn, resolved=False, limit=20),
    "recent": lambda conn: views.incidents(conn, resolved=True, limit=10),
    "of one": lambda conn: views.incidents_with(conn, 2, 10),
    "deliveries": lambda conn: views.deliveries(conn, limit=50, incident_id=1),
    "owed": lambda conn: board.owed(conn, 20),
    "channels": lambda conn: views.channel_views(conn, {"ops": "webhook"}),
    "noisy": lambda conn: noise.noisy(conn, NOW),
    "noise of one": lambda conn: noise.incidents_of(conn, 2, NOW),
    "changes": lambda conn: views.changes(conn, 2, start=None, end=None, limit=30),
    "outputs": lambda conn: views.outputs(conn, 2, 8),
    "blind": lambda conn: blind.spans(conn, NOW, NOW + 9),
    "uptime": lambda conn: uptime.from_changes(conn, NAMES, NOW, NOW + 9),
    "days": lambda conn: uptime._from_days(conn, NAMES, 1, 300),
    "looks": lambda conn: figures.looks_of(conn, 1, NOW),
    "figures": lambda conn: figures.figures(conn, 2, "a", NOW),
    "rolling": lambda conn: rollups.read(conn, rollups.POLLS, 0, 100, 10),
    "unjudged": lambda conn: incidents.unjudged(conn, 10),
}


@contextmanager
def heard(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are executed."""
    said: list[tuple[str, Any]] = []

    def before(_conn: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        said.append((text, parameters))

    event.listen(conn, "before_cursor_execute", before)
    try:
        yield said
    finally:
        event.remove(conn, "before_cursor_execute", before)


def plans(conn: Connection, ask: Callable[[Connection], object]) -> list[str]:
    with heard(conn) as said:
        ask(conn)
    if conn.dialect.name == "sqlite":
        return [
            " / ".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given))
            for text, given in said
        ]
    # On tables that hold nothing every plan costs the same: what can be found by an index must be.
    conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return [
        " / ".join(row[0] for row in conn.exec_driver_sql(f"EXPLAIN {text}", given)) for text, given in said
    ]


@pytest.fixture
def full(store: Store) -> Store:
    House(store, SHOP, heartbeat("a"))
    return store


def test_no_page_walks_through_a_table_that_grows(full: Store) -> None:
    wrong = []
    for name, ask in ASKED.items():
        for plan in full.read_now(lambda conn, ask=ask: plans(conn, ask)):  # type: ignore[misc]
            plan = plan.replace("CO-ROUTINE anon_1 / SCAN outbox", "")  # its last rows, by their ids
            scans = re.findall(rf"SCAN (\w+)(?! VIRTUAL| USING INDEX (?:{FEW}))|Seq Scan on (\w+)", plan)
            wrong += [(name, plan) for pair in scans if set(pair) & set(GROWING)]
    assert not wrong
