"""Many rows in one statement: what goes in comes out, whatever mixture a column's values are."""

from __future__ import annotations

from sqlalchemy import select

from checker.model import Cause, State
from checker.store import Store, door
from checker.store.codec import dumps
from checker.store.tables import change, ping
from tests.checker.house import House, heartbeat


def test_whole_and_broken_numbers_nothing_and_words_of_ours_mix_in_a_column(store: Store) -> None:
    house = House(store, heartbeat("a"))
    a = house.id("a")
    pings = [
        (a, 1, 10, 10.25, "success", None, None, None, "http", "GET", "", "", None),
        (a, 2, 11.5, 12, "fail", 255, "r", 0, "https", "HEAD", "\N{SNOWMAN}", "::1", b"\x00\xff'{}\\"),
        (a, 70_000, 1e9 / 7, 2**31, "log", 1, None, 0.1, "http", "GET", '"', ",", b""),
    ]
    changes = [
        (a, 1, State.UP, State.DOWN, Cause.MISSED, "NULL", dumps({"a": [1, None]})),
        (a, 2.5, "down", "up", "", "", "{}"),
    ]
    store.write_now(lambda conn: door.insert_pings(conn, pings))
    store.write_now(lambda conn: door.insert_changes(conn, changes))
    columns = [column for column in ping.c if column.name != "id"]
    found = store.read_now(lambda conn: conn.execute(select(*columns).order_by(ping.c.n)).fetchall())
    assert [tuple(row) for row in found] == pings
    told = store.read_now(lambda conn: conn.execute(select(change).order_by(change.c.id)).fetchall())
    assert [(row.at, row.old, row.reason, row.evidence) for row in told] == [
        (1.0, "up", "NULL", {"a": [1, None]}),
        (2.5, "down", "", {}),
    ]


def test_no_rows_and_more_rows_than_one_statement_holds_are_kept_in_order(store: Store) -> None:
    house = House(store, heartbeat("a"))
    a = house.id("a")
    row = (1.0, 1.0, "success", None, None, None, "http", "GET", "", "", None)
    store.write_now(lambda conn: door.insert_pings(conn, []))
    store.write_now(lambda conn: door.insert_pings(conn, [(a, n, *row) for n in range(1, 1_201)]))
    found = store.read_now(lambda conn: conn.execute(select(ping.c.n).order_by(ping.c.id)).scalars().all())
    assert list(found) == list(range(1, 1_201))
