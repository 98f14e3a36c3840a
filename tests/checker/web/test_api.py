"""The checker's own API: what it tells of monitors, incidents and time, and what can be changed by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checker.maintenance import active, covers
from checker.model import (
    Cause,
    Incident,
    Member,
    Ping,
    PingKind,
    Poll,
    State,
    Verdict,
)
from checker.store import Store, incidents, windows
from checker.store.windows import Windows
from tests.checker.web.site import NOW, Site, names


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def poll(site: Site, verdict: Verdict, **parts: Verdict) -> None:
    """Let the shop have been looked at."""
    looks = tuple((f"{name}:status", Poll(each, site.now, value=3, unit="x")) for name, each in parts.items())
    site.record((site.id("shop"), Poll(verdict, site.now, reason="r", latency=0.1, components=looks)))


def open_incident(site: Site, **rest: Any) -> int:
    member = Member(site.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, NOW - 720)
    found = Incident(0, "shop", f"key-{rest}", "shop is down", "503", NOW - 720, members=(member,), **rest)
    return site.store.write_now(lambda conn: incidents.save(conn, found, NOW))


# Monitors


def test_monitors_are_told_with_their_components_and_without_secrets(site: Site) -> None:
    poll(site, Verdict.PASS, database=Verdict.PASS)
    reply = site.ask("/api/monitors")
    shop, job = json.loads(reply.text)["monitors"]
    assert (shop["name"], shop["kind"], shop["source"], shop["latency"]) == ("shop", "endpoint", "file", 0.1)
    assert [part["full_name"] for part in shop["components"]] == ["shop/database:status"]
    assert (shop["components"][0]["value"], shop["components"][0]["unit"]) == (3, "x")
    assert (job["slug"], job["schedule"]) == ("nightly-invoices", 'cron "0 2 * * *" (Europe/Berlin)')
    assert "hunter2" not in reply.text
    token = site.registry.by_slug("nightly-invoices")
    assert token is not None
    assert token[1].token not in reply.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=endpoint", ["shop"]),
        ("kind=heartbeat", ["Nightly invoices"]),
        ("tag=billing", ["Nightly invoices"]),
        ("state=up", []),
        ("state=new&kind=endpoint", ["shop"]),
    ],
)
def test_monitors_are_narrowed_down(site: Site, query: str, found: list[str]) -> None:
    assert names(site.json("/api/monitors", query=query)["monitors"]) == found


@pytest.mark.parametrize("name", ["shop", "Nightly invoices", "nightly-invoices", "shop/database:status"])
def test_a_monitor_is_found_by_name_slug_or_component(site: Site, name: str) -> None:
    poll(site, Verdict.PASS, database=Verdict.PASS)
    assert site.json(f"/api/monitors/{name}")["name"] in ("shop", "Nightly invoices")


@pytest.mark.parametrize("path", ["/api/monitors/x", "/api/monitors/x/uptime", "/api/monitors/x/changes"])
def test_an_unknown_monitor_is_said_to_be_unknown(site: Site, path: str) -> None:
    assert "no monitor is called" in site.json(path, 404)["error"]


def test_components_are_listed_and_narrowed_down(site: Site) -> None:
    poll(site, Verdict.PASS, database=Verdict.PASS, queue=Verdict.PASS)
    assert len(site.json("/api/components")["components"]) == 2
    assert site.json("/api/components", query="endpoint=other")["components"] == []
    assert len(site.json("/api/components", query="state=up&endpoint=shop")["components"]) == 2


def test_the_figures_of_a_ping_are_told(site: Site) -> None:
    body = {"processed": 12, "backlog": 3, "metrics": {"rows": 5, "bad": "x", "rate": 0.5}}
    site.ask("/ping/ping-key-0123456789/nightly-invoices", method="POST", json=body)
    found = site.json("/api/monitors/nightly-invoices")
    assert (found["processed"], found["backlog"], found["metrics"]) == (12, 3, {"rows": 5, "rate": 0.5})
    assert "rows 5" in site.ask("/").text


@pytest.mark.parametrize("name", ["shop", "nightly-invoices", "shop/database:status"])
def test_any_monitor_is_paused_and_resumed(site: Site, name: str) -> None:
    poll(site, Verdict.PASS, database=Verdict.PASS)
    paused = site.json(f"/api/monitors/{name}/pause", method="POST")
    assert (paused["state"], "the API" in paused["reason"]) == ("paused", True)
    assert site.json(f"/api/monitors/{name}/resume", method="POST")["state"] == "new"


def test_changes_are_told_with_their_evidence(site: Site) -> None:
    job = site.id("Nightly invoices")
    site.record((job, Ping(PingKind.SUCCESS, NOW)))
    site.record((job, Ping(PingKind.FAIL, NOW, exit_code=3, body=b"disk full")))
    down, up = site.json("/api/monitors/nightly-invoices/changes")["changes"]
    assert (down["new"], down["cause"], down["evidence"]["exit_code"]) == ("down", "failed", 3)
    assert (up["old"], up["new"]) == ("new", "up")
    assert len(site.json("/api/monitors/nightly-invoices/changes", query="limit=1")["changes"]) == 1


# Uptime


def test_uptime_counts_from_the_changes(tmp_path: Path, store: Store) -> None:
    site = Site(tmp_path, store=store)
    job = site.id("Nightly invoices")
    site.record((job, Ping(PingKind.SUCCESS, NOW)))
    site.now += 900
    site.record((job, Ping(PingKind.FAIL, site.now)))
    site.now += 100
    found = site.json("/api/monitors/nightly-invoices/uptime", query="days=1")
    assert (found["up_seconds"], found["down_seconds"], found["falls"]) == (900.0, 100.0, 1)
    assert found["uptime"] == 0.9
    assert found["uncounted_seconds"] == 7200.0  # from when it was made to its first sign
    site.now += 86_400 - 100
    found = site.json("/api/monitors/nightly-invoices/uptime", query="days=1")
    assert (found["up_seconds"], found["falls"]) == (0.0, 1)
    listed = site.json("/api/uptime", query="days=1")["uptimes"]
    assert names(listed) == ["Nightly invoices", "shop"]
    assert {each["name"]: each["uptime"] for each in listed} == {"Nightly invoices": 0.0, "shop": None}


# Incidents


def test_an_incident_is_told_and_acknowledged_once(site: Site) -> None:
    number = open_incident(site)
    found = site.json(f"/api/incidents/{number}")
    assert (found["title"], found["acknowledged_at"]) == ("shop is down", None)
    first = site.json(f"/api/incidents/{number}/acknowledge", method="POST", json={"by": "Ann"})
    assert first["acknowledged_at"] == NOW
    site.now += 60
    assert site.json(f"/api/incidents/{number}/acknowledge", method="POST") == first
    assert [each["id"] for each in site.json("/api/incidents", query="open=true")["incidents"]] == [number]


def test_what_is_over_or_unknown_cannot_be_acknowledged(site: Site) -> None:
    number = open_incident(site, resolved_at=NOW)
    assert "is resolved" in site.json(f"/api/incidents/{number}/acknowledge", 409, method="POST")["error"]
    assert "no incident" in site.json("/api/incidents/99", 404)["error"]
    site.json("/api/incidents/99/acknowledge", 404, method="POST")
    for number_text in ("0", "-1", "x", "9" * 30):
        site.json(f"/api/incidents/{number_text}", 422)


def test_an_incident_is_snoozed_and_says_until_when(site: Site) -> None:
    number = open_incident(site)
    found = site.json(f"/api/incidents/{number}/snooze", method="POST", json={"for": "2h", "by": "Ann"})
    assert found["snoozed_until"] == NOW + 7200
    assert site.json(f"/api/incidents/{number}")["snoozed_until"] == NOW + 7200
    assert site.json("/api/monitors/shop")["snoozed_until"] == NOW + 7200
    site.json("/api/incidents/99/snooze", 404, method="POST", json={"for": 60})


def test_a_monitor_is_snoozed_and_told_of_again(site: Site) -> None:
    path = "/api/monitors/nightly-invoices"
    assert site.json(f"{path}/snooze", method="POST", json={"for": 90})["snoozed_until"] == NOW + 90
    assert site.json(f"{path}/unsnooze", method="POST")["snoozed_until"] is None
    for wrong in ({"for": 0}, {"for": "1y"}, {"for": -1}, {"for": 40 * 86400}, {}, {"for": 60, "x": 1}):
        site.json(f"{path}/snooze", 422, method="POST", json=wrong)
    site.json("/api/monitors/nobody/snooze", 404, method="POST", json={"for": 60})


def test_what_is_over_cannot_be_snoozed(site: Site) -> None:
    number = open_incident(site, resolved_at=NOW)
    answer = site.json(f"/api/incidents/{number}/snooze", 409, method="POST", json={"for": 60})
    assert "is resolved" in answer["error"]


# Maintenance


def announce(site: Site, status: int = 201, **fields: Any) -> Any:
    return site.json("/api/maintenance", status, method="POST", json={"name": "deploy", **fields})


def test_a_window_is_announced_judged_by_and_cancelled(tmp_path: Path, store: Store) -> None:
    site = Site(tmp_path, store=store)
    made = announce(site, duration="30m", monitors=["shop", "nightly-*"], description="v2")
    assert (made["start"], made["end"], made["open"]) == (NOW, NOW + 1800, True)
    (spec,) = site.windows.open()
    assert covers(spec, "shop/database:write")
    assert not covers(spec, "other")
    assert active(spec, NOW + 1799) is not None
    assert active(spec, NOW + 1800) is None
    listed = site.json("/api/maintenance")["maintenance"]
    assert [(each["name"], each["source"]) for each in listed] == [
        ("sunday window", "file"),
        ("deploy", "api"),
    ]
    assert site.ask(f"/api/maintenance/{made['id']}", method="DELETE").status == 204
    assert site.windows.open() == []
    site.json(f"/api/maintenance/{made['id']}", 404, method="DELETE")


def test_a_window_to_come_opens_by_itself_and_excuses_what_fell_in_it(site: Site) -> None:
    made = announce(site, start=NOW + 3600.5, end=NOW + 7200)
    assert not made["open"]
    assert site.windows.open() == []
    site.now = NOW + 3601
    (spec,) = site.windows.open()
    window = active(spec, NOW + 5000)
    assert window is not None
    assert (window.start, window.end) == (NOW + 3600, NOW + 7200)
    site.now = NOW + 8000
    assert len(site.windows.open()) == 1  # a fall within it may be judged after it
    assert names(site.json("/api/maintenance")["maintenance"]) == ["sunday window"]


def test_a_window_of_another_node_is_taken_in(site: Site) -> None:
    other = Windows(site.store, lambda: NOW)
    announce(site, duration=60)
    asyncio.run(other.reload())
    assert len(other.open()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"duration": 0},
        {"duration": -5},
        {"duration": "soon"},
        {"duration": 1e300},
        {"duration": 60, "end": NOW + 60},
        {"end": NOW - 1},
        {"start": NOW + 60, "end": NOW + 60},
        {"end": NOW + 32 * 86_400},
        {"start": 0, "duration": 60},
        {"duration": 60, "monitors": []},
        {"duration": 60, "monitors": [""]},
        {"duration": 60, "name": ""},
        {"duration": 60, "name": "x" * 201},
        {"duration": 60, "nonsense": 1},
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(site: Site, fields: Any) -> None:
    assert announce(site, 422, **fields)["error"]
    assert site.store.read_now(lambda conn: windows.load(conn, 0.0)) == ()


# The document


def test_the_openapi_document_tells_of_every_operation(site: Site) -> None:
    document = site.json("/openapi.json")
    paths = document["paths"]
    for path in ("/api/monitors/{name}", "/api/maintenance", "/api/incidents/{number}/acknowledge",
                 "/api/v3/checks/", "/api/v3/checks/{check}/flips/"):  # fmt: skip
        assert path in paths
    assert not [path for path in paths if path.startswith(("/api/v1/", "/api/v2/"))]
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "ApiKey"}
    page = site.ask("/docs").text
    assert "X-Api-Key: $CHECKER_ADMIN_TOKEN" in page


def test_every_refusal_of_the_api_is_json_with_an_error(site: Site) -> None:
    for path, status in (("/api/none", 404), ("/api/status", 405), ("/api/deliveries", 422)):
        options: Any = {"method": "POST"} if status == 405 else {"query": "limit=0"} if status == 422 else {}
        assert isinstance(site.json(path, status, **options)["error"], str)


# Pages


def test_long_lists_are_told_page_by_page(site: Site) -> None:
    for n in range(5):
        site.make(name=f"job {n}", slug=f"job-{n}")
    told: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = site.json("/api/monitors", query=f"limit=3&offset={offset}")
        told += [each["name"] for each in page["monitors"]]
        offset = page["next"]
        assert page["total"] == 7
    assert told == ["shop", "Nightly invoices", *(f"job {n}" for n in range(5))]
    poll(site, Verdict.PASS, a=Verdict.PASS, b=Verdict.FAIL, c=Verdict.PASS)
    page = site.json("/api/components", query="limit=2&offset=2")
    assert ([each["name"] for each in page["components"]], page["next"]) == (["c:status"], None)
    page = site.json("/api/uptime", query="limit=4&offset=4")
    assert (len(page["uptimes"]), page["total"], page["next"]) == (4, 10, 8)
    assert site.json("/api/monitors", query="state=down&limit=1")["monitors"] == []


def test_incidents_go_on_before_the_last_one_told(site: Site) -> None:
    first, second = open_incident(site, resolved_at=NOW), open_incident(site)
    assert [each["id"] for each in site.json("/api/incidents", query="limit=1")["incidents"]] == [second]
    older = site.json("/api/incidents", query=f"before={second}")["incidents"]
    assert [each["id"] for each in older] == [first]


def test_a_monitor_is_told_in_numbers(tmp_path: Path, store: Store) -> None:
    site = Site(tmp_path, store=store)
    for latency in (0.1, 0.2, 0.4):
        site.record((site.id("shop"), Poll(Verdict.PASS, site.now, latency=latency)))
    site.now += 300
    found = site.json("/api/monitors/shop/history")
    assert [each["label"] for each in found["spans"]] == ["24 h", "7 d", "30 d", "90 d", "1 y"]
    for each in found["spans"]:
        assert (each["uptime"], each["up_seconds"], each["count"], each["failures"]) == (1.0, 300.0, 3, 0)
        assert (each["p50"], each["p99"]) == (pytest.approx(0.2, rel=0.02), pytest.approx(0.4, rel=0.02))
    site.json("/api/monitors/none/history", 404)
