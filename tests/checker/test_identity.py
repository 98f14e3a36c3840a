"""Many apps on one thing: when it fails, that is one incident, named by the thing, whoever sees it first."""

from __future__ import annotations

import asyncio
from typing import Any

from checker.model import Cause, Kind, MonitorSpec, Poll, State, Verdict
from checker.registry import Registry
from checker.store import Store
from checker.store.tables import incident
from tests.checker.house import NOW, House, heartbeat
from tests.checker.judging import component, endpoint, poll
from tests.checker.test_incidents import Desk, names

IDENTITY = "postgres:orders"
APPS = [f"app{number:02}" for number in range(12)]


def monitors() -> dict[int, MonitorSpec]:
    """Three endpoints, each with a check on the shared database and one of its own."""
    found = {}
    for place, name in enumerate(("shop", "api", "admin")):
        found[10 * place + 1] = endpoint(name)
        found[10 * place + 2] = component("database:write", parent=name, identity=IDENTITY)
        found[10 * place + 3] = component("disk:status", parent=name)
    return found


def fail(desk: Desk, *numbers: int) -> None:
    for number in numbers:
        desk.see(number, poll("fail", desk.now, reason="read-only"))


def heal(desk: Desk, *numbers: int) -> None:
    for number in numbers:
        desk.see(number, poll("pass", desk.now))


def test_endpoints_that_report_one_identity_are_one_incident_named_by_it() -> None:
    desk = Desk(monitors())
    fail(desk, 1, 2, 11, 12)
    desk.judge()
    assert desk.events == [f"opened {IDENTITY}"]
    assert desk.last.title == f"{IDENTITY} is failing"
    assert desk.last.cause == "read-only (seen by shop, api)"
    assert names(desk.last.members) == ["api", "api/database:write", "shop", "shop/database:write"]


def test_who_sees_it_later_joins_and_the_message_that_it_is_shared_comes_once() -> None:
    desk = Desk(monitors())
    for first in (1, 11, 21):
        fail(desk, first, first + 1)
        desk.judge()
    assert desk.events == ["opened shop", "updated shop"]
    assert desk.last.title == f"{IDENTITY} is failing"
    assert len(desk.open) == 1
    assert len(desk.open[0].members) == 6


def test_it_ends_when_the_last_of_them_is_well_again() -> None:
    desk = Desk(monitors())
    fail(desk, 1, 2, 11, 12)
    desk.judge()
    heal(desk, 1, 2)
    desk.judge()
    assert len(desk.open) == 1
    heal(desk, 11, 12)
    desk.judge()
    assert desk.events == [f"opened {IDENTITY}", f"resolved {IDENTITY}"]
    assert desk.open == []


def test_what_one_of_them_has_of_its_own_is_an_incident_of_its_own() -> None:
    desk = Desk(monitors())
    fail(desk, 1, 2, 11, 12)
    desk.judge()
    fail(desk, 3)
    desk.judge()
    assert desk.events == [f"opened {IDENTITY}", "opened shop"]
    heal(desk, 2, 11, 12)
    heal(desk, 1)
    heal(desk, 3)
    desk.judge()
    assert desk.open == []


def test_an_identity_that_one_endpoint_alone_reports_is_that_endpoints_incident() -> None:
    desk = Desk(monitors())
    fail(desk, 1, 2)
    desk.judge()
    assert desk.last.title == "shop: database:write is failing"


def test_others_on_the_same_thing_are_given_a_moment_to_be_seen_failing() -> None:
    desk = Desk(monitors(), settle=300.0)
    heal(desk, 1, 2, 11, 12, 21, 22)
    desk.now += 5
    fail(desk, 1, 2)
    desk.judge()
    assert desk.events == []
    fail(desk, 11, 12)
    heal(desk, 21, 22)
    desk.judge()
    assert desk.events == [f"opened {IDENTITY}"]


def test_nobody_waits_for_one_that_is_not_looked_at_any_more() -> None:
    desk = Desk(monitors(), settle=300.0)
    heal(desk, 11, 12)
    desk.now += 5
    fail(desk, 1, 2)
    desk.judge()
    desk.judge(after=15)
    assert desk.events == ["opened shop"]


def look(name: str, at: float, verdict: Verdict) -> Poll:
    details: dict[str, Any] = {"identity": IDENTITY, "dependsOn": ["storage"]}
    cause = Cause.NONE if verdict is Verdict.PASS else Cause.FAILING
    part = Poll(verdict, at, cause, "" if verdict is Verdict.PASS else "read-only", details=details)
    return Poll(verdict, at, cause, part.reason, 200, components=(("database:write", part),))


def test_a_database_with_twelve_apps_and_a_job_is_one_notification_and_all_recoveries_are_recorded(
    store: Store,
) -> None:
    apps = [MonitorSpec(Kind.ENDPOINT, name, url=f"http://127.0.0.1:1/{name}") for name in APPS]
    job = heartbeat("nightly", depends_on=("app03/database:write",), grace=5.0)
    house = House(store, *apps, job)

    async def every(verdict: Verdict) -> None:
        for name in APPS:
            await house.turn(house.now + 1)
            await house.recorder.record([(house.id(name), look(name, house.now, verdict))])

    async def main() -> None:
        await every(Verdict.PASS)
        await house.ping("nightly")
        await every(Verdict.FAIL)
        await house.turn(house.now + 60)
        assert house.state("nightly").state is State.DOWN
        await every(Verdict.PASS)
        await house.ping("nightly")
        await house.turn(house.now + 1)
        await house.turn(house.now + 10)

    asyncio.run(main())
    channel = house.channels["ops"]
    assert channel.events == [("opened", IDENTITY), ("resolved", IDENTITY)]
    resolved = channel.told[-1].incident
    assert {member.name for member in resolved.members if "/" in member.name} == {
        f"{name}/database:write" for name in APPS
    }
    assert "nightly" in {member.name for member in resolved.members}
    assert all(member.resolved_at is not None for member in resolved.members)
    assert house.rows(incident, "group") == [(IDENTITY,)]


def test_what_a_document_tells_of_a_component_outlives_a_restart(store: Store) -> None:
    house = House(store, MonitorSpec(Kind.ENDPOINT, "shop", url="http://127.0.0.1:1/"))
    asyncio.run(house.recorder.record([(house.id("shop"), look("shop", NOW, Verdict.PASS))]))
    fresh = Registry(store)
    fresh.reload_now()
    for registry in (house.registry, fresh):
        found = registry.by_id(house.id("shop/database:write"))
        assert found is not None
        assert (found.identity, found.depends_on) == (IDENTITY, ("storage",))
