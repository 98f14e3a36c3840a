"""The poller keeps every endpoint's schedule, whatever the others or the store do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.http import Http
from checker.model import Command, Kind, MonitorSpec, Observation, State, Verdict
from checker.poller import FIRST_WITHIN, Poller, next_slot
from checker.record import UNCOUNTED, Counted, Overloaded, Recorded, Recorder
from checker.registry import Registry
from checker.store import Store, StoreUnavailable, door, monitors
from checker.store.bulk import Row
from tests.checker import hostile
from tests.checker.hostile import HostileServer
from tests.checker.stores import prepared
from tests.recording import Answer, RecordingServer

NOW = 1_700_000_000.0


@dataclass
class Bench:
    """A checker's parts as the poller uses them."""

    store: Store
    registry: Registry
    recorder: Recorder
    poller: Poller

    async def watch(self, *specs: MonitorSpec) -> dict[str, int]:
        """Make these the configured endpoints; return name -> id."""
        await self.store.write(lambda conn: monitors.sync(conn, specs, NOW))
        await self.registry.reload()
        return {spec.name: monitor_id for monitor_id, spec in self.registry.endpoints()}

    def state_of(self, full_name: str) -> State:
        monitor_id = self.registry.full_name(full_name)
        assert monitor_id is not None
        return self.store.read_now(lambda conn: door.load_states(conn, [monitor_id]))[monitor_id].state


class FailingRecorder(Recorder):
    """The real one, told to refuse or to hang."""

    trouble: Exception | None = None
    hanging = False

    async def record(
        self,
        observations: Sequence[tuple[int, Observation]],
        *,
        history: Sequence[Row] = (),
        counted: Counted = UNCOUNTED,
    ) -> list[Recorded]:
        if self.trouble is not None:
            raise self.trouble
        if self.hanging:
            await asyncio.Event().wait()
        return await super().record(observations, history=history, counted=counted)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Store]:
    store = prepared(tmp_path / "checker.db")
    yield store
    store.close()


def run(store: Store, work: Callable[[Bench], Coroutine[Any, Any, None]], **options: Any) -> None:
    @contextlib.asynccontextmanager
    async def bench() -> AsyncIterator[Bench]:
        registry = Registry(store)
        recorder = FailingRecorder(store, registry, lambda: NOW)
        async with Http() as http:
            poller = Poller(registry, recorder, http, lambda: NOW, **options)
            yield Bench(store, registry, recorder, poller)
            await recorder.drain()

    async def main() -> None:
        async with bench() as parts:
            await work(parts)

    asyncio.run(main())


async def until(condition: Callable[[], Any], what: str, timeout: float = 20.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what} did not hold within {timeout} s"
        await asyncio.sleep(0.01)


def endpoint(name: str, url: str, every: float = 30.0, **fields: Any) -> MonitorSpec:
    return MonitorSpec(Kind.ENDPOINT, name, url=url, every=every, **fields)


# What is due, and when.


@given(
    name=st.text(min_size=1, max_size=20),
    every=st.floats(1, 86_400),
    start=st.floats(0, 1e7),
    late=st.lists(st.floats(0, 0.4), min_size=5, max_size=5),
)
def test_looks_lie_exactly_one_interval_apart_after_the_first_step(
    name: str, every: float, start: float, late: list[float]
) -> None:
    spec = endpoint(name, "http://h", every)
    second = next_slot(spec, start, start)
    assert every / 2 - 1e-3 <= second - start <= every * 1.5 + 1e-3
    planned = second
    for share in late:  # started late by up to 0.4 of the interval: no drift
        following = next_slot(spec, planned, planned + share * every)
        assert following - planned == pytest.approx(every, abs=1e-3)
        planned = following


def test_slots_that_have_passed_are_left_out_not_made_up_for() -> None:
    spec = endpoint("shop", "http://h", 30)
    planned = next_slot(spec, 0, 0)
    following = next_slot(spec, planned, planned + 1000)
    assert planned + 1000 < following <= planned + 1030
    assert (following - planned) % 30 == pytest.approx(0, abs=1e-6)


def test_a_thousand_endpoints_spread_evenly_over_their_interval() -> None:
    counts = [0] * 30
    for n in range(3000):
        counts[int(next_slot(endpoint(f"endpoint-{n}", "http://h", 30), 0, 0) % 30)] += 1
    assert min(counts) > 50
    assert max(counts) < 150


def test_a_new_endpoint_is_looked_at_within_seconds_then_at_its_own_pace(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer() as server:
            await parts.watch(*(endpoint(f"e{n}", server.url, 60.0) for n in range(20)))
            assert len(await parts.poller.once(1000.0)) < 20  # not all at one moment
            await parts.poller.once(1000.0 + 1.1)
            assert len(server.requests) == 20  # so few are looked at soon
            await parts.poller.once(1000.0 + FIRST_WITHIN)
            assert len(server.requests) == 20
            await parts.poller.once(1000.0 + FIRST_WITHIN + 1)
            assert len(server.requests) == 20
            for second in range(6, 96):
                await parts.poller.once(1000.0 + second)
            assert 40 <= len(server.requests) <= 60

    run(database, work)


# What is seen and recorded.


def test_what_is_seen_is_recorded_with_each_component_as_a_monitor_of_its_own(database: Store) -> None:
    read_only = {
        "database:write": [{"status": "fail", "output": "read-only"}],
        "queue:depth": [{"status": "pass"}],
    }
    body = json.dumps({"status": "fail", "checks": read_only}).encode()

    async def work(parts: Bench) -> None:
        with RecordingServer(
            default=Answer(503, body, {"Content-Type": "application/health+json"})
        ) as server:
            ids = await parts.watch(endpoint("shop", server.url))
            await parts.poller.once(0.0)
            assert await parts.poller.once(FIRST_WITHIN) == [ids["shop"]]
            assert parts.poller.latest[ids["shop"]].verdict is Verdict.FAIL
            assert parts.state_of("shop") is State.DOWN
            assert parts.state_of("shop/database:write") is State.DOWN
            assert parts.state_of("shop/queue:depth") is State.UP

    run(database, work)


@pytest.mark.parametrize("trouble", [StoreUnavailable("the disk is full"), Overloaded("too many wait")])
def test_with_the_store_away_it_looks_on_and_keeps_results_in_memory(
    database: Store, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(parts: Bench) -> None:
        assert isinstance(parts.recorder, FailingRecorder)
        with RecordingServer() as server:
            ids = await parts.watch(endpoint("shop", server.url, 1.0))
            parts.recorder.trouble = trouble
            for second in range(6):
                await parts.poller.once(float(second))
            assert parts.poller.latest[ids["shop"]].verdict is Verdict.PASS
            assert parts.poller.unrecorded >= 3
            assert parts.state_of("shop") is State.NEW
            parts.recorder.trouble = None
            await parts.poller.once(10.0)
            assert parts.poller.unrecorded == 0
            assert parts.state_of("shop") is State.UP

    with caplog.at_level(logging.WARNING, "checker.tally"):
        run(database, work)
    told = [record.getMessage() for record in caplog.records if record.name == "checker.tally"]
    assert len(told) == 2  # once when it began, once when it ended
    assert str(trouble) in told[0]


def test_our_own_mistake_ends_one_look_not_the_loop(
    database: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(parts: Bench) -> None:
        assert isinstance(parts.recorder, FailingRecorder)
        with RecordingServer() as server:
            await parts.watch(endpoint("shop", server.url, 1.0))
            parts.recorder.trouble = RuntimeError("a bug")
            await parts.poller.once(0.0)
            await parts.poller.once(5.0)
            parts.recorder.trouble = None
            await parts.poller.once(10.0)
            assert parts.state_of("shop") is State.UP

    run(database, work)
    assert "could not be recorded" in caplog.text


# The loop.


def test_endpoints_that_hang_change_nothing_for_the_others(database: Store) -> None:
    arrivals: list[float] = []

    async def work(parts: Bench) -> None:
        with HostileServer(hostile.hang) as hanging, RecordingServer() as server:
            hang = [endpoint(f"hang-{n}", hanging.url, 0.3, timeout=30.0) for n in range(10)]
            good = [endpoint(f"good-{n}", f"{server.url}/{n}", 0.3) for n in range(20)]
            await parts.watch(*hang, *good)
            running = asyncio.create_task(parts.poller.run())
            await until(
                lambda: all(server.paths().count(f"/{n}") >= 6 for n in range(20)), "six looks at each", 25.0
            )
            arrivals.extend(request.at for request in server.requests if request.path == "/7")
            start = time.monotonic()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert time.monotonic() - start < 15  # ends what is in flight, which would take 30 s

    run(database, work)
    gaps = sorted(later - earlier for earlier, later in pairwise(arrivals[1:]))
    assert gaps[len(gaps) // 2] < 10  # it waited for none of those that hang


def test_an_endpoint_never_has_two_looks_in_flight(database: Store) -> None:
    open_at_once: list[int] = []

    async def work(parts: Bench) -> None:
        with RecordingServer(default=Answer(delay=0.35)) as server:
            await parts.watch(endpoint("slow", server.url, 0.1))
            running = asyncio.create_task(parts.poller.run())
            while len(server.requests) < 4:
                open_at_once.append(parts.poller._http.in_flight)
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work)
    assert max(open_at_once) == 1


def test_requests_in_flight_are_bounded(database: Store) -> None:
    open_at_once: list[int] = []

    async def work(parts: Bench) -> None:
        with RecordingServer(default=Answer(delay=0.05)) as server:
            await parts.watch(*(endpoint(f"e{n}", server.url, 0.2) for n in range(30)))
            running = asyncio.create_task(parts.poller.run())
            while len(server.requests) < 60:
                open_at_once.append(parts.poller._http.in_flight)
                await asyncio.sleep(0.005)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work, in_flight=4)
    assert max(open_at_once) == 4


def test_a_reload_adds_and_removes_endpoints_at_once_and_leaves_the_others_alone(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer() as server:
            kept = endpoint("kept", server.url + "/kept", 0.2)
            await parts.watch(kept, endpoint("gone", server.url + "/gone", 0.2))
            running = asyncio.create_task(parts.poller.run())
            await until(lambda: {"/kept", "/gone"} <= set(server.paths()), "both looked at")
            await parts.watch(kept, endpoint("new", server.url + "/new", 0.2))
            parts.poller.reload()
            await until(lambda: "/new" in server.paths(), "the new one looked at")
            asked = server.paths().count("/gone")
            before = server.paths().count("/kept")
            await until(lambda: server.paths().count("/kept") > before + 2, "the kept one looked at")
            assert server.paths().count("/gone") == asked
            assert len(parts.poller.latest) == 2
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work)


def test_five_thousand_endpoints_added_at_once_are_looked_at_in_their_turn(database: Store) -> None:
    async def work(parts: Bench) -> None:
        specs = [endpoint(f"e{n}", f"http://e{n}.test/", 30.0) for n in range(5_000)]
        await parts.watch(endpoint("first", "http://first.test/"))
        parts.poller._adopt(0.0)
        await parts.watch(endpoint("first", "http://first.test/"), *specs)
        parts.poller._adopt(100.0)
        assert most_within(parts.poller, 0.1) <= 160  # 100 of 5,000 in a tenth of a second, if wholly even

    run(database, work)


@pytest.mark.parametrize(("before", "after"), [(30.0, 60.0), (3600.0, 10.0), (10.0, 3600.0)])
def test_a_new_interval_for_all_of_many_makes_no_rush_and_nobody_wait_longer_than_either(
    database: Store, before: float, after: float
) -> None:
    async def work(parts: Bench) -> None:
        specs = [endpoint(f"e{n}", f"http://e{n}.test/", before) for n in range(400)]
        await parts.watch(*specs)
        schedule, now = parts.poller._schedule, 1_000_000.0
        parts.poller._adopt(now - before)
        while (due := schedule.pop_due(now)) is not None:  # all were looked at, and have their next slots
            due.due = next_slot(due.spec, due.due, now)
            schedule.push(due)
        await parts.watch(*(replace(spec, every=after) for spec in specs))
        parts.poller._adopt(now)
        shorter = min(before, after)
        assert all(now < each.due <= now + shorter for each in parts.poller._endpoints.values())
        assert most_within(parts.poller, shorter / 10) <= 80  # 40, if wholly even
        looked: list[int] = []
        while (due := schedule.pop_due(now + shorter)) is not None:
            looked.append(due.id)
        assert len(looked) == len(set(looked)) == 400  # the place it had before is given up

    run(database, work)


def test_an_interval_changed_while_a_look_is_under_way_leaves_it_alone(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer(default=Answer(delay=0.3)) as server:
            ids = await parts.watch(endpoint("slow", server.url, 0.2))
            running = asyncio.create_task(parts.poller.run())
            await until(lambda: server.requests, "a look")
            await parts.watch(endpoint("slow", server.url, 0.1))
            parts.poller.reload()
            await until(lambda: parts.poller.latest.get(ids["slow"]), "its answer")
            assert parts.poller.latest[ids["slow"]].verdict is Verdict.PASS
            await until(lambda: len(server.requests) > 2, "further looks")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work)


def test_a_clock_that_is_set_moves_no_look_and_every_look_still_counts(database: Store) -> None:
    now = [NOW]

    async def main() -> None:
        with RecordingServer(default=Answer(500)) as server:
            registry = Registry(database)
            recorder = Recorder(database, registry, lambda: now[0])
            async with Http() as http:
                poller = Poller(registry, recorder, http, lambda: now[0])
                parts = Bench(database, registry, recorder, poller)
                await parts.watch(endpoint("shop", server.url, 10.0, fail_after=3))
                for turn, step in enumerate((0.0, 3600.0, -7200.0, 3600.0), 1):
                    now[0] += step
                    await poller.once(1000.0 + 30.0 * turn)
                    assert len(server.requests) == turn - 1  # a new one is looked at some seconds later
                assert parts.state_of("shop") is State.DOWN

    asyncio.run(main())


def most_within(poller: Poller, seconds: float) -> int:
    """Return how many endpoints are due within the busiest such stretch of time."""
    dues = [each.due for each in poller._endpoints.values()]
    return max(Counter(math.floor(due / seconds) for due in dues).values())


def test_new_headers_and_limits_are_used_without_losing_the_place_in_the_schedule(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer() as server:
            await parts.watch(endpoint("shop", server.url, 60.0, headers={"X-A": "1"}))
            await parts.poller.once(0.0)
            await parts.poller.once(5.0)
            await parts.watch(endpoint("shop", server.url, 60.0, headers={"X-A": "2"}))
            await parts.poller.once(10.0)
            assert len(server.requests) == 1  # not looked at anew
            await parts.poller.once(100.0)
            assert [request.headers["x-a"] for request in server.requests] == ["1", "2"]

    run(database, work)


def test_when_no_name_resolves_at_all_it_is_our_own_network_and_no_look_counts(database: Store) -> None:
    async def work(bench: Bench) -> None:
        sites = [endpoint(f"s{number}", f"http://s{number}.invalid/", fail_after=1) for number in range(5)]
        found = await bench.watch(*sites)
        task = asyncio.create_task(bench.poller.run())
        await until(lambda: len(bench.poller.latest) == len(found), "every endpoint was looked at")
        await asyncio.sleep(0)
        assert bench.poller.sight.since == NOW
        assert {bench.state_of(each) for each in ("s0", "s1", "s2", "s3", "s4")} == {State.NEW}
        task.cancel()

    run(database, work)


# Paused by an operator.


def test_a_paused_endpoint_is_not_looked_at_and_is_at_once_when_it_is_resumed(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer() as server:
            ids = await parts.watch(
                endpoint("shop", server.url + "/shop", 0.2), endpoint("other", server.url + "/other", 0.2)
            )
            running = asyncio.create_task(parts.poller.run())
            await until(lambda: {"/shop", "/other"} <= set(server.paths()), "both looked at")
            await parts.recorder.record([(ids["shop"], Command("pause", NOW))])
            await until(lambda: ids["shop"] not in parts.poller.latest, "the pause was noticed")
            asked, before = server.paths().count("/shop"), server.paths().count("/other")
            await until(lambda: server.paths().count("/other") > before + 4, "the other one looked at")
            assert server.paths().count("/shop") <= asked + 1  # one may have been under way
            await parts.recorder.record([(ids["shop"], Command("resume", NOW))])
            await until(lambda: server.paths().count("/shop") > asked + 1, "looked at again")
            await until(lambda: parts.state_of("shop") is State.UP, "judged again")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work)


def test_what_was_paused_before_the_start_is_not_looked_at_once(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with RecordingServer() as server:
            ids = await parts.watch(endpoint("shop", server.url, 1.0))
            await parts.recorder.record([(ids["shop"], Command("pause", NOW))])
            await parts.poller.once(0.0)
            await parts.poller.once(10.0)
            assert not server.requests
            await parts.recorder.record([(ids["shop"], Command("resume", NOW))])
            await parts.poller.once(10.0)  # now, not within the seconds that a new one is given
            assert len(server.requests) == 1

    run(database, work)


def test_more_silent_endpoints_than_slots_leave_half_of_the_slots_to_the_others(database: Store) -> None:
    async def work(parts: Bench) -> None:
        with HostileServer(hostile.hang) as hanging, RecordingServer() as server:
            hang = [endpoint(f"hang-{n}", hanging.url, 0.2, timeout=0.5) for n in range(12)]
            good = [endpoint(f"good-{n}", f"{server.url}/{n}", 0.2) for n in range(4)]
            ids = await parts.watch(*hang, *good)
            running = asyncio.create_task(parts.poller.run())
            await until(lambda: len(parts.poller.latest) == len(ids), "each was looked at", timeout=30)
            patient = {each.id: replace(each.spec, timeout=30.0) for each in parts.poller._endpoints.values()}
            for number, spec in patient.items():  # from now on the silent ones hold their slots for long
                parts.poller._endpoints[number].spec = spec
            counts = [server.paths().count(f"/{n}") for n in range(4)]
            await until(
                lambda: all(server.paths().count(f"/{n}") > counts[n] + 5 for n in range(4)),
                "the others are looked at",
                timeout=30,
            )
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(database, work, in_flight=6)
