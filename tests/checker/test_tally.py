"""Looks on their way to the door: all durable, nothing new kept waiting, and nobody else's word overruled."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from checker.model import Command, Poll, State, Verdict
from checker.record import Recorder
from checker.registry import Registry
from checker.state import advance, initial
from checker.store import Store
from checker.store.tables import change, poll
from checker.tally import LAZY, Tally, own_moment
from tests.checker.house import NOW, SHOP, House

QUICK = replace(SHOP, every=1.0)
PART = "shop/database:write"


def look(at: float, verdict: str = "pass", *, value: float = 1.0, reason: str = "") -> Poll:
    """A look at the shop, whose one component says what the whole says."""
    said = Verdict(verdict)
    part = Poll(said, NOW + at, reason=reason, value=value)
    return Poll(said, NOW + at, reason=reason, latency=0.1, components=(("database:write", part),))


@pytest.fixture
def house(store: Store) -> House:
    return House(store, QUICK)


def run(house: House, work: Callable[[Tally], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work(Tally(house.recorder, house.registry)))


async def see(house: House, looks: Tally, *seen: Poll) -> None:
    """Take looks, each through the door before the next."""
    for each in seen:
        house.now = each.at
        looks.take(house.id("shop"), each)
        await looks.flush()


def test_every_look_has_its_row_and_what_was_counted_is_written_in_the_end(house: House) -> None:
    seen = [look(float(second), value=second) for second in range(8)]
    run(house, lambda looks: see(house, looks, *seen))
    rows = [row for row in house.rows(poll, "monitor_id", "at") if row[0] == house.id("shop")]
    assert [at for _, at in rows] == [each.at for each in seen]
    judged, until = 0, own_moment(house.id("shop"), NOW)
    for number, each in enumerate(seen):
        if each.at > until:  # those after the last of these count on from there
            judged, until = number, own_moment(house.id("shop"), each.at)
    assert judged > 0
    state = initial(QUICK, NOW)
    for each in seen[: judged + 1]:
        state, _ = advance(QUICK, state, each, each.at)
    assert house.state("shop") == state
    assert (house.state(PART).successes, house.state(PART).value) == (judged + 1, judged)


def test_of_many_endpoints_that_began_together_few_are_judged_in_full_at_a_time() -> None:
    ends = [own_moment(each, NOW) for each in range(1, 1001)]
    assert all(NOW < end <= NOW + LAZY for end in ends)
    tenths = Counter(int((end - NOW) / LAZY * 10 - 1e-9) for end in ends)
    assert max(tenths.values()) <= 105


def test_between_looks_that_say_the_same_no_state_is_written(house: House) -> None:
    left = own_moment(house.id("shop"), NOW) - NOW
    run(house, lambda looks: see(house, looks, *(look(left * share / 5) for share in range(5))))
    assert house.state("shop").successes == 1
    assert len(house.rows(poll, "id")) == 5 + 1  # and the component's first


def test_what_says_something_new_is_judged_at_once_on_all_that_was_counted(house: House) -> None:
    async def work(looks: Tally) -> None:
        await see(house, looks, *(look(float(second)) for second in range(4)), look(4, "fail", reason="full"))
        fallen = house.state(PART)
        assert (fallen.state, fallen.reason, fallen.last_good) == (State.DOWN, "full", NOW + 3)
        await see(house, looks, look(5, "fail", reason="full"), look(6, "fail", reason="read-only"))
        assert (house.state(PART).reason, house.state(PART).failures) == ("read-only", 3)
        await see(house, looks, look(7))
        assert house.state(PART).state is State.UP

    run(house, work)
    turns = [row[1] for row in house.rows(change, "monitor_id", "new") if row[0] == house.id(PART)]
    assert turns == ["up", "down", "up"]


def test_looks_that_arrive_together_are_judged_in_their_order(house: House) -> None:
    async def work(looks: Tally) -> None:
        await see(house, looks, look(0), look(1))
        house.now = NOW + 3
        looks.take(house.id("shop"), look(2, "fail"))
        looks.take(house.id("shop"), look(3))  # says what was said before the failure, which is on its way
        await looks.flush()
        assert house.state(PART).state is State.UP

    run(house, work)
    turns = [row[1] for row in house.rows(change, "monitor_id", "new") if row[0] == house.id(PART)]
    assert turns == ["up", "down", "up"]


def test_an_operators_word_wins_over_what_was_counted_in_memory(house: House) -> None:
    async def work(looks: Tally) -> None:
        await see(house, looks, look(0), look(1), look(2))
        await house.recorder.record([(house.id(PART), Command("pause", NOW + 2))])
        await see(house, looks, *(look(float(second)) for second in range(3, 10)))
        assert house.state(PART).state is State.PAUSED
        assert house.state("shop").state is State.UP

    run(house, work)


def test_another_nodes_word_wins_over_what_was_counted_in_memory(house: House) -> None:
    async def work(looks: Tally) -> None:
        other_registry = Registry(house.store)
        other_registry.reload_now()
        other = Tally(Recorder(house.store, other_registry, house.clock), other_registry)
        begin = own_moment(house.id("shop"), NOW) - NOW + 0.01  # the next one is LAZY seconds away
        await see(house, looks, look(begin), look(begin + 1), look(begin + 2))
        other_registry.reload_now()
        await see(house, other, look(begin + 3, "fail"))
        assert house.state(PART).state is State.DOWN
        await see(house, looks, look(begin + 4))  # counted here, on a state that is not there any more
        assert house.state(PART).state is State.DOWN
        await see(house, looks, look(begin + 8))
        assert (house.state(PART).state, house.state(PART).successes) == (State.UP, 1)

    run(house, work)


def test_a_changed_specification_is_judged_by_at_once(house: House) -> None:
    async def work(looks: Tally) -> None:
        await see(house, looks, look(0), look(1))
        house.registry.reload_now()
        await see(house, looks, look(2))
        assert house.state("shop").successes == 3

    run(house, work)


def test_while_the_door_is_behind_what_is_well_does_not_add_to_its_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.tally.SHARE", 2)

    async def work(looks: Tally) -> None:
        house.now = NOW + 6
        for second in range(5):
            looks.take(house.id("shop"), look(float(second)))
        looks.take(house.id("shop"), look(5, "fail"))
        looks.take(house.id("shop"), look(6, "fail"))
        await looks.flush()
        assert (house.state(PART).state, house.state(PART).failures) == (State.DOWN, 2)

    run(house, work)
    rows = [row for row in house.rows(poll, "monitor_id", "verdict") if row[0] == house.id("shop")]
    assert sorted(verdict for _, verdict in rows) == ["fail"] * 2 + ["pass"] * 5


def test_one_look_that_cannot_be_recorded_does_not_cost_the_others(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(looks: Tally) -> None:
        looks.take(house.id("shop"), replace(look(0), latency="poison"))  # type: ignore[arg-type]
        looks.take(999_999, look(0))  # removed meanwhile
        looks.take(house.id("shop"), look(1))
        await looks.flush()
        assert (house.state("shop").state, looks.unrecorded) == (State.UP, 0)

    house.now = NOW + 1
    run(house, work)
    if house.store.dialect == "postgresql":  # SQLite keeps whatever it is given
        assert "could not be recorded" in caplog.text


def test_with_the_store_away_looks_are_counted_as_lost_and_said_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(store, QUICK)
    store.close()
    with caplog.at_level(logging.WARNING, "checker.tally"):
        run(house, lambda looks: _lose(house, looks))
    assert len([each for each in caplog.records if each.name == "checker.tally"]) == 1


async def _lose(house: House, looks: Tally) -> None:
    await see(house, looks, look(0), look(1), look(2))
    assert looks.unrecorded == 3
