"""The disk is bounded: what is old enough goes, what is needed stays."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection

from checker.model import Event, Incident, Notification, Poll, Verdict
from checker.retention import DAY, EVERY, Keep, Retention
from checker.roller import Roller
from checker.store import Store, door, incidents, outbox
from checker.store.tables import change, incident, ping, poll
from checker.store.tables import outbox as outbox_table
from tests.checker.house import NOW, SHOP, House, failure, heartbeat, success


def forget(house: House, now: float, keep: Keep | None = None) -> int:
    """Forget, once all is rolled up."""
    roller = Roller(house.store, node="n", clock=house.clock, pause=0.0, settle=0.0)
    asyncio.run(roller.once(house.now))
    return asyncio.run(Retention(house.store, house.registry, house.clock, keep=keep).once(now))


def test_of_each_heartbeat_its_last_pings_are_kept(store: Store) -> None:
    house = House(store, heartbeat("busy"), heartbeat("quiet"))

    async def main() -> None:
        await house.recorder.record([(house.id("busy"), success()) for _ in range(700)])
        await house.recorder.record([(house.id("quiet"), success()) for _ in range(5)])

    asyncio.run(main())
    assert forget(house, NOW, Keep(pings=50, old_pings=10)) == 650
    kept = house.rows(ping, "monitor_id", "n")
    assert [n for each, n in kept if each == house.id("busy")] == list(range(651, 701))
    assert len([n for each, n in kept if each == house.id("quiet")]) == 5
    assert forget(house, NOW + 31 * DAY, Keep(pings=50, old_pings=10)) == 40
    assert forget(house, NOW + 31 * DAY, Keep(pings=50, old_pings=10)) == 0


def test_long_bodies_are_kept_with_the_last_pings_and_short_ones_with_all(store: Store) -> None:
    house = House(store, heartbeat("chatty"), heartbeat("calm"))

    async def main() -> None:
        said = [b"x" * 1_001 if number % 2 else b"x" * 1_000 for number in range(40)]
        await house.recorder.record([(house.id("chatty"), success(body=each)) for each in said])
        await house.recorder.record([(house.id("calm"), success(body=b"x" * 100_000)) for _ in range(10)])

    asyncio.run(main())
    assert forget(house, NOW, Keep(bodies=10)) == 15
    kept = {(each, n): len(body or b"") for each, n, body in house.rows(ping, "monitor_id", "n", "body")}
    assert [kept[house.id("chatty"), n] for n in range(1, 31)] == [1_000, 0] * 15
    assert [kept[house.id("chatty"), n] for n in range(31, 41)] == [1_000, 1_001] * 5
    assert [kept[house.id("calm"), n] for n in range(1, 11)] == [100_000] * 10
    assert forget(house, NOW, Keep(bodies=10)) == 0


def test_of_very_many_heartbeats_each_round_looks_at_the_next_part(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.retention.AT_ONCE", 1)
    house = House(store, heartbeat("one"), heartbeat("two"))

    async def main() -> list[int]:
        for name in ("one", "two"):
            await house.recorder.record([(house.id(name), success()) for _ in range(20)])
        await Roller(store, node="n", clock=house.clock, pause=0.0, settle=0.0).once(house.now)
        retention = Retention(store, house.registry, house.clock, keep=Keep(pings=15, old_pings=10))
        return [await retention.once(NOW) for _ in range(3)]

    assert asyncio.run(main()) == [5, 5, 0]


def test_polls_are_kept_for_days(store: Store) -> None:
    house = House(store, SHOP)

    async def main() -> None:
        for day in range(6):
            looks = [(house.id("shop"), Poll(Verdict.PASS, NOW + day * DAY + each)) for each in range(300)]
            await house.recorder.record(looks)

    asyncio.run(main())
    assert forget(house, NOW + 5 * DAY + 300) == 2 * 300 + 300
    assert min(at for (at,) in house.rows(poll, "at")) == NOW + 3 * DAY


def test_what_is_not_rolled_up_stays_however_old(store: Store) -> None:
    house = House(store, SHOP, heartbeat("a"))

    async def main() -> int:
        await house.recorder.record([(house.id("a"), success()) for _ in range(9)])
        await house.recorder.record([(house.id("shop"), Poll(Verdict.PASS, NOW))])
        retention = Retention(store, house.registry, house.clock, keep=Keep(pings=1, old_pings=1))
        return await retention.once(NOW + 99 * DAY)

    assert asyncio.run(main()) == 0
    assert len(house.rows(ping, "n")) == 9
    assert len(house.rows(poll, "at")) == 1


def test_what_nobody_has_judged_sent_or_resolved_stays_however_old(store: Store) -> None:
    house = House(store, heartbeat("a"))
    told = Notification(Event.OPENED, Incident(0, "g", "open", "t", "c", NOW), NOW)

    def fill(conn: Connection) -> None:
        still = Incident(0, "open", "key-1", "t", "c", NOW)
        over = Incident(0, "done", "key-2", "t", "c", NOW, resolved_at=NOW)
        incidents.save_all(conn, [still, over], NOW)
        outbox.put(conn, told, ["ops"], NOW)
        (row,) = outbox.claim(conn, "ops", "n", NOW, until=NOW + 90, limit=1, without=())
        outbox.mark_sent(conn, row, NOW)
        outbox.put(conn, told, ["ops"], NOW)

    async def main() -> None:
        await house.ping("a", failure())
        changes = await store.read(lambda conn: incidents.unjudged(conn, 10))
        await store.write(lambda conn: incidents.mark_judged(conn, [each.id for each in changes], NOW))
        await house.ping("a")
        await store.write(fill)

    asyncio.run(main())
    assert forget(house, NOW + 366 * DAY) >= 3
    assert house.rows(incident, "group") == [("open",)]
    assert house.rows(outbox_table, "sent_at") == [(None,)]
    assert house.rows(change, "judged_at") == [(None,)]
    assert house.rows(ping, "n") == [(1,), (2,)]
    assert store.read_now(lambda conn: door.load_states(conn, [house.id("a")]))


def test_of_several_nodes_one_forgets_until_it_is_gone(store: Store) -> None:
    house = House(store, heartbeat("one"))
    one, two = (Retention(store, house.registry, house.clock, node=each) for each in "ab")

    async def rounds(now: float) -> tuple[bool, bool]:
        return await one.is_ours(now), await two.is_ours(now)

    assert asyncio.run(rounds(NOW)) == (True, False)
    assert asyncio.run(rounds(NOW + EVERY + 1)) == (True, False)
    assert asyncio.run(two.is_ours(NOW + 2 * EVERY)) is False
    assert asyncio.run(two.is_ours(NOW + 2 * EVERY + 2)) is True
    assert asyncio.run(one.is_ours(NOW + 2 * EVERY + 3)) is False
