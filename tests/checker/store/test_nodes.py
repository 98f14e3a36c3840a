"""Leases: one holder at a time, and the epoch fences whoever held it before."""

from __future__ import annotations

import pytest

from checker.store import Store, nodes
from checker.store.nodes import Fenced, Lease


def acquire(store: Store, owner: str, now: float, ttl: float = 15.0) -> Lease | None:
    return store.write_now(lambda conn: nodes.acquire(conn, "assembler", owner, now, ttl))


def test_one_node_holds_a_lease_until_it_runs_out(store: Store) -> None:
    first = acquire(store, "a", 100.0)
    assert first == Lease("assembler", "a", 1, 115.0)
    assert acquire(store, "b", 110.0) is None
    assert acquire(store, "b", 116.0) == Lease("assembler", "b", 2, 131.0)
    assert acquire(store, "a", 117.0) is None


def test_a_lease_that_is_prolonged_in_time_keeps_its_epoch(store: Store) -> None:
    acquire(store, "a", 100.0)
    assert acquire(store, "a", 101.0) == Lease("assembler", "a", 1, 115.0)  # far from its end: no write
    assert acquire(store, "a", 110.0) == Lease("assembler", "a", 1, 125.0)
    assert acquire(store, "a", 200.0) == Lease("assembler", "a", 2, 215.0)  # it had run out meanwhile


def test_a_zombie_that_wakes_up_is_fenced(store: Store) -> None:
    old = acquire(store, "a", 100.0)
    assert old is not None
    new = acquire(store, "b", 120.0)
    assert new is not None
    with pytest.raises(Fenced, match="another node has taken it"):
        store.write_now(lambda conn: nodes.hold(conn, old))
    store.write_now(lambda conn: nodes.hold(conn, new))


def test_a_lease_that_is_released_is_free_at_once(store: Store) -> None:
    acquire(store, "a", 100.0)
    store.write_now(lambda conn: nodes.release(conn, "assembler", "a"))
    assert acquire(store, "b", 100.5) == Lease("assembler", "b", 2, 115.5)
