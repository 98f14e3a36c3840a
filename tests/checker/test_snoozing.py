"""Who is snoozed is not told of; what is not well when that ends is told, once. And reminders, by rhythm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.assembler import Manner
from checker.model import Snooze, State
from checker.rules.reminders import Reminders, is_due
from checker.store import Store, operations, snoozes
from checker.store.tables import snooze
from tests.checker.house import NOW, House, ListChannel, failure, heartbeat, success
from tests.checker.judging import heartbeat as spec_of
from tests.checker.test_incidents import Desk

HOUR = 3600.0


@pytest.fixture
def house(store: Store) -> House:
    return House(store, heartbeat("nightly"), heartbeat("other"))


def quiet(house: House, name: str, until: float, at: float = NOW) -> None:
    number = house.id(name)
    house.store.write_now(lambda conn: snoozes.put(conn, [number], Snooze(until, at, "Ann")))


def live(house: House, *steps: Callable[[], object]) -> list[tuple[str, str]]:
    """Do one step after the other, and return what was told in the end."""

    async def main() -> None:
        for step in steps:
            found = step()
            if asyncio.iscoroutine(found):
                await found

    asyncio.run(main())
    return house.channels["ops"].events


def test_what_falls_while_snoozed_is_told_when_the_snooze_ends(house: House) -> None:
    told = live(
        house,
        lambda: quiet(house, "nightly", NOW + HOUR),
        lambda: house.ping("nightly", failure()),
        lambda: house.turn(NOW + 1),
        lambda: house.turn(NOW + HOUR - 1),
        lambda: house.channels["ops"].told.clear(),
        lambda: house.turn(NOW + HOUR + 11),
        lambda: house.turn(NOW + HOUR + 30),
    )
    assert told == [("opened", "nightly")]
    assert house.rows(snooze, "monitor_id") == []


def test_what_recovers_before_its_snooze_ends_is_never_told(house: House) -> None:
    told = live(
        house,
        lambda: quiet(house, "nightly", NOW + HOUR),
        lambda: house.ping("nightly", failure()),
        lambda: house.turn(NOW + 1),
        lambda: house.ping("nightly", success(NOW + 20)),
        lambda: house.turn(NOW + 21),
    )
    assert told == []


def test_an_open_incident_is_silent_while_snoozed_and_told_again_once_at_its_end(house: House) -> None:
    house.manner = Manner(reminders=Reminders(600.0))
    told = live(
        house,
        lambda: house.ping("nightly", failure()),
        lambda: house.turn(NOW + 1),
        lambda: quiet(house, "nightly", NOW + HOUR),
        *[lambda at=at: house.turn(NOW + at) for at in range(300, 3600, 300)],
        lambda: house.turn(NOW + HOUR + 1),
        lambda: house.turn(NOW + HOUR + 12),
    )
    assert [event for event in told if event[1] == "nightly"] == [
        ("opened", "nightly"),
        ("reminder", "nightly"),
    ]


def test_the_end_of_an_incident_is_told_even_while_it_is_snoozed(house: House) -> None:
    told = live(
        house,
        lambda: house.ping("nightly", failure()),
        lambda: house.turn(NOW + 1),
        lambda: quiet(house, "nightly", NOW + HOUR),
        lambda: house.ping("nightly", success(NOW + 20)),
        lambda: house.turn(NOW + 21),
    )
    assert told == [("opened", "nightly"), ("resolved", "nightly")]


def test_who_acknowledged_it_since_is_not_told_again(house: House) -> None:
    number = house.id("nightly")
    told = live(
        house,
        lambda: house.ping("nightly", failure()),
        lambda: house.turn(NOW + 1),
        lambda: quiet(house, "nightly", NOW + 20),
        lambda: house.store.write_now(lambda conn: operations.acknowledge(conn, number, NOW + 5, "Ann")),
        lambda: house.turn(NOW + 31),
    )
    assert told == [("opened", "nightly"), ("ack", "nightly")]


def test_others_are_told_of_while_one_is_snoozed(house: House) -> None:
    told = live(
        house,
        lambda: quiet(house, "nightly", NOW + HOUR),
        lambda: house.ping("nightly", failure()),
        lambda: house.ping("other", failure()),
        lambda: house.turn(NOW + 1),
    )
    assert told == [("opened", "other")]


def test_an_incident_is_snoozed_by_its_number_and_only_while_it_is_open(house: House) -> None:
    def hush(number: int) -> bool:
        wanted = Snooze(NOW + HOUR, NOW)
        return house.store.write_now(lambda conn: snoozes.put_incident(conn, number, wanted))

    live(house, lambda: house.ping("nightly", failure()), lambda: house.turn(NOW + 1))
    assert hush(1)
    assert [row[0] for row in house.rows(snooze, "monitor_id")] == [house.id("nightly")]
    live(house, lambda: house.ping("nightly", success(NOW + 20)), lambda: house.turn(NOW + 21))
    assert not hush(1)
    assert not hush(99)


def test_a_channel_has_a_rhythm_of_its_own(house: House) -> None:
    house.channels["mail"] = ListChannel()
    house.channels["pager"] = ListChannel()
    house.manner = Manner(reminders=Reminders(HOUR, {"pager": 600.0, "mail": 0.0}))
    live(
        house,
        lambda: house.ping("nightly", failure()),
        lambda: house.ping("other", success()),
        lambda: house.turn(NOW + 1),
        *[lambda at=at: house.turn(NOW + at) for at in range(300, 3700, 300)],
    )
    heard = {
        name: sum(1 for event in channel.events if event == ("reminder", "nightly"))
        for name, channel in house.channels.items()
    }
    assert heard == {"ops": 1, "mail": 0, "pager": 6}


@pytest.mark.parametrize(
    ("reminders", "own", "due"),
    [
        (Reminders(None), (None,), []),
        (Reminders(HOUR), (None,), ["a", "b"]),
        (Reminders(HOUR), (0.0,), []),
        (Reminders(None), (HOUR, 0.0), ["a", "b"]),
        (Reminders(HOUR, {"a": 0.0}), (None,), ["b"]),
        (Reminders(None, {"a": HOUR}), (0.0,), ["a"]),
    ],
)
def test_the_channel_comes_before_the_monitor_and_the_monitor_before_all(
    reminders: Reminders, own: tuple[float | None, ...], due: list[str]
) -> None:
    specs = [spec_of(remind_every=each) for each in own]
    assert reminders.due(["a", "b"], specs, 0.0, HOUR - 1, HOUR) == due
    assert reminders.any_due(specs, 0.0, HOUR - 1, HOUR) >= bool(due)


@given(st.floats(60, 1e5), st.lists(st.floats(0, 1e6), min_size=2, max_size=20).map(sorted))
def test_each_multiple_of_a_rhythm_is_due_in_exactly_one_sweep(every: float, sweeps: list[float]) -> None:
    due = sum(is_due(every, 0.0, last, now) for last, now in pairwise(sweeps))
    passed = {now // every for now in sweeps[1:] if now // every > max(0.0, sweeps[0] // every)}
    assert due == len(passed)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["fail", "success"])), max_size=30))
def test_while_all_are_snoozed_nothing_is_told_and_what_is_down_at_the_end_is_told_once(
    signs: list[tuple[int, str]],
) -> None:
    desk = Desk({number: spec_of(name=f"job-{number}", fail_after=1) for number in (1, 2, 3)})
    end = desk.now + 10 * HOUR
    desk.settings["snoozes"] = {number: Snooze(end, desk.now) for number in desk.monitors}
    for number, kind in signs:
        desk.ping(number, kind)
        desk.judge()
    assert desk.told == []
    desk.now = end
    desk.settings["snoozes"] = {}
    desk.judge()
    desk.judge()
    down = {f"job-{number}" for number, state in desk.states.items() if state.state is State.DOWN}
    assert sorted(desk.events) == sorted(f"opened {name}" for name in down)
