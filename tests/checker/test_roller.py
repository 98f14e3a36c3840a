"""History is rolled up once each row, whatever breaks off in between, and tells the same as the raw rows."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from checker import roller as rolling
from checker.maintenance import MaintenanceSpec, openings
from checker.model import Cause, Change, State, Verdict
from checker.roller import KEEP_HOURS, Roller
from checker.rules.uptime import Uptime
from checker.schedule import Cron
from checker.store import Store, StoreUnavailable, blind, door, figures, nodes, rollups, uptime
from checker.store.history_tables import history_day, history_hour
from checker.store.nodes import Fenced
from checker.store.rollups import DAY, HOUR
from checker.store.sketch import Sketch
from tests.checker.house import SHOP, House, heartbeat, success

DAY_ONE = 12 * DAY  # the midnight after the house was made
NAMES = ("shop", "a", "b")


class Breaking:
    """A store whose n-th write from now fails, before or after its commit."""

    def __init__(self, store: Store, writes: int, *, after: bool) -> None:
        self.dialect, self.read, self._store = store.dialect, store.read, store
        self._left, self._after = writes, after

    async def write(self, fn: Callable[[Connection], Any]) -> Any:
        """Write, or break."""
        self._left -= 1
        if self._left < 0 and not self._after:
            raise StoreUnavailable("broken off")
        found = await self._store.write(fn)
        if self._left < 0:
            raise StoreUnavailable("broken off")
        return found


def home(store: Store) -> House:
    house = House(store, SHOP, heartbeat("a"), heartbeat("b"))
    house.now = DAY_ONE + 3 * DAY
    return house


def make(house: House, store: Any = None, *, node: str = "n", windows: Any = ()) -> Roller:
    return Roller(
        store or house.store,
        node=node,
        clock=house.clock,
        maintenance=lambda: windows,
        pause=0.0,
        settle=0.0,
    )


def roll(house: House, now: float | None = None, **options: Any) -> bool:
    house.now = now or house.now
    return asyncio.run(make(house, **options).once(house.now))


def polls(house: House, at: list[float], *, failed: int = 0, latency: float = 0.1) -> None:
    rows = [
        (house.id("shop"), each, str(Verdict.FAIL if n < failed else Verdict.PASS), 200, latency, None)
        for n, each in enumerate(at)
    ]
    house.store.write_now(lambda conn: door.insert_polls(conn, rows))


def pings(house: House, name: str, at: list[float], *, duration: float = 5.0, first: int = 1) -> None:
    signs = [success(each) for each in at]
    rows = [
        door.ping_row(house.id(name), first + n, sign, max(sign.at, house.now), duration)
        for n, sign in enumerate(signs)
    ]
    house.store.write_now(lambda conn: door.insert_pings(conn, rows))


def turn(house: House, name: str, at: float, into: State) -> None:
    change = Change(at, State.NEW, into, Cause.NONE, "r", monitor_id=house.id(name))
    house.store.write_now(lambda conn: door.insert_changes(conn, [door.change_row(change)]))


def looks(house: House) -> dict[tuple[int, int], int]:
    return {(each, hour): n for each, hour, n in house.rows(history_hour, "monitor_id", "hour", "looks")}


def test_looks_and_runs_are_added_to_their_hours_and_days(store: Store) -> None:
    house = home(store)
    polls(house, [DAY_ONE + 60 * n for n in range(120)], failed=3)
    pings(house, "a", [DAY_ONE + 30, DAY_ONE + HOUR])
    assert roll(house)
    hour, shop, a = int(DAY_ONE // HOUR), house.id("shop"), house.id("a")
    assert looks(house) == {(shop, hour): 60, (shop, hour + 1): 60, (a, hour): 1, (a, hour + 1): 1}
    days = house.rows(history_day, "monitor_id", "looks", "failures", "sketch")
    known = {each: (n, bad, Sketch.unpack(data).size) for each, n, bad, data in days if n}
    assert known == {shop: (120, 3, 120), a: (2, 0, 2)}
    assert roll(house)  # once more: nothing is counted twice
    assert sum(looks(house).values()) == 122


def test_what_comes_late_goes_where_its_own_time_says(store: Store) -> None:
    house = home(store)
    pings(house, "a", [DAY_ONE + 30])
    roll(house)
    pings(house, "a", [DAY_ONE + 40, DAY_ONE + 2 * HOUR], first=2)
    roll(house)
    a, hour = house.id("a"), int(DAY_ONE // HOUR)
    assert looks(house) == {(a, hour): 2, (a, hour + 2): 1}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_round_that_is_broken_off_anywhere_is_taken_up_again(
    store: Store, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "PLACES", 1)
    monkeypatch.setattr(rolling, "PAGE", 7)
    monkeypatch.setattr(rolling, "BINS", 4)
    house = home(store)
    random_ = random.Random(4)
    end = DAY_ONE + 3 * DAY
    n, total = 1, 0
    for broken in range(12):
        house.now = end + broken * 200
        fresh = sorted(house.now - random_.uniform(0, HOUR / 2) for _ in range(9))
        polls(house, fresh, latency=random_.uniform(0.01, 9))
        pings(house, "a", [end - random_.uniform(0, 3 * DAY) for _ in range(5)], first=n)
        pings(house, "b", [end - random_.uniform(0, HOUR) for _ in range(4)], first=n)
        n, total = n + 5, total + 18
        breaking = Breaking(store, broken, after=after)
        with contextlib.suppress(StoreUnavailable):
            asyncio.run(make(house, breaking).once(house.now))
        for name in NAMES:
            assert told(house, name, end) == counted(house, name, end), (broken, name)
    roll(house, end + 4000)
    assert sum(looks(house).values()) == total


def told(house: House, name: str, now: float) -> tuple[int, Any]:
    """What the figures tell of a year: from roll-ups and the raw rows behind them."""
    known = house.store.read_now(lambda conn: figures.looks_of(conn, house.id(name), now))
    found = figures.spread(known, now)["1 y"]
    return found.looks, found.p95


def counted(house: House, name: str, now: float) -> tuple[int, Any]:
    """The same, from the raw rows alone."""
    source = rollups.POLLS if name == "shop" else rollups.PINGS
    rows = house.store.read_now(lambda conn: rollups.read(conn, source, 0, 10**9, 10**6))
    mine = [seconds for _, each, _, _, seconds in rows if each == house.id(name)]
    return len(mine), Sketch.of(each or 0.0 for each in mine).quantile(0.95)


def test_the_uptime_of_counted_days_is_that_of_the_changes(store: Store) -> None:
    house = home(store)
    random_ = random.Random(7)
    window = MaintenanceSpec("nightly", Cron("30 23 * * *"), 2 * HOUR, ("a",))
    for name in NAMES:
        at = float(DAY_ONE)
        while at < DAY_ONE + 3 * DAY:
            turn(house, name, at, random_.choice([State.UP, State.DOWN, State.WARN, State.PAUSED]))
            at += random_.uniform(60, 0.4 * DAY)
    blind_spans = [(DAY_ONE + 0.9 * DAY, DAY_ONE + 1.2 * DAY), (DAY_ONE + 2 * DAY, DAY_ONE + 2 * DAY + 90)]
    for begun, ended in blind_spans:
        store.write_now(partial(blind.put, node="n", start=begun, end=ended))
    opened = openings([window], DAY_ONE, DAY_ONE + 4 * DAY)
    names = {house.id(name): name for name in NAMES}
    roll(house, DAY_ONE + 3 * DAY + 1000, windows=[window])
    assert store.read_now(uptime.counted) == (DAY_ONE + 3 * DAY) // DAY
    starts = (DAY_ONE - DAY, DAY_ONE, DAY_ONE + 1000.5, DAY_ONE + 2.5 * DAY, DAY_ONE + 3 * DAY + 100)
    end = DAY_ONE + 3 * DAY + 500.25
    together = {
        each: store.read_now(
            partial(
                uptime.since_each, monitor_id=each, full_name=name, starts=starts, end=end, windows=opened
            )
        )
        for each, name in names.items()
    }
    for n, start in enumerate(starts):
        span: Any = {"names": names, "start": start, "end": end, "windows": opened}
        slow = store.read_now(partial(uptime.from_changes, **span))
        quick = store.read_now(partial(uptime.uptimes, **span))
        for each in names:
            for field in Uptime.__dataclass_fields__:
                expected = pytest.approx(getattr(slow[each], field), abs=1e-3)
                assert getattr(quick[each], field) == expected
                assert getattr(together[each][n], field) == expected


def test_a_blind_time_that_is_known_later_is_counted_into_days_that_were_over(store: Store) -> None:
    house = home(store)
    turn(house, "a", DAY_ONE, State.DOWN)
    roll(house)
    day = int(DAY_ONE // DAY)

    def of_day() -> Uptime:
        return store.read_now(lambda conn: uptime.days(conn, house.id("a"), day, day + 1))[day]

    assert (of_day().down, of_day().blind) == (DAY, 0.0)
    store.write_now(lambda conn: blind.put(conn, "n", DAY_ONE + 100, DAY_ONE + 700))
    roll(house)
    assert (of_day().down, of_day().blind, of_day().share) == (DAY - 600, 600.0, 0.0)
    roll(house)
    assert of_day().blind == 600.0


def test_one_node_rolls_at_a_time_and_a_zombie_is_fenced(store: Store) -> None:
    house = home(store)
    polls(house, [DAY_ONE])
    assert store.write_now(lambda conn: nodes.acquire(conn, "roller", "other", house.now, 60.0))
    assert not roll(house)
    house.now += 61
    zombie = make(house)

    async def asleep() -> None:
        await zombie._begin(house.now)
        house.now += 1000
        assert await make(house, node="other").once(house.now)
        with pytest.raises(Fenced):
            await zombie._write(lambda conn: None)

    asyncio.run(asleep())
    assert sum(looks(house).values()) == 1


def test_hours_go_after_five_weeks_and_days_stay(store: Store) -> None:
    house = home(store)
    polls(house, [DAY_ONE])
    roll(house)
    roll(house, DAY_ONE + (KEEP_HOURS / 24 + 3) * DAY)
    assert looks(house) == {}
    shop = house.id("shop")
    query = select(func.sum(history_day.c.looks)).where(history_day.c.monitor_id == shop)
    assert store.read_now(lambda conn: conn.execute(query).scalar()) == 1


def test_a_monitor_that_was_deleted_meanwhile_takes_its_history_along(store: Store) -> None:
    house = home(store)
    bins: rollups.Bins = {}
    rollups.gather(bins, [(1, house.id("a"), DAY_ONE, False, 1.0), (2, 999_999, DAY_ONE, True, None)])
    store.write_now(lambda conn: rollups.add(conn, bins))
    assert [each for each, _ in looks(house)] == [house.id("a")]
