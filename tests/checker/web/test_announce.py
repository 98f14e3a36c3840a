"""Jobs and apps make themselves known: with the key, within bounds, never over what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from checker.config import Config
from tests.checker.web.asgi import Reply
from tests.checker.web.site import PING_KEY, Site

SHOP = {"name": "billing", "url": "https://billing.example/health"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.store.close()


def ping(site: Site, slug: str, **fields: str) -> Reply:
    return site.ask(f"/ping/{PING_KEY}/{slug}", key="", query=urlencode({"create": "1", **fields}))


def announce(site: Site, document: Any = SHOP, key: str = PING_KEY) -> Reply:
    return site.ask(f"/announce/{key}", key="", method="POST", json=document)


def allow(site: Site, **settings: Any) -> Config:
    site.config = replace(site.config, server=replace(site.config.server, **settings))
    return site.config


def test_a_job_makes_itself_known_with_its_first_ping_and_changes_with_a_later_one(site: Site) -> None:
    first = ping(site, "weekly", schedule="0 2 * * SUN", timezone="Europe/Berlin", grace="15m")
    assert (first.status, first.text) == (201, "Created")
    found = site.json("/api/monitors/weekly")
    assert (found["source"], found["state"]) == ("announced", "up")
    assert found["schedule"] == 'cron "0 2 * * SUN" (Europe/Berlin)'
    again = ping(site, "weekly", schedule="0 3 * * SUN", timezone="Europe/Berlin", grace="15m")
    assert (again.status, again.text) == (200, "OK")
    assert '"0 3 * * SUN"' in site.json("/api/monitors/weekly")["schedule"]
    site.registry.reload_now()
    assert '"0 3 * * SUN"' in site.json("/api/monitors/weekly")["schedule"]
    assert ping(site, "weekly").status == 200, "a plain ping leaves it as it is"
    assert '"0 3 * * SUN"' in site.json("/api/monitors/weekly")["schedule"]


def test_one_that_a_plain_ping_made_may_announce_itself_later(site: Site) -> None:
    ping(site, "weekly")
    assert site.json("/api/monitors/weekly")["source"] == "auto"
    ping(site, "weekly", every="1h")
    assert site.json("/api/monitors/weekly")["source"] == "announced"
    assert site.json("/api/monitors/weekly")["schedule"] == "every 1 h"


def test_what_the_file_says_stays(site: Site) -> None:
    before = site.json("/api/monitors/nightly-invoices")
    assert ping(site, "nightly-invoices", every="1h", grace="1s").status == 200
    after = site.json("/api/monitors/nightly-invoices")
    assert (after["source"], after["schedule"]) == ("file", before["schedule"])


def test_what_the_api_says_stays(site: Site) -> None:
    ping(site, "weekly", every="1h")
    number = site.json("/api/v3/checks/", query="slug=weekly")["checks"][0]["uuid"]
    site.json(f"/api/v3/checks/{number}", method="POST", json={"timeout": 7200})
    ping(site, "weekly", every="3h")
    found = site.json("/api/monitors/weekly")
    assert (found["source"], found["schedule"]) == ("api", "every 2 h")


def test_a_wrong_word_never_costs_the_sign(site: Site) -> None:
    answer = ping(site, "weekly", schedule="now and then")
    assert (answer.status, answer.text) == (201, "Created")
    assert answer.headers["healthkit-announcement"].startswith("left out: cron expression")
    again = ping(site, "weekly", schedule="now and then")
    assert again.headers["healthkit-announcement"] == answer.headers["healthkit-announcement"]
    found = site.json("/api/monitors/weekly")
    assert (found["source"], found["state"], found["pings"]) == ("auto", "up", 2)
    assert "healthkit-announcement" not in ping(site, "weekly", schedule="0 1 * * *").headers
    assert site.json("/api/monitors/weekly")["source"] == "announced"


def test_without_the_key_nothing_is_announced(site: Site) -> None:
    open_one = site.ask("/api/ping/nightly-invoices", key="", query="create=1&every=1h")
    assert open_one.status == 200
    assert site.ask("/api/ping/stranger", key="", query="create=1&every=5s").status in (200, 201)
    assert site.json("/api/monitors/stranger")["source"] == "auto"
    assert announce(site, key="wrong").status == 404
    allow(site, ping_key="")
    assert announce(site, key="").status == 404


def test_an_app_makes_itself_known_and_may_move(site: Site) -> None:
    assert announce(site).status == 201
    found = site.json("/api/monitors/billing")
    assert (found["kind"], found["source"], found["state"]) == ("endpoint", "announced", "new")
    assert announce(site).status == 200
    assert announce(site, {**SHOP, "url": "https://other.example/health"}).status == 200
    monitor_id, spec = next(each for each in site.registry.endpoints() if each[1].name == "billing")
    assert spec.url == "https://other.example/health"
    site.registry.reload_now()
    kept = site.registry.by_id(monitor_id)
    assert kept is not None
    assert (kept.url, kept.probe.allow_private) == ("https://other.example/health", False)


def test_an_app_never_takes_the_name_of_another(site: Site) -> None:
    for name in ("shop", "Nightly invoices"):
        answer = announce(site, {**SHOP, "name": name})
        assert (answer.status, "stays as it is" in answer.text) == (200, True)
        assert site.json(f"/api/monitors/{name}")["source"] == "file"


def test_apps_are_bounded_in_number(site: Site) -> None:
    allow(site, announce_endpoints=2)
    answers = [announce(site, {**SHOP, "name": f"app-{number}"}).status for number in range(3)]
    assert answers == [201, 201, 409]
    assert announce(site, {**SHOP, "name": "app-1"}).status == 200
    allow(site, announce_endpoints=0)
    assert announce(site, {**SHOP, "name": "app-3"}).status == 409


def test_what_is_no_announcement_is_refused(site: Site) -> None:
    for body in (b"", b"{", b"[]", b"1", b'{"a":' * 5000, b"\xff\xfe", b'"' + b"x" * 70_000):
        answer = site.ask(f"/announce/{PING_KEY}", key="", method="POST", body=body)
        assert answer.status in (400, 413), body[:10]


def test_an_app_that_cannot_be_meant_hears_why(site: Site) -> None:
    answer = announce(site, {"name": "x", "url": "gopher://x"})
    assert (answer.status, "http or https" in answer.text) == (422, True)
