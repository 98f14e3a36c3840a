"""Who is told: by monitor, tag, severity and hour; more when nobody acknowledges; and who is noise."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from checker.config import ConfigError, parse
from checker.model import Incident, MonitorSpec, Severity
from checker.routes import EscalationSpec, RouteSpec, addressees
from checker.store import Store, operations
from checker.store.noise import noisy
from tests.checker.house import NOW, House, ListChannel, failure, heartbeat
from tests.checker.judging import component, endpoint, poll
from tests.checker.test_incidents import Desk

MORNING = 1_767_600_000.0  # 2026-01-05 08:00 UTC
MONITOR = heartbeat("nightly", tags=("billing",))
CHANNELS = '[[channel]]\nname = "ops"\nkind = "webhook"\nurl = "https://hook.test/"\n'


def told(route: RouteSpec, spec: MonitorSpec = MONITOR, **more: Any) -> tuple[str, ...] | None:
    incident = Incident(1, spec.name, "key", "title", "cause", **{"since": MORNING, **more})
    return addressees([route], incident, [spec])


@pytest.mark.parametrize(
    ("route", "matches"),
    [
        (RouteSpec(("mail",)), True),
        (RouteSpec(("mail",), monitors=("night*",)), True),
        (RouteSpec(("mail",), monitors=("shop",)), False),
        (RouteSpec(("mail",), tags=frozenset({"billing", "x"})), True),
        (RouteSpec(("mail",), tags=frozenset({"x"})), False),
        (RouteSpec(("mail",), severity=Severity.CRITICAL), True),
        (RouteSpec(("mail",), severity=Severity.WARNING), False),
        (RouteSpec(("mail",), hours=(8 * 60, 18 * 60)), True),
        (RouteSpec(("mail",), hours=(8 * 60, 9 * 60), timezone="Europe/Berlin"), False),
        (RouteSpec(("mail",), hours=(22 * 60, 8 * 60)), False),
        (RouteSpec(("mail",), hours=(22 * 60, 9 * 60)), True),
    ],
)
def test_a_route_matches_all_that_it_names(route: RouteSpec, matches: bool) -> None:
    assert told(route) == (("mail",) if matches else None)


def test_a_component_is_meant_by_its_endpoints_name() -> None:
    assert told(RouteSpec(("mail",), monitors=("shop",)), component()) == ("mail",)


@pytest.fixture
def house(store: Store) -> House:
    found = House(store, heartbeat("a", tags=("billing",)), heartbeat("b"), heartbeat("c", channels=("ops",)))
    found.channels = {"ops": ListChannel(), "mail": ListChannel()}
    return found


def test_incidents_go_where_their_route_leads_and_to_all_where_none_does(house: House) -> None:
    house.routes = [RouteSpec(("mail",), tags=frozenset({"billing"}))]

    async def main() -> None:
        for name in ("a", "b", "c"):
            await house.ping(name, failure(house.now))
        await house.turn()
        for name in ("a", "b", "c"):
            await house.ping(name)
        await house.turn(house.now + 20)

    asyncio.run(main())
    both = ["opened", "resolved"]
    heard = {
        name: {group: [event for event, each in found.events if each == group] for group in "abc"}
        for name, found in house.channels.items()
    }
    assert heard == {"ops": {"a": [], "b": both, "c": both}, "mail": {"a": both, "b": both, "c": []}}


@pytest.mark.parametrize("acknowledged", [False, True])
def test_what_nobody_acknowledges_is_told_to_more_channels_once_and_its_end_too(
    house: House, acknowledged: bool
) -> None:
    house.routes = [RouteSpec(("ops",))]
    house.escalations = [EscalationSpec(900.0, RouteSpec(("mail",)))]

    async def main() -> None:
        await house.ping("b", failure(house.now))
        await house.turn()
        if acknowledged:
            house.store.write_now(lambda conn: operations.acknowledge(conn, house.id("b"), house.now, "me"))
        for _ in range(20):
            await house.turn(house.now + 100)
        await house.ping("b")
        await house.turn(house.now + 20)

    asyncio.run(main())
    of_b = [event for event, group in house.channels["mail"].events if group == "b"]
    assert of_b == ([] if acknowledged else ["opened", "resolved"])
    at_first = [event for event, group in house.channels["ops"].events if group == "b" and event != "ack"]
    assert at_first == ["opened", "resolved"]


def test_a_monitor_is_as_loud_as_it_is_declared() -> None:
    quiet, loud = endpoint("quiet", severity="warning"), endpoint("loud", severity="critical")
    desk = Desk({1: quiet, 2: loud})
    desk.see(1, poll("fail", desk.now))
    desk.see(2, poll("warn", desk.now))
    desk.judge()
    assert {each.group: each.severity for each in desk.open} == {
        "quiet": Severity.WARNING,
        "loud": Severity.CRITICAL,
    }


def test_routes_escalations_and_severity_are_read() -> None:
    text = CHANNELS + (
        '[[heartbeat]]\nname = "a"\nevery = "1h"\nseverity = "warning"\n'
        '[[route]]\nchannels = ["ops"]\ntags = ["x"]\nhours = "08:00-18:00"\ntimezone = "Europe/Berlin"\n'
        '[[escalation]]\nafter = "15m"\nchannels = ["ops"]\nseverity = "critical"\n'
    )
    found = parse(text, Path("checker.toml"), {})
    assert found.monitors[0].severity == "warning"
    assert found.routes == (
        RouteSpec(("ops",), tags=frozenset({"x"}), hours=(480, 1080), timezone="Europe/Berlin"),
    )
    assert found.escalations == (EscalationSpec(900.0, RouteSpec(("ops",), severity=Severity.CRITICAL)),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[route]]\nchannels = ["opps"]', 'unknown channel "opps"; did you mean "ops"?'),
        ("[[route]]", '"channels" is missing'),
        ('[[route]]\nchannels = ["ops"]\nhours = "8-18"', '"hours" must be such as'),
        ('[[route]]\nchannels = ["ops"]\nhours = "08:00-25:00"', '"hours" must be such as'),
        ('[[route]]\nchannels = ["ops"]\nwhen = "x"', 'unknown key "when"'),
        ('[[escalation]]\nchannels = ["ops"]', '"after" is missing'),
        ('[[heartbeat]]\nname = "a"\nevery = "1h"\nseverity = "loud"', '"severity" must be'),
    ],
)
def test_a_mistake_in_a_route_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(CHANNELS + text, Path("checker.toml"), {})
    assert said in str(caught.value)


def test_who_fires_all_the_time_is_noise(house: House) -> None:
    async def main() -> None:
        for _ in range(3):
            await house.ping("a", failure(house.now))
            await house.turn(house.now + 20)
            await house.ping("a")
            await house.turn(house.now + 20)
        await house.ping("b", failure(house.now))
        await house.turn(house.now + 20)

    asyncio.run(main())
    found = house.store.read_now(lambda conn: noisy(conn, house.now, least=3))
    assert [(each.name, each.incidents) for each in found] == [("a", 3)]
    assert house.store.read_now(lambda conn: noisy(conn, NOW + 30 * 86_400, least=1)) == []
