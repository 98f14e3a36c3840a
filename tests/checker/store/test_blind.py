"""Blind times by number: each heartbeat moves by each of them once, when somebody looks at it next."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from checker.model import Blind, PingKind
from checker.schedule import Every
from checker.store import Store, blind, checks, door
from tests.checker.house import NOW, SHOP, House, heartbeat, success


def dark(house: House, start: float, end: float) -> None:
    house.store.write_now(partial(blind.move, start=start, end=end))


def test_a_blind_time_that_is_told_again_counts_only_by_what_it_grew(store: Store) -> None:
    house = House(store)
    for end in (40.0, 40.0, 55.0, 50.0):
        dark(house, NOW, NOW + end)
    assert store.read_now(blind.times) == [Blind(NOW, NOW + 40, 1), Blind(NOW + 40, NOW + 55, 2)]
    assert store.read_now(lambda conn: blind.times(conn, 1)) == [Blind(NOW + 40, NOW + 55, 2)]


def test_what_is_kept_in_memory_grows_with_the_store(store: Store) -> None:
    house, kept = House(store), blind.Times()
    assert (kept.latest, kept.after(0)) == (0, [])
    for number in (1, 2, 3):
        dark(house, NOW + 100 * number, NOW + 100 * number + 20)
        store.read_now(kept.refresh)
        assert kept.latest == number
    assert [each.number for each in kept.after(1)] == [2, 3]
    assert kept.after(3) == []


def test_a_ping_and_a_blind_time_before_it_are_told_once(store: Store) -> None:
    house = House(store, replace(heartbeat("a"), max_runtime=60.0), SHOP)

    async def main() -> None:
        await house.ping("a", success(kind=PingKind.START))
        dark(house, NOW + 10, NOW + 30)
        house.now = NOW + 40
        await house.ping("a", success(NOW + 40, kind=PingKind.LOG))
        await house.ping("a", success(NOW + 40, kind=PingKind.LOG))

    asyncio.run(main())
    assert (house.state("a").allowance, house.state("a").told) == (20.0, 1)
    assert house.state("shop").told == 0


def test_a_heartbeat_that_is_made_after_a_blind_time_does_not_move_by_it(store: Store) -> None:
    old = House(store, heartbeat("a"))
    dark(old, NOW - 500, NOW - 100)
    assert old.state("a").due_at == NOW + 60
    asyncio.run(old.ping("a"))
    assert old.state("a").due_at == NOW + 60


def test_what_is_told_is_kept_with_the_state(store: Store) -> None:
    house = House(store, heartbeat("a"))
    told = replace(house.state("a"), told=7)
    store.write_now(lambda conn: door.save_states(conn, {house.id("a"): told}))
    assert store.read_now(lambda conn: door.load_states(conn, [house.id("a")])) == {house.id("a"): told}


def test_a_new_schedule_counts_from_now_and_not_from_the_blind_time_before_it(store: Store) -> None:
    house = House(store)
    made = store.write_now(lambda conn: checks.create(conn, replace(heartbeat("b"), source="api"), NOW))
    house.registry.put(made)
    asyncio.run(house.ping("b"))
    dark(house, NOW + 10, NOW + 1000)
    changed = store.write_now(
        lambda conn: checks.update(
            conn, made.id, lambda spec: replace(spec, schedule=Every(120.0)), NOW + 1100
        )
    )
    assert changed is not None
    house.registry.put(changed)
    assert house.state("b").due_at == NOW + 1220
