"""A component that vanishes: told once, shown as gone, forgotten later, and itself again if it comes back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from checker.components import component_spec
from checker.memory import Memory
from checker.model import Cause, Kind, MonitorSpec, Origin, Poll, State, Verdict
from checker.probe_spec import ComponentRule, ProbeSpec
from checker.retention import Retention
from checker.store import Store
from checker.verdict import look_of
from tests.checker.house import SHOP, House

DAY = 86_400.0


class Shop:
    """An endpoint that is looked at by hand, every half minute."""

    def __init__(self, store: Store, spec: MonitorSpec = SHOP) -> None:
        self.house = House(store, spec)
        self.memory = Memory(self.house.registry.components)
        self.spec = spec
        self.retention = Retention(store, self.house.registry, self.house.clock)

    async def look(self, *names: str, verdict: Verdict = Verdict.PASS, times: int = 1) -> None:
        """See a document with these components, so many times, and let all loops turn."""
        for _ in range(times):
            self.house.now += 30
            part = Poll(verdict, self.house.now, reason="" if verdict is Verdict.PASS else "no route")
            poll = Poll(
                Verdict.PASS,
                self.house.now,
                components=tuple((each, part) for each in names),
                origin=Origin(),
            )
            endpoint = self.house.id("shop")
            await self.house.recorder.record([(endpoint, self.memory.recall(endpoint, self.spec, poll))])
            await self.house.turn(self.house.now)

    async def proxy_answers(self) -> None:
        """See an answer without a document."""
        self.house.now += 30
        poll = Poll(Verdict.FAIL, self.house.now, Cause.HTTP, "answered 503", http_status=503)
        endpoint = self.house.id("shop")
        await self.house.recorder.record([(endpoint, self.memory.recall(endpoint, self.spec, poll))])
        await self.house.turn(self.house.now)

    async def settle(self) -> None:
        """Let the time pass that messages are held for company."""
        for _ in range(4):
            await self.house.turn(self.house.now + 10)

    @property
    def told(self) -> list[tuple[str, str]]:
        """Event and title of what was told."""
        return [(str(each.event), each.incident.title) for each in self.house.channels["ops"].told]


def test_a_vanished_component_is_told_once_and_forgotten_after_a_day(store: Store) -> None:
    async def main() -> None:
        shop = Shop(store)
        await shop.look("db:write", "queue:depth", times=3)
        await shop.look("db:write", times=10)
        await shop.settle()
        state = shop.house.state("shop/queue:depth")
        assert (state.state, state.cause) == (State.WARN, Cause.GONE)
        assert "gone" in state.reason
        assert look_of(state).label == "gone"
        assert shop.house.state("shop").state is State.UP
        assert shop.told == [("opened", "shop: queue:depth is gone")]
        assert str(shop.house.channels["ops"].told[0].incident.severity) == "warning"
        await shop.retention.once(shop.house.now)
        assert shop.house.registry.component(shop.house.id("shop"), "queue:depth") is not None
        shop.house.now += DAY
        await shop.retention.once(shop.house.now)
        assert shop.house.registry.component(shop.house.id("shop"), "queue:depth") is None
        await shop.settle()
        await shop.look("db:write", times=3)
        assert [event for event, _ in shop.told] == ["opened", "resolved"]

    asyncio.run(main())


def test_a_component_that_comes_back_is_itself_again_also_after_it_was_forgotten(store: Store) -> None:
    async def main() -> None:
        shop = Shop(store)
        await shop.look("db:write", "queue:depth", times=2)
        await shop.look("db:write", times=3)
        await shop.look("db:write", "queue:depth", times=2)
        assert shop.house.state("shop/queue:depth").state is State.UP
        first = shop.house.id("shop/queue:depth")
        await shop.look("db:write", times=3)
        shop.house.now += DAY
        await shop.retention.once(shop.house.now)
        await shop.look("db:write", "queue:depth")
        assert shop.house.id("shop/queue:depth") == first
        assert shop.house.state("shop/queue:depth").state is State.UP
        await shop.look("db:write", "queue:depth", verdict=Verdict.FAIL, times=3)
        assert shop.house.state("shop/queue:depth").state is State.DOWN

    asyncio.run(main())


def test_a_proxy_that_answers_for_the_app_makes_nothing_vanish(store: Store) -> None:
    async def main() -> None:
        shop = Shop(store)
        await shop.look("db:write", times=2)
        for _ in range(5):
            await shop.proxy_answers()
        assert shop.house.state("shop/db:write").state is State.UP
        assert shop.house.state("shop").state is State.DOWN

    asyncio.run(main())


def test_a_component_that_failed_and_vanished_is_no_page_any_more_but_not_well(store: Store) -> None:
    async def main() -> None:
        shop = Shop(store)
        await shop.look("queue:depth", "db:write", times=2)
        await shop.look("queue:depth", "db:write", verdict=Verdict.FAIL, times=3)
        await shop.look("db:write", times=3)
        state = shop.house.state("shop/queue:depth")
        assert (state.state, state.cause) == (State.WARN, Cause.GONE)

    asyncio.run(main())


def test_a_component_that_is_ignored_from_now_on_goes(store: Store) -> None:
    async def main() -> None:
        shop = Shop(store)
        await shop.look("db:write", "disk:free", times=2)
        rule = ComponentRule("disk:*", ignore=True)
        shop = Shop(store, replace(SHOP, probe=ProbeSpec(components=(rule,))))
        await shop.retention.once(shop.house.now)
        assert set(shop.house.registry.components(shop.house.id("shop"))) == {"db:write"}

    asyncio.run(main())


def test_components_have_thresholds_severity_and_channels_of_their_own() -> None:
    rules = (
        ComponentRule("queue-*", fail_after=5, severity="warning", channels=("ops",), tags=("slow",)),
        ComponentRule("queue-mail:*", fail_when=(3, 5), recover_after=4, description="ask Kim"),
        ComponentRule("queue-mail:age", fail_after=1),
    )
    endpoint = MonitorSpec(
        Kind.ENDPOINT, "shop", fail_after=2, tags=("web",), probe=ProbeSpec(components=rules)
    )
    assert component_spec(endpoint, "db:write").fail_after == 2
    depth = component_spec(endpoint, "queue-a:depth")
    assert (depth.fail_after, depth.severity, depth.channels, depth.tags) == (
        5,
        "warning",
        ("ops",),
        ("slow",),
    )
    mail = component_spec(endpoint, "queue-mail:depth")
    assert (mail.fail_when, mail.recover_after, mail.description, mail.tags) == (
        (3, 5),
        4,
        "ask Kim",
        ("slow",),
    )
    age = component_spec(endpoint, "queue-mail:age")
    assert (age.fail_when, age.fail_after) == (None, 1)


def test_a_threshold_of_its_own_counts_for_that_component_alone(store: Store) -> None:
    async def main() -> None:
        spec = replace(SHOP, probe=ProbeSpec(components=(ComponentRule("queue-*", fail_after=5),)))
        shop = Shop(store, spec)
        await shop.look("db:write", "queue-a:depth", times=2)
        await shop.look("db:write", "queue-a:depth", verdict=Verdict.FAIL, times=4)
        assert shop.house.state("shop/db:write").state is State.DOWN
        assert shop.house.state("shop/queue-a:depth").state is State.UP
        await shop.look("db:write", "queue-a:depth", verdict=Verdict.FAIL)
        assert shop.house.state("shop/queue-a:depth").state is State.DOWN

    asyncio.run(main())
