"""An outage is understood at a glance, whatever things are called and however many of them fall at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.model import Cause, Incident, Kind, Member, MonitorSpec, MonitorState, Poll, State, Verdict
from checker.store import door, incidents, monitors
from checker.web.pages import drawn
from tests.checker.web.site import NOW, Site

TURNED = "evil \u202e name"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def fallen(site: Site) -> None:
    """Let eight components of the shop fail for one reason."""
    parts = tuple((f"part-{n}:x", Poll(Verdict.FAIL, NOW, reason="no answer")) for n in range(8))
    for ago in (60, 30, 0):
        site.now = NOW - ago
        site.record((site.id("shop"), Poll(Verdict.FAIL, site.now, reason="8 of 8", components=parts)))


def test_components_that_fail_alike_are_told_together(site: Site) -> None:
    fallen(site)
    page = site.ask("/").text
    trouble = page[page.index("Needs a person") : page.index("Availability</h2>")]
    assert (trouble.count("no answer"), "part-5:x" in trouble, ">2 more</a>" in trouble) == (1, True, True)


def test_an_incident_names_all_that_say_the_same_and_says_it_once(site: Site) -> None:
    fallen(site)
    members = tuple(
        Member(site.id(f"shop/part-{n}:x"), f"shop/part-{n}:x", State.DOWN, "no answer", since=NOW - 9)
        for n in range(8)
    )
    alone = Member(site.id("shop"), "shop", State.DOWN, "no answer", since=NOW - 9, evidence={"exit_code": 3})
    found = Incident(0, "shop", "k", "shop is down", "x", NOW - 9, members=(alone, *members))
    number = site.store.write_now(lambda conn: incidents.save(conn, found, NOW))
    page = site.ask(f"/incidents/{number}").text
    assert (page.count("no answer"), "8 that say the same" in page) == (2, True)
    assert all(f">shop/part-{n}:x</a>" in page for n in range(8))


def test_the_worst_components_come_first_on_their_endpoint_s_page(site: Site) -> None:
    parts = (("a:x", Poll(Verdict.PASS, NOW)), ("z:x", Poll(Verdict.FAIL, NOW, Cause.FAILING, "no answer")))
    for ago in (60, 30, 0):
        site.now = NOW - ago
        site.record((site.id("shop"), Poll(Verdict.FAIL, site.now, reason="1 of 2", components=parts)))
    page = site.ask("/monitors/shop").text
    assert page.index(">z:x</a>") < page.index(">a:x</a>")


def test_a_name_that_turns_direction_turns_nothing_else(site: Site) -> None:
    specs = [MonitorSpec(Kind.HEARTBEAT, TURNED, slug="evil"), *site.config.monitors]
    site.store.write_now(lambda conn: monitors.sync(conn, specs, NOW))
    site.registry.reload_now()
    value = MonitorState(state=State.DOWN, since=NOW - 9, reason=TURNED)
    site.store.write_now(lambda conn: door.save_states(conn, {site.id(TURNED): value}))
    for path in ("/", "/status", f"/monitors/{TURNED}"):
        page = site.ask(path).text
        assert ("\u202e" in page, "evil \ufffd name" in page) == (False, True), path


def test_what_a_form_sends_back_stays_as_it_is() -> None:
    shown = drawn("login.html", next=f"/monitors/{TURNED}", able=True, wrong=False)
    assert f'value="/monitors/{TURNED}"' in shown


def test_who_looks_for_something_is_shown_that_and_nothing_else(site: Site) -> None:
    fallen(site)
    page = site.ask("/", query="q=nightly").text
    assert ("<h1>1 thing is down</h1>" in page, "Needs a person" in page) == (True, False)
    assert (">Nightly invoices</a>" in page, 'id="channels"' in page) == (True, False)
