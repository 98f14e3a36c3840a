"""Very many that fall at once are one incident; a few are told one by one."""

from __future__ import annotations

import asyncio

import pytest

from checker.model import MonitorSpec
from checker.rules.storms import STORM, Storm
from checker.store import Store
from checker.store.tables import incident, member
from tests.checker.house import House, failure, heartbeat
from tests.checker.judging import heartbeat as job
from tests.checker.test_incidents import Desk

NAMES = [f"job{number:03}" for number in range(60)]


def desk(count: int = 60, **storm: int) -> Desk:
    monitors: dict[int, MonitorSpec] = {number: job(name=NAMES[number]) for number in range(count)}
    return Desk(monitors, storm=Storm(**storm))


def fail(desk: Desk, numbers: range) -> None:
    for number in numbers:
        desk.ping(number, "fail")


def test_sixty_at_once_are_one_message_that_names_them() -> None:
    house = desk()
    fail(house, range(60))
    house.judge()
    assert house.events == [f"opened {STORM}"]
    assert house.last.title == "60 monitors fell within seconds"
    assert house.last.cause.startswith("job000, job001,")
    assert house.last.cause.endswith("and 48 more")
    assert len(house.last.members) == 60


def test_who_falls_while_the_storm_is_young_joins_it_unheard_and_later_ones_are_told() -> None:
    house = desk()
    fail(house, range(40))
    house.judge()
    fail(house, range(40, 50))
    house.judge()
    assert house.events == [f"opened {STORM}"]
    assert len(house.open[0].members) == 50
    fail(house, range(50, 51))
    house.judge(after=120)
    assert house.events == [f"opened {STORM}", "opened job050"]


def test_where_only_very_many_make_a_storm_a_quarter_of_them_are_told_at_once() -> None:
    house = desk(least=200)
    fail(house, range(50))
    house.judge()
    assert house.events == [f"opened job{number:03}" for number in range(50)]
    fail(house, range(50, 51))
    house.judge()
    assert len(house.events) == 51


def test_who_is_held_back_is_looked_at_again_each_second_until_told(store: Store) -> None:
    names = [f"m{number}" for number in range(8)]
    house = House(store, *(heartbeat(name) for name in names))

    async def main() -> list[int]:
        await house.recorder.record([(house.id(name), failure()) for name in names])
        told = []
        for second in range(8):
            await house.assembler.once(house.now + second)
            told.append(len(house.rows(incident, "id")))
        return told

    told = asyncio.run(main())
    assert told[0] == 0
    assert told[-1] == 8  # as soon as they were held long enough, not with the next sweep


def test_a_storm_ends_with_the_last_recovery() -> None:
    house = desk()
    fail(house, range(60))
    house.judge()
    for number in range(59):
        house.ping(number)
    house.judge()
    assert len(house.open) == 1
    house.ping(59)
    house.judge()
    assert house.events == [f"opened {STORM}", f"resolved {STORM}"]


def test_a_few_that_fall_together_stay_as_many_incidents() -> None:
    house = desk()
    fail(house, range(5))
    house.judge()
    assert len(house.events) == 5


def test_more_than_a_few_are_held_for_a_moment_and_then_told_one_by_one() -> None:
    house = desk()
    fail(house, range(8))
    house.judge()
    assert house.events == []
    house.judge(after=5)
    assert len(house.events) == 8


def test_a_fall_that_is_over_is_told_though_many_fell_with_it() -> None:
    house = desk()
    fail(house, range(8))
    house.ping(0)
    house.judge(after=0)
    assert house.events == ["opened job000"]


@pytest.mark.parametrize("step", [1, 7])
def test_a_storm_that_comes_in_drops_is_a_few_messages_and_nobody_is_left_out(
    store: Store, step: int
) -> None:
    house = House(store, *(heartbeat(name) for name in NAMES))

    async def main() -> None:
        for start in range(0, 60, step):
            names = NAMES[start : start + step]
            await house.recorder.record([(house.id(name), failure(house.now)) for name in names])
            await house.turn(house.now + 0.1)
        for _ in range(12):
            await house.turn(house.now + 1)
        assert len(house.rows(member, "monitor_id")) == 60
        for name in NAMES:
            await house.ping(name)
        await house.turn(house.now + 1)
        await house.turn(house.now + 10)

    asyncio.run(main())
    events = house.channels["ops"].events
    assert events.count(("opened", STORM)) == events.count(("resolved", STORM)) == 1
    assert len(events) <= 14
    assert all(at is not None for (at,) in house.rows(incident, "resolved_at"))
