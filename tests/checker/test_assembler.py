"""Changes become incidents and notifications owed: all in one transaction, once, by one node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from checker.model import Cause, Poll, State, Verdict
from checker.rules.storms import STORM
from checker.store import Store, door, incidents, nodes
from checker.store.nodes import Fenced
from checker.store.tables import change, incident, member, outbox
from tests.checker.house import NOW, SHOP, House, failure, heartbeat, success


@pytest.fixture
def house(store: Store) -> House:
    return House(store, heartbeat("a"), heartbeat("b"), SHOP)


def looked(verdict: Verdict, at: float, reason: str) -> Poll:
    return Poll(verdict, at, Cause.FAILING, reason, 503)


def test_a_fall_is_an_incident_told_once_and_its_recovery_is_told_once(house: House) -> None:
    async def main() -> None:
        await house.ping("a")
        await house.turn()
        house.now += 1
        await house.ping("a", failure(house.now))
        for _ in range(3):
            await house.turn(house.now + 1)
        await house.ping("a")
        for _ in range(3):
            await house.turn(house.now + 1)

    asyncio.run(main())
    channel = house.channels["ops"]
    assert channel.events == [("opened", "a"), ("resolved", "a")]
    opened, resolved = channel.told
    assert opened.incident.dedup_key == resolved.incident.dedup_key
    assert opened.incident.id == resolved.incident.id > 0
    assert opened.url == f"https://checker.example/incidents/{opened.incident.id}"
    assert [member.name for member in opened.incident.members] == ["a"]
    assert len(set(channel.dedups)) == 2
    assert all(at is not None for (at,) in house.rows(change, "judged_at"))


def test_two_monitors_that_fail_together_stay_two_incidents(house: House) -> None:
    async def main() -> None:
        await house.recorder.record([(house.id(name), failure()) for name in ("a", "b")])
        await house.turn()

    asyncio.run(main())
    assert sorted(house.channels["ops"].events) == [("opened", "a"), ("opened", "b")]


def test_an_endpoint_and_its_components_are_one_incident(house: House) -> None:
    part = ("database:write", looked(Verdict.FAIL, NOW, "read-only"))
    poll = Poll(Verdict.FAIL, NOW, Cause.FAILING, "database:write: read-only", 503, components=(part,))

    async def main() -> None:
        await house.recorder.record([(house.id("shop"), poll)])
        await house.turn()

    asyncio.run(main())
    (told,) = house.channels["ops"].told
    assert {member.name for member in told.incident.members} == {"shop", "shop/database:write"}
    assert house.rows(incident, "group") == [("shop",)]


def test_a_notification_goes_to_the_channels_of_the_monitor_alone(store: Store) -> None:
    house = House(store, heartbeat("a", channels=("mail",)))
    house.channels = {"ops": house.channels["ops"], "mail": type(house.channels["ops"])()}

    async def main() -> None:
        await house.ping("a", failure())
        await house.turn()

    asyncio.run(main())
    assert house.rows(outbox, "channel") == [("mail",)]


def test_a_fall_that_is_over_before_it_is_judged_is_told_and_resolved(house: House) -> None:
    async def main() -> None:
        await house.ping("a", failure())
        house.now += 1
        await house.ping("a")
        await house.turn(house.now + 1)
        await house.turn(house.now + 1)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a"), ("resolved", "a")]


def test_a_change_that_was_lost_is_found_by_the_sweep(house: House) -> None:
    async def main() -> None:
        await house.ping("a", failure())
        changes = await house.store.read(lambda conn: incidents.unjudged(conn, 10))
        ids = [each.id for each in changes]
        await house.store.write(lambda conn: incidents.mark_judged(conn, ids, NOW))
        await house.turn(NOW + 11)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a")]


def test_a_recovery_that_was_lost_is_found_by_the_sweep(house: House) -> None:
    async def main() -> None:
        await house.ping("a", failure())
        await house.turn()
        healed = replace(house.state("a"), state=State.UP)
        await house.store.write(lambda conn: door.save_states(conn, {house.id("a"): healed}))
        await house.turn(NOW + 11)
        await house.turn(NOW + 12)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a"), ("resolved", "a")]


def test_one_node_judges_and_another_takes_over_when_it_is_gone(house: House) -> None:
    other = house.make_assembler("other")

    async def main() -> None:
        await house.ping("a", failure())
        assert (await house.assembler.once(NOW)).notifications == 1
        await house.ping("b", failure())
        assert (await other.once(NOW + 5)).changes == 0
        assert (await other.once(NOW + 16)).notifications == 1

    asyncio.run(main())


def test_a_node_that_stops_in_order_leaves_the_judging_to_the_next_at_once(house: House) -> None:
    other = house.make_assembler("other")

    async def main() -> None:
        await house.assembler.once(NOW)
        await house.assembler.stop()
        await house.ping("a", failure())
        assert (await other.once(NOW + 1)).notifications == 1

    asyncio.run(main())


def test_a_zombie_that_lost_its_lease_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is taken while it judges: the fence in its own transaction stops it."""
    put = nodes.hold

    def stolen(conn: Any, held: nodes.Lease) -> None:
        put(conn, replace(held, epoch=held.epoch - 1))

    async def main() -> None:
        await house.ping("a", failure())
        monkeypatch.setattr(nodes, "hold", stolen)
        with pytest.raises(Fenced):
            await house.assembler.once(NOW)
        assert house.rows(incident, "id") == []
        assert house.rows(outbox, "id") == []
        assert house.rows(change, "judged_at") == [(None,)]
        monkeypatch.undo()
        assert (await house.assembler.once(NOW)).notifications == 1

    asyncio.run(main())


def test_a_change_that_cannot_be_judged_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checker import incidents as rules

    judge = rules.judge

    def poisoned(found: Any, changes: Any, *args: Any, **more: Any) -> Any:
        if any(each.monitor_id == house.id("a") for each in changes):
            raise ZeroDivisionError
        return judge(found, changes, *args, **more)

    async def main() -> None:
        monkeypatch.setattr("checker.assembler.assembler.judge", poisoned)
        await house.recorder.record([(house.id(name), failure()) for name in ("a", "b")])
        await house.turn()
        assert ("opened", "b") in house.channels["ops"].events
        assert len([at for (at,) in house.rows(change, "judged_at") if at is None]) == 1
        monkeypatch.undo()
        await house.turn(NOW + 11)

    asyncio.run(main())
    assert sorted(house.channels["ops"].events) == [("opened", "a"), ("opened", "b")]


def test_thousands_of_falls_at_once_are_all_judged(store: Store) -> None:
    names = [f"m{number}" for number in range(2500)]
    house = House(store, *(heartbeat(name) for name in names))
    house.channels = {}

    async def main() -> int:
        await house.recorder.record([(house.id(name), failure()) for name in names])
        return (await house.assembler.once(NOW)).changes

    assert asyncio.run(main()) == 2500
    assert len(house.rows(member, "monitor_id")) == 2500
    assert house.rows(incident, "group") == [(STORM,)]


def test_a_monitor_taken_out_of_the_configuration_leaves_its_incident(house: House) -> None:
    from checker.store import monitors

    async def main() -> None:
        await house.ping("a", failure())
        await house.turn()
        rest = [heartbeat("b"), SHOP]
        await house.store.write(lambda conn: monitors.sync(conn, rest, NOW + 1))
        await house.registry.reload()
        await house.turn(NOW + 2)
        await house.turn(NOW + 13)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a"), ("resolved", "a")]


def test_the_loop_tells_within_a_second_of_the_change(house: House) -> None:
    async def main() -> None:
        loops = [asyncio.create_task(run()) for run in (house.assembler.run, house.dispatcher.run)]
        await house.ping("b", success())
        await asyncio.sleep(0.1)  # let both fall asleep: it is the waking that is tested
        await house.ping("a", failure())
        async with asyncio.timeout(0.9):
            while not house.channels["ops"].told:
                await asyncio.sleep(0.01)
        for loop in loops:
            loop.cancel()

    asyncio.run(main())
