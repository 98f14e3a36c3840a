"""Deadlines are judged the moment they pass, and nobody is blamed for what the checker could not see."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from checker.model import MonitorState, State
from checker.store import Store, StoreUnavailable, blind, nodes
from checker.store.tables import ping
from checker.watcher import BATCH, BLIND_AFTER, Watcher
from tests.checker.house import NOW, SHOP, House, heartbeat, success


def house(store: Store, *names: str) -> House:
    return House(store, *(heartbeat(name) for name in names), SHOP, blind_after=BLIND_AFTER)


async def steps(house: House, until: float) -> None:
    """Look once a second, as the loop does."""
    while house.now < until:
        house.now = min(house.now + 1, until)
        await house.watcher.once(house.now)


def test_a_missed_deadline_is_judged_when_it_passes_and_not_before(store: Store) -> None:
    home = house(store, "a", "b")

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.ping("a")
        await steps(home, NOW + 89)
        assert home.state("a").state is State.GRACE
        await home.ping("b")
        await steps(home, NOW + 92)

    asyncio.run(main())
    assert home.state("a").state is State.DOWN
    assert home.state("b").state is State.UP


def test_more_deadlines_than_one_batch_pass_in_one_look(store: Store) -> None:
    names = [f"m{number}" for number in range(BATCH + 200)]
    home = House(store, *(heartbeat(name) for name in names))

    async def main() -> int:
        await home.recorder.record([(home.id(name), success()) for name in names])
        home.now = NOW + 91
        return await home.watcher.once(home.now)

    assert asyncio.run(main()) == len(names)
    assert home.state("m0").state is State.DOWN
    assert home.state(names[-1]).state is State.DOWN


def test_very_many_deadlines_are_recorded_before_any_of_them_is_judged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.watcher.BATCH", 2)
    home = house(store, *"abcdefg")
    record, woken = home.recorder.record, []

    async def watched(*arguments: Any, **more: Any) -> Any:
        woken.append(home.recorder.changed.is_set())
        return await record(*arguments, **more)

    async def main() -> None:
        await home.watcher.start(NOW)
        await steps(home, NOW + 89)
        home.recorder.changed.clear()
        monkeypatch.setattr(home.recorder, "record", watched)
        await steps(home, NOW + 90)
        assert home.recorder.changed.is_set()

    asyncio.run(main())
    assert woken == [False] * 4
    assert home.state("g").state is State.DOWN


def test_ten_minutes_of_absence_alert_nobody_and_what_is_late_afterwards_does(store: Store) -> None:
    before = house(store, "a")

    async def first() -> None:
        await before.watcher.start(NOW)
        await before.ping("a")
        await steps(before, NOW + 10)

    asyncio.run(first())
    after = house(store, "a")  # as after kill -9: nobody said goodbye
    after.now = NOW + 610

    async def second() -> MonitorState:
        await after.watcher.start(after.now)
        await after.watcher.once(after.now)
        at_once = after.state("a")
        await steps(after, NOW + 610 + 200)
        return at_once

    assert asyncio.run(second()).state is not State.DOWN
    assert after.state("a").state is State.DOWN
    ((begun, ended),) = store.read_now(lambda conn: blind.spans(conn, 0.0, NOW + 999))
    assert (NOW <= begun <= NOW + 10, ended) == (True, NOW + 610)  # kept: neither up nor down


def test_what_was_due_still_alerts_after_a_restart_of_two_seconds(store: Store) -> None:
    before = house(store, "a")

    async def first() -> None:
        await before.watcher.start(NOW)
        await before.ping("a")
        await steps(before, NOW + 89)

    asyncio.run(first())
    after = house(store, "a")

    async def second() -> None:
        after.now = NOW + 91.5
        await after.watcher.start(after.now)
        for _ in range(3):
            await after.watcher.once(after.now)
            after.now += 0.1

    asyncio.run(second())
    assert after.state("a").state is State.DOWN


@pytest.mark.parametrize("gap", [60.0, 3600.0])
def test_a_machine_that_slept_or_a_clock_that_jumped_makes_no_storm(store: Store, gap: float) -> None:
    names = [f"m{number}" for number in range(50)]
    home = house(store, *names)

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.recorder.record([(home.id(name), success()) for name in names])
        await steps(home, NOW + 59)
        home.now += gap
        await home.watcher.once(home.now)
        await home.watcher.once(home.now + 1)

    asyncio.run(main())
    assert {home.state(name).state for name in names} <= {State.UP, State.GRACE}


def test_a_clock_that_goes_back_makes_no_storm(store: Store) -> None:
    home = house(store, "a")

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.ping("a")
        home.now -= 3600
        await home.watcher.once(home.now)
        await home.ping("a")
        await steps(home, home.now + 30)

    asyncio.run(main())
    assert home.state("a").state is State.UP


def test_time_without_the_database_is_blind_time_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    home = house(store, "a")
    write = store.write

    async def away(fn: object) -> None:
        raise StoreUnavailable("database: away")

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.ping("a")
        await steps(home, NOW + 80)
        monkeypatch.setattr(store, "write", away)
        for _ in range(100):
            home.now += 1
            with contextlib.suppress(StoreUnavailable):
                await home.watcher.once(home.now)
            with pytest.raises(StoreUnavailable):
                await home.ping("a")
        monkeypatch.setattr(store, "write", write)
        await home.watcher.once(home.now)

    asyncio.run(main())
    assert home.state("a").state is not State.DOWN


def test_the_store_knows_when_a_node_was_last_alive_and_that_it_stopped_in_order(store: Store) -> None:
    home = house(store, "a")

    async def main() -> None:
        await home.watcher.start(NOW)
        await steps(home, NOW + 20)
        await home.watcher.stop(NOW + 21)

    asyncio.run(main())
    assert store.read_now(nodes.last_seen) == NOW + 21


def test_the_loop_judges_within_a_fraction_of_a_second_of_the_deadline(store: Store) -> None:
    """On the real clock: what is committed with an earlier deadline wakes the loop."""
    home = House(store, heartbeat("a", grace=0.0))
    watcher = Watcher(store, home.registry, home.recorder, node="node", clock=time.time)
    home.recorder._clock = time.time

    async def main() -> float:
        await watcher.start(time.time())
        loop = asyncio.create_task(watcher.run())
        await asyncio.sleep(0.2)  # let it fall asleep first: it is the waking that is tested
        due = time.time() + 0.4
        await home.recorder.record([(home.id("a"), success(due - 60))])
        async with asyncio.timeout(10):
            while home.state("a").state is not State.DOWN:
                await asyncio.sleep(0.01)
        loop.cancel()
        return time.time() - due

    assert -0.01 < asyncio.run(main()) < 0.8


def test_runs_journaled_while_the_checker_was_down_are_backdated_and_only_the_missing_one_alerts(
    store: Store,
) -> None:
    before = house(store, "journaled", "dead")

    async def first() -> None:
        await before.watcher.start(NOW)
        await before.ping("journaled")
        await before.ping("dead")
        await steps(before, NOW + 10)

    asyncio.run(first())
    after = house(store, "journaled", "dead")
    after.now = NOW + 610
    runs = [NOW + 100 * number for number in range(1, 6)]

    async def second() -> None:
        await after.watcher.start(after.now)
        await after.turn()
        for at in runs:  # the job's journal comes in, and then its next runs
            await after.ping("journaled", success(at))
        for _ in range(6):
            await after.ping("journaled", success(after.now))
            for _ in range(30):
                await after.turn(after.now + 1)

    asyncio.run(second())
    assert after.channels["ops"].events == [("opened", "dead")]
    number = after.id("journaled")
    rows = after.rows(ping, "monitor_id", "at", "received_at")
    assert [at for monitor_id, at, received in rows if monitor_id == number and received > at] == runs
    assert after.state("journaled").state is State.UP


def test_a_database_that_was_away_makes_no_alert_of_what_could_not_be_recorded(store: Store) -> None:
    home = house(store, "a")

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.ping("a")
        await steps(home, NOW + 20)
        home.now += 600  # nothing could be read or written: no look got through
        await home.turn()
        await home.turn(home.now + 1)
        await home.ping("a")
        await steps(home, home.now + 60)
        await home.turn()

    asyncio.run(main())
    assert home.channels["ops"].events == []


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_by_an_hour_tells_nothing_and_a_dead_job_is_told_later(
    store: Store, hours: int
) -> None:
    home = house(store, "alive", "dead")

    async def main() -> None:
        await home.watcher.start(NOW)
        await home.ping("alive")
        await home.ping("dead")
        await steps(home, NOW + 30)
        home.now += hours * 3600
        for _ in range(8):
            await home.ping("alive")
            for _ in range(30):
                await home.turn(home.now + 1)

    asyncio.run(main())
    assert ("opened", "alive") not in home.channels["ops"].events
    if hours > 0:
        assert home.channels["ops"].events == [("opened", "dead")]
