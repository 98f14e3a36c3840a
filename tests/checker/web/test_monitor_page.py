"""A monitor's own page: how it stands, how it has been with the blind time in grey, and what it last said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.model import (
    Cause,
    Incident,
    Kind,
    Member,
    MonitorSpec,
    Origin,
    Ping,
    PingKind,
    Poll,
    State,
    Verdict,
)
from checker.rules.uptime import Spell, Uptime
from checker.store import Store, blind, drills, incidents, monitors
from checker.web import charts
from tests.checker.web.site import NOW, Site

EVIL = "<script>alert(1)</script>\u202e\"'&{{ 7*7 }}"
DAY = 86_400


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def run(site: Site, kind: PingKind, ago: float, **rest: object) -> None:
    """Let the nightly job have given a sign."""
    now = site.now
    site.now = NOW - ago
    site.record((site.id("Nightly invoices"), Ping(kind, site.now, **rest)))  # type: ignore[arg-type]
    site.now = now


@pytest.fixture
def either(tmp_path: Path, store: Store) -> Site:
    """A site on each kind of store."""
    return Site(tmp_path, store=store)


def test_a_job_is_shown_with_its_runs_outputs_uptime_and_durations(either: Site) -> None:
    run(either, PingKind.START, 4000)
    run(either, PingKind.SUCCESS, 3900)
    run(either, PingKind.START, 1000)
    run(either, PingKind.FAIL, 900, exit_code=3, body=f"disk full {EVIL}".encode())
    either.store.write_now(lambda conn: blind.put(conn, "n", NOW - 2000, NOW - 1400))
    page = either.ask("/monitors/Nightly invoices").text
    for said in (
        "exit 3", "disk full", "1 min 40 s", "last run took", "billing, nightly", "cron &#34;0 2 * * *&#34;",
        "the checker could not see", "10 min", "https://checker.example/status/nightly-invoices",
        "the configuration",
    ):  # fmt: skip
        assert said in page, said
    assert "<script>alert" not in page
    # Of 7,200 s: 3,300 before its first sign, 600 not seen, 2,400 up, 900 down.
    assert "72.73 %" in page


def test_an_endpoint_is_shown_with_its_components_and_each_has_a_page(site: Site) -> None:
    parts = (("database:write", Poll(Verdict.FAIL, NOW, reason="read-only", value=12, unit="ms")),)
    for n in range(3):
        site.now = NOW - 60 * n
        site.record((site.id("shop"), Poll(Verdict.FAIL, site.now, latency=0.25, components=parts)))
    site.now = NOW
    page = site.ask("/monitors/shop").text
    for said in (
        "read-only",
        "12 ms",
        "/monitors/shop/database%3Awrite",
        "250 ms",
        "https://shop.example/health",
    ):
        assert said in page, said
    assert "hunter2" not in page
    part = site.ask("/monitors/shop/database:write").text
    assert ("component of" in part, "read-only" in part) == (True, True)


def test_which_process_answered_and_with_which_reading_is_told(site: Site) -> None:
    poll = Poll(Verdict.PASS, NOW, origin=Origin(f"web-3{EVIL}", 1204))
    site.record((site.id("shop"), poll))
    page = site.ask("/monitors/shop").text
    assert ("web-3&lt;script&gt;" in page, ", reading 1,204" in page) == (True, True)
    told = site.json("/api/monitors/shop")
    assert (told["instance"][:5], told["sequence"]) == ("web-3", 1204)
    site.now += 30
    site.record((site.id("shop"), Poll(Verdict.FAIL, site.now, reason="HTTP 502")))
    assert "reading 1,204" in site.ask("/monitors/shop").text  # nobody answered since


def test_a_noisy_monitor_is_flagged_and_its_incidents_are_listed(site: Site) -> None:
    def fill(count: int) -> None:
        member = Member(site.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, NOW - 720)
        told = {"since": NOW - 720, "resolved_at": NOW - 1, "members": (member,)}
        found = [
            Incident(0, "shop", f"k{count}-{n}", f"shop fell {n}", "503", **told)  # type: ignore[arg-type]
            for n in range(count)
        ]
        site.store.write_now(lambda conn: incidents.save_all(conn, found, NOW))

    fill(9)
    assert "Noisy" not in site.ask("/monitors/shop").text
    fill(1)
    page = site.ask("/monitors/shop").text
    assert ("Noisy: in 10 incidents" in page, "shop fell 8" in page) == (True, True)
    assert "was in 10 incidents" in site.ask("/").text


def test_a_proof_is_shown_with_its_date(tmp_path: Path) -> None:
    site = Site(tmp_path, more="")
    number = site.store.write_now(lambda conn: drills.begin(conn, site.id("shop"), "k", NOW - 60, "me"))
    site.store.write_now(
        lambda conn: drills.end(conn, number, seen_at=NOW - 50, seen="s", told_at=NOW - 40, told={})
    )
    assert "Proved on 2027-01-15" in site.ask("/monitors/shop").text
    site.close()


def test_maintenance_that_is_open_or_to_come_is_shown(site: Site) -> None:
    site.json("/api/maintenance", 201, method="POST", json={"name": f"deploy {EVIL}", "duration": "30m"})
    page = site.ask("/monitors/shop").text
    assert ("(open now)" in page, "sunday window" in page, "<script>alert" in page) == (True, True, False)


@pytest.mark.parametrize("name", ["none", "shop/none", "x" * 1_100])
def test_what_is_not_there_is_not_found(site: Site, name: str) -> None:
    assert site.ask(f"/monitors/{name}").status in (404, 422)


def test_any_name_has_a_page(site: Site) -> None:
    name = f"a/b ?#%&{EVIL}"
    spec = MonitorSpec(Kind.ENDPOINT, name, url="https://a.example/")
    site.store.write_now(lambda conn: monitors.sync(conn, [*site.config.monitors, spec], NOW))
    asyncio.run(site.registry.reload())
    page = site.ask("/").text
    link = page.split('href="/monitors/a/b%20')[1].split('"')[0]
    assert "%3Cscript%3E" in link
    assert site.ask(f"/monitors/{name}").status == 200


def test_a_bar_shows_states_and_over_them_what_nobody_saw() -> None:
    spells = [Spell(0, 50, State.UP), Spell(50, 100, State.DOWN)]
    pieces = charts.timeline(spells, [(40, 60), (55, 80)], 0, 100)
    assert [(each.x, each.width, each.tone) for each in pieces] == [
        (0.0, 500.0, "ok"),
        (500.0, 500.0, "bad"),
        (400.0, 400.0, "blind"),
    ]


@pytest.mark.parametrize(
    ("found", "tone"),
    [
        (Uptime(up=DAY), "ok"),
        (Uptime(up=DAY - 60, down=60), "bad"),
        (Uptime(up=DAY, warn=60), "warn"),
        (Uptime(blind=DAY), "blind"),
        (Uptime(paused=DAY), "mute"),
        (None, "none"),
    ],
)
def test_a_day_has_the_colour_of_the_worst_in_it(found: Uptime | None, tone: str) -> None:
    pieces = charts.days({} if found is None else {20_000: found}, 20_000)
    assert (len(pieces), pieces[-1].tone, pieces[0].tone) == (90, tone, "none")


def test_a_trace_goes_from_the_first_to_the_last_duration() -> None:
    assert charts.trace([1.0]) is None
    found = charts.trace([1.0, 2.0, 0.0])
    assert found is not None
    assert (found.points, found.least, found.most) == ("0.0,24.0 150.0,4.0 300.0,44.0", 0.0, 2.0)
