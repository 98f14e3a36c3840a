"""Deadlines and blind times with several nodes: judged once, and only what nobody saw is blind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from checker.model import State
from checker.share import Share
from checker.store import Store, blind, door, nodes
from checker.store.tables import change
from checker.watcher import BLIND_AFTER, PATIENCE, Watcher
from tests.checker.house import NOW, House, heartbeat

SPECS = [heartbeat(f"job-{number}") for number in range(8)]


def watcher(house: House, name: str, share: Share | None = None) -> Watcher:
    return Watcher(
        house.store, house.registry, house.recorder,
        node=name, clock=house.clock, blind_after=BLIND_AFTER, share=share,
    )  # fmt: skip


async def see(house: House, until: float, *watching: Watcher) -> None:
    """Let each of them look every second up to a moment."""
    while house.now < until:
        house.now = min(house.now + 1.0, until)
        for each in watching:
            await each.once(house.now)


def test_a_node_that_slept_moves_no_deadline_that_another_node_watched(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        zombie, other = watcher(house, "a"), watcher(house, "b")
        await zombie.once(NOW)
        await other.once(NOW)
        await see(house, NOW + 60, other)
        before = house.state("job-0").deadline
        await zombie.once(NOW + 60.5)
        assert house.state("job-0").deadline == before

    asyncio.run(main())


def test_what_no_node_saw_moves_each_deadline_once(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        watching = [watcher(house, name) for name in "abc"]
        for each in watching:
            await each.once(NOW)
        before = house.state("job-0").deadline
        assert before is not None
        house.now = NOW + 60
        await asyncio.gather(*(each.once(house.now) for each in watching))
        await asyncio.gather(*(each.once(house.now + 1) for each in watching))
        assert house.state("job-0").deadline == before + 60

    asyncio.run(main())


def test_while_one_node_tells_of_blind_time_no_other_judges(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        one = watcher(house, "a")
        await one.once(NOW)
        await store.write(lambda conn: nodes.acquire(conn, nodes.SIGHT, "b", NOW + 300, 30.0))
        assert await one.once(NOW + 300) == 0
        assert house.state("job-0").state is State.NEW

    asyncio.run(main())


def test_each_deadline_is_judged_by_one_node_and_by_any_when_that_one_is_late(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        shares = [Share(store, name) for name in "ab"]
        for each in (*shares, *shares):
            await each.beat()
        one, two = watcher(house, "a", shares[0]), watcher(house, "b", shares[1])
        await one.once(NOW)
        await two.once(NOW)
        await see(house, NOW + 91, one, two)
        assert len(house.rows(change, "id")) == len(SPECS)

    asyncio.run(main())


def test_a_deadline_whose_node_does_not_judge_it_is_judged_by_another_soon(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        shares = [Share(store, name) for name in "ab"]
        for each in (*shares, *shares):
            await each.beat()
        one = watcher(house, "a", shares[0])
        await one.once(NOW)
        await see(house, NOW + 90, one)
        assert 0 < len(house.rows(change, "id")) < len(SPECS)
        await see(house, NOW + 90 + PATIENCE + 1, one)
        assert len(house.rows(change, "id")) == len(SPECS)

    asyncio.run(main())


def test_deadlines_are_judged_though_every_look_is_slow(store: Store) -> None:
    house = House(store, *SPECS)

    async def main() -> None:
        one = watcher(house, "a")
        await one.once(NOW)
        for turn in range(1, 40):
            house.now = NOW + turn * 3.0  # slower than a hiccup, each of them
            await one.once(house.now)
        assert house.state("job-0").state is State.DOWN

    asyncio.run(main())


def test_the_time_that_judging_very_many_takes_is_no_blind_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.watcher.BATCH", 2)
    house = House(store, *SPECS)

    async def main() -> None:
        one = watcher(house, "a")
        await see(house, NOW + 89, one)
        record = house.recorder.record

        async def slow(*arguments: Any, **more: Any) -> Any:
            house.now += 8.0
            return await record(*arguments, **more)

        monkeypatch.setattr(house.recorder, "record", slow)
        await one.once(NOW + 90)
        monkeypatch.undo()
        assert house.now == NOW + 89 + 4 * 8.0
        await see(house, house.now + 5, one)
        assert house.state("job-7").state is State.DOWN
        assert store.read_now(blind.times) == []

    asyncio.run(main())


def test_a_blind_time_is_written_once_however_many_heartbeats_there_are(store: Store) -> None:
    """No state is touched; a deadline that passed in the dark moves when it is looked at."""
    house = House(store, *SPECS)
    ids = [house.id(spec.name) for spec in SPECS]

    def stored() -> dict[int, float | None]:
        found = store.read_now(lambda conn: door.load_states(conn, ids))
        return {each: found[each].deadline for each in ids}

    async def main() -> None:
        one = watcher(house, "a")
        await see(house, NOW + 40, one)
        before = stored()
        house.now = NOW + 55
        await one.once(house.now)
        assert stored() == before
        assert house.state("job-0").deadline == NOW + 90 + 15
        await see(house, NOW + 104, one)
        assert set(stored().values()) == {NOW + 90 + 15}
        assert house.state("job-0").state is State.NEW
        await see(house, NOW + 106, one)
        assert house.state("job-0").state is State.DOWN

    asyncio.run(main())
