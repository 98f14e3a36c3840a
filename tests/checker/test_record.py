"""The one door: what is answered is committed, whoever comes at once, whatever one of them brings."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from checker.model import (
    Blind,
    Cause,
    Command,
    Deadline,
    MonitorSpec,
    MonitorState,
    Observation,
    Ping,
    PingKind,
    Poll,
    State,
    Verdict,
)
from checker.record import Overloaded, Recorded, StoreUnavailable, UnknownMonitorError
from checker.registry import Registry
from checker.state import advance
from checker.store import Store, door
from checker.store.tables import change, ping, poll
from tests.checker.house import NOW, SHOP, House, heartbeat, success
from tests.waiting import wait_for


@pytest.fixture
def house(store: Store) -> House:
    return House(store, heartbeat("a"), heartbeat("b"), SHOP)


def test_a_ping_is_committed_when_the_call_returns(house: House) -> None:
    (done,) = asyncio.run(
        house.recorder.record([(house.id("a"), success(body=b"fine\x00", user_agent="c\x00url"))])
    )
    assert (done.before.state, done.after.state, done.n) == (State.NEW, State.UP, 1)
    assert [each.monitor_id for each in done.changes] == [house.id("a")]
    assert house.state("a") == done.after
    assert house.rows(ping, "monitor_id", "n", "kind", "body", "user_agent") == [
        (house.id("a"), 1, "success", b"fine\x00", "c\ufffdurl")
    ]
    assert house.rows(change, "monitor_id", "old", "new") == [(house.id("a"), "new", "up")]
    assert house.recorder.changed.is_set()


def test_many_callers_at_once_share_commits_and_each_gets_its_own_number(house: House) -> None:
    writes = 0
    write = house.store.write

    async def counted(fn: Callable[[Connection], Any]) -> Any:
        nonlocal writes
        writes += 1
        return await write(fn)

    house.store.write = counted  # type: ignore[method-assign]

    async def main() -> list[int]:
        name = ("a", "b")
        calls = [house.recorder.record([(house.id(name[index % 2]), success())]) for index in range(200)]
        return sorted(each.n for found in await asyncio.gather(*calls) for each in found)

    assert asyncio.run(main()) == sorted([*range(1, 101), *range(1, 101)])
    assert writes < 20
    assert (house.state("a").pings, house.state("b").pings) == (100, 100)
    count = house.store.read_now(lambda conn: conn.execute(select(func.count()).select_from(ping)).scalar())
    assert count == 200


def test_a_caller_alone_waits_for_nobody(house: House) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await house.recorder.record([(house.id("a"), success())])
        begun = loop.time()
        for _ in range(10):
            await house.recorder.record([(house.id("a"), success())])
        return (loop.time() - begun) / 10

    assert asyncio.run(main()) < 0.5


def test_observations_of_one_caller_are_folded_in_their_order(house: House) -> None:
    a = house.id("a")
    house.now = NOW + 6
    run = [
        Ping(PingKind.START, at=NOW, rid="r1"),
        success(NOW + 5, rid="r1"),
        Ping(PingKind.FAIL, at=NOW + 6),
    ]
    done = asyncio.run(house.recorder.record([(a, each) for each in run]))
    assert [each.n for each in done] == [1, 2, 3]
    assert [each.after.state for each in done] == [State.NEW, State.UP, State.DOWN]
    assert house.rows(ping, "n", "rid", "duration") == [(1, "r1", None), (2, "r1", 5.0), (3, None, None)]
    assert house.rows(change, "old", "new") == [("new", "up"), ("up", "down")]


def test_every_kind_of_observation_comes_through_the_same_door(house: House) -> None:
    a = house.id("a")

    async def main() -> list[State]:
        seen: list[Observation] = [
            success(),
            Deadline(NOW + 91),
            Command("pause", NOW + 92),
            Command("resume", NOW + 93),
        ]
        states = []
        for each in seen:
            house.now = each.at
            (done,) = await house.recorder.record([(a, each)])
            states.append(done.after.state)
        (done,) = await house.recorder.record([(a, Blind(NOW + 93, NOW + 700))])
        return [*states, done.after.state]

    states = asyncio.run(main())
    assert states[:3] == [State.UP, State.DOWN, State.PAUSED]
    assert State.DOWN not in states[3:]


def look(
    verdict: Verdict, at: float, *parts: tuple[str, Poll], reason: str = "", cause: Cause = Cause.NONE
) -> Poll:
    return Poll(verdict, at, cause, reason, 200, 0.02, components=parts)


def test_a_poll_makes_its_components_once_and_gives_each_a_state_of_its_own(house: House) -> None:
    shop = house.id("shop")
    good = ("queue:depth", look(Verdict.PASS, NOW))
    bad = ("db:write", look(Verdict.FAIL, NOW, reason="read-only", cause=Cause.FAILING))

    async def main() -> None:
        poll = look(Verdict.FAIL, NOW, good, bad, reason="db:write", cause=Cause.FAILING)
        both = await asyncio.gather(*(house.recorder.record([(shop, poll)]) for _ in range(2)))
        assert len(both[0][0].components) == 2
        await house.recorder.record([(shop, poll)])

    asyncio.run(main())
    assert set(house.registry.components(shop)) == {"queue:depth", "db:write"}
    assert house.state("shop/db:write").state is State.DOWN
    assert house.state("shop/db:write").reason == "read-only"
    assert house.state("shop/queue:depth").state is State.UP
    fresh = Registry(house.store)
    fresh.reload_now()
    assert fresh.components(shop) == house.registry.components(shop)


def test_an_endpoint_has_a_row_a_poll_and_a_component_a_row_a_turn(house: House) -> None:
    shop = house.id("shop")

    def polls(verdict: Verdict, reason: str) -> Poll:
        return look(verdict, NOW, ("db:write", look(verdict, NOW, reason=reason)), reason=reason)

    async def main() -> None:
        for _ in range(5):
            await house.recorder.record([(shop, polls(Verdict.PASS, ""))])
        for _ in range(5):
            await house.recorder.record([(shop, polls(Verdict.FAIL, "read-only"))])
        await house.recorder.record([(shop, polls(Verdict.PASS, ""))])

    asyncio.run(main())
    part = house.registry.component(shop, "db:write")
    rows = house.rows(poll, "monitor_id", "verdict")
    assert [verdict for each, verdict in rows if each == shop] == ["pass"] * 5 + ["fail"] * 5 + ["pass"]
    assert [verdict for each, verdict in rows if each == part] == ["pass", "fail", "pass"]


def test_one_poisoned_observation_fails_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:

    def poisoned(spec: MonitorSpec, state: MonitorState, seen: Observation, now: float) -> Any:
        if isinstance(seen, Ping) and seen.body == b"poison":
            raise ZeroDivisionError
        return advance(spec, state, seen, now)

    monkeypatch.setattr("checker.fold.advance", poisoned)

    async def main() -> list[Any]:
        bodies = [b"one", b"poison", b"two"]
        calls = [house.recorder.record([(house.id("a"), success(body=each))]) for each in bodies]
        return await asyncio.gather(*calls, return_exceptions=True)

    one, poison, two = asyncio.run(main())
    assert isinstance(poison, ZeroDivisionError)
    assert [one[0].n, two[0].n] == [1, 2]
    assert house.rows(ping, "n", "body") == [(1, b"one"), (2, b"two")]


def test_a_row_that_breaks_a_rule_of_the_database_fails_alone(house: House) -> None:
    a, b = house.id("a"), house.id("b")

    def take(conn: Connection) -> None:  # as a damaged or half-restored database would have it
        door.insert_pings(conn, [door.ping_row(a, 1, success(), NOW, None)])

    house.store.write_now(take)

    async def main() -> list[Any]:
        calls = [house.recorder.record([(each, success())]) for each in (a, b)]
        return await asyncio.gather(*calls, return_exceptions=True)

    bad, good = asyncio.run(main())
    assert type(bad).__name__ == "IntegrityError"
    assert good[0].n == 1
    assert house.state("a").pings == 0
    assert house.state("b").pings == 1


def test_a_monitor_that_is_gone_is_named_to_its_caller_alone(house: House) -> None:
    async def main() -> None:
        with pytest.raises(UnknownMonitorError, match="999"):
            await house.recorder.record([(999, success())])
        await house.recorder.record([(house.id("a"), success())])

    asyncio.run(main())
    assert house.state("a").pings == 1


def test_who_comes_when_too_many_wait_is_told_to_come_again_and_the_others_are_served(store: Store) -> None:
    house = House(store, heartbeat("a"), limit=10)

    async def main() -> tuple[int, int]:
        calls = [house.recorder.record([(house.id("a"), success())]) for _ in range(25)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in found if isinstance(each, Overloaded)]
        return len(found) - len(refused), len(refused)

    served, refused = asyncio.run(main())
    assert (served, refused) == (10, 15)
    assert house.state("a").pings == 10
    assert house.recorder.waiting == 0


def test_an_empty_call_is_answered_at_once(house: House) -> None:
    assert asyncio.run(house.recorder.record([])) == []


def test_the_watcher_is_woken_by_an_earlier_deadline_only(house: House) -> None:
    async def main() -> tuple[bool, bool]:
        recorder = house.recorder
        recorder.awaited = NOW + 50
        await recorder.record([(house.id("a"), success())])  # due at +60, and 30 of grace
        late = recorder.sooner.is_set()
        recorder.awaited = math.inf
        await recorder.record([(house.id("a"), success())])
        return late, recorder.sooner.is_set()

    assert asyncio.run(main()) == (False, True)


def test_a_locked_database_is_never_answered_as_recorded(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}", timeout=0.3)
    store.migrate()
    house = House(store, heartbeat("a"))

    async def main() -> None:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        calls = [house.recorder.record([(house.id("a"), success())]) for _ in range(5)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found] == [StoreUnavailable] * 5
        other.rollback()
        other.close()

    asyncio.run(main())

    def again() -> list[Recorded]:
        try:
            return asyncio.run(house.recorder.record([(house.id("a"), success())]))
        except StoreUnavailable:  # the writer may still wait for the lock that it was refused
            return []

    (done,) = wait_for(again, what="a recorded ping")
    assert house.state("a").pings == done.n
    store.close()
