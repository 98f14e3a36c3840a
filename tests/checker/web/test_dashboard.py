"""The pages, the API and the metrics over a real store: what is said, what is escaped, what is secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from checker.config import Config, load
from checker.model import (
    Cause,
    Event,
    Incident,
    Kind,
    Member,
    MonitorSpec,
    MonitorState,
    Notification,
    State,
)
from checker.record import Recorder
from checker.registry import Registry
from checker.store import Store, door, incidents, monitors, outbox
from checker.store.components import ensure
from checker.store.monitors import Monitor
from checker.store.windows import Windows
from checker.web.context import Context
from checker.web.present import Notice
from healthkit.health import Health
from tests.checker.stores import prepare
from tests.checker.web.asgi import Reply, call
from tests.checker.web.shared import pages_of

NOW = 1_800_000_000.0
EVIL = "<script>alert(1)</script>\u202e\"'&{{ 7*7 }}"

CONFIG = """
[server]
listen = "127.0.0.1:8765"
database = "sqlite:///{folder}/checker.db"
ping_key = "secret-ping-key-0123456789"
admin_token = "{admin_token}"

[[endpoint]]
name = "shop"
url = "https://user:hunter2@shop.example/health?token=s3cret"
headers = {{ Authorization = "Bearer top-s3cret" }}

[[heartbeat]]
name = "nightly-invoices"
schedule = "0 2 * * *"

[[heartbeat]]
name = "worker"
every = "60s"

[[channel]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/T0KEN"
"""


class Site:
    """The pages over a store that tests fill."""

    def __init__(self, folder: Path, admin_token: str = "") -> None:
        path = folder / "checker.toml"
        text = CONFIG.format(folder=folder, admin_token=admin_token)
        path.write_text(text if admin_token else text.replace('admin_token = ""\n', ""))
        self.config: Config = load(path, {})
        prepare(folder / "checker.db")
        self.store = Store(self.config.server.database)
        self.registry = Registry(self.store)
        self.sync(self.config.monitors)
        self.notices: Sequence[Notice] = ()
        context = Context(
            store=self.store,
            clock=lambda: NOW,
            config=lambda: self.config,
            health=Health("healthkit-checker"),
            notices=lambda: self.notices,
            url="http://127.0.0.1:8765",
            monitors=self.registry,
            recorder=Recorder(self.store, self.registry, lambda: NOW),
            windows=Windows(self.store, lambda: NOW),
        )
        self.app = pages_of(context)

    def sync(self, specs: Sequence[MonitorSpec]) -> None:
        """Make these the monitors, and read them anew."""
        self.store.write_now(lambda conn: monitors.sync(conn, specs, NOW - 7200))
        self.registry.reload_now()

    def id(self, name: str) -> int:
        """The id of a monitor."""
        found = self.registry.full_name(name)
        assert found is not None
        return found

    def put(self, name: str, state: State, **rest: Any) -> None:
        """Put a monitor into a state."""
        value = MonitorState(state=state, since=NOW - 720, **rest)
        self.store.write_now(lambda conn: door.save_states(conn, {self.id(name): value}))

    def component(self, key: str, state: State, **rest: Any) -> None:
        """Put a component of the shop into a state."""
        shop = self.id("shop")
        spec = self.registry.by_id(shop)
        assert spec is not None
        self.store.write_now(lambda conn: ensure(conn, Monitor(shop, spec), [key], NOW))
        self.registry.reload_now()
        self.put(f"shop/{key}", state, **rest)

    def incident(self, title: str = "shop is down", **rest: Any) -> Incident:
        """Open an incident of the shop."""
        member = Member(
            self.id("shop"),
            "shop",
            State.DOWN,
            "503",
            Cause.HTTP,
            NOW - 720,
            evidence={"output": EVIL, "exit_code": 3},
        )
        found = Incident(
            0, "shop", f"key-{title}", title, "database:write", NOW - 720, members=(member,), **rest
        )
        number = self.store.write_now(lambda conn: incidents.save(conn, found, NOW))
        told = Incident(number, "shop", found.dedup_key, title, found.cause, found.since, members=(member,))
        message = Notification(Event.OPENED, told, NOW)
        self.store.write_now(lambda conn: outbox.put(conn, message, ["ops"], NOW))
        return told

    def ask(self, path: str, **options: Any) -> Reply:
        """Return the answer to a request."""
        reply = asyncio.run(call(self.app, path, **options))
        assert reply is not None
        return reply

    def healthy(self) -> None:
        """Let everything work."""
        self.put("shop", State.UP, latency=0.012, last_seen=NOW - 5)
        self.put("nightly-invoices", State.UP, last_seen=NOW - 3600, last_duration=252.0, due_at=NOW + 600)
        self.put("worker", State.UP, last_seen=NOW - 10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.store.close()


def test_before_any_sign_it_says_that_it_waits(site: Site) -> None:
    assert "<h1>Waiting for the first signs</h1>" in site.ask("/").text


def test_when_everything_works_it_says_so_in_one_sentence(site: Site) -> None:
    site.healthy()
    page = site.ask("/").text
    assert "<h1>All 3 are working</h1>" in page
    assert "Needs a person" not in page


def test_what_is_down_is_named_with_component_reason_and_time(site: Site) -> None:
    site.healthy()
    site.put("shop", State.DOWN, reason="HTTP 503", cause=Cause.HTTP)
    site.component("database:write", State.DOWN, reason="attempt to write a readonly database")
    page = site.ask("/").text
    assert "<h1>1 thing is down</h1>" in page
    trouble = page[page.index("Needs a person") : page.index("Availability</h2>")]
    for said in ("shop", "database:write", "attempt to write a readonly database", "HTTP 503", "12 min"):
        assert said in trouble
    assert "nightly-invoices" not in trouble


def test_what_a_cause_explains_leads_to_its_incident(site: Site) -> None:
    site.put("shop", State.DOWN, reason="HTTP 503")
    site.put("nightly-invoices", State.DOWN, reason="exit 1")
    job = Member(site.id("nightly-invoices"), "nightly-invoices", State.DOWN, "exit 1", Cause.FAILED, NOW - 9)
    shop = Member(site.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, NOW - 720)
    rest = {"members": (shop, job), "suppressed": ("nightly-invoices",)}
    found = Incident(0, "shop", "k", "shop is down", "503", NOW - 720, **rest)  # type: ignore[arg-type]
    site.store.write_now(lambda conn: incidents.save(conn, found, NOW))
    page = site.ask("/").text
    assert "It explains, too: nightly-invoices." in page
    assert "explained by <a href=" in page[page.index(">nightly-invoices</a> <span") :]
    assert page.index(">shop</a> <span") < page.index(">nightly-invoices</a> <span")  # the cause comes first


def test_a_component_alone_counts_its_endpoint_as_down(site: Site) -> None:
    site.healthy()
    site.put("shop", State.WARN)
    site.component("stripe:responseTime", State.DOWN, reason="HTTP 500")
    assert "<h1>1 thing is down</h1>" in site.ask("/").text
    assert json.loads(site.ask("/api/status").text)["verdict"] == "down"


def test_a_green_site_never_clears_a_job(site: Site) -> None:
    site.healthy()
    site.put("nightly-invoices", State.DOWN, reason="no sign since Tuesday", cause=Cause.MISSED)
    page = site.ask("/").text
    tiles = page[page.index('<dl class="tiles">') : page.index("</dl>")]
    assert ">1 of 1</span> answering and able" in tiles
    assert ">1 of 2</span> jobs and workers on time" in tiles
    assert "no sign since Tuesday" in page


def test_a_running_job_is_shown_as_running(site: Site) -> None:
    site.put("nightly-invoices", State.UP, runs=(("", NOW - 1860),), last_seen=NOW - 1860)
    assert "running for 31 min" in site.ask("/").text


def test_names_reasons_and_outputs_are_shown_as_text(site: Site) -> None:
    site.sync([MonitorSpec(Kind.ENDPOINT, EVIL, url="https://a.example/"), *site.config.monitors])
    site.put(EVIL, State.DOWN, reason=EVIL)
    site.component(EVIL, State.DOWN, reason=EVIL, value=EVIL, unit=EVIL)
    number = site.incident(title=EVIL).id
    for path in ("/", "/status", f"/incidents/{number}"):
        page = site.ask(path).text
        assert "&lt;script&gt;alert(1)" in page, path
        assert "<script>alert" not in page, path


def test_no_secret_is_on_any_page(site: Site) -> None:
    site.healthy()
    number = site.incident().id
    spec = site.registry.by_id(site.id("worker"))
    assert spec is not None
    assert spec.token
    secrets = ["secret-ping-key", "hunter2", "s3cret", "T0KEN", "hooks.example", spec.token]
    paths = ["/", "/status", "/metrics", "/docs", "/openapi.json", "/api/status", "/api/incidents",
             "/api/deliveries", "/health", f"/incidents/{number}", "/badge/shop.svg"]  # fmt: skip
    for path in paths:
        reply = site.ask(path)
        assert reply.status in (200, 503), path
        assert [secret for secret in secrets if secret in reply.text] == [], path


def test_every_page_carries_the_safe_headers(site: Site) -> None:
    for path in ("/", "/status", "/api/status", "/nothing"):
        headers = site.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/nothing", "/incidents/999", "/status/none", "/badge/none.svg", "/api/none", "/ping"]
)
def test_unknown_paths_are_not_found(site: Site, path: str) -> None:
    assert site.ask(path).status == 404


@pytest.mark.parametrize("name", ["checker.css", "refresh.js", "icon-ok.svg", "icon-bad.svg"])
def test_the_static_files_are_served(site: Site, name: str) -> None:
    reply = site.ask(f"/static/{name}")
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-cache")


def test_an_incident_has_a_page_with_its_evidence_and_who_was_told(site: Site) -> None:
    number = site.incident().id
    page = site.ask(f"/incidents/{number}").text
    for said in ("shop is down", "503", "exit code", "ops", "waiting"):
        assert said in page


def test_open_incidents_and_resolved_ones_are_listed_apart(site: Site) -> None:
    site.incident("shop was down", resolved_at=NOW - 60)
    site.incident("shop is down now")
    page = site.ask("/").text
    opened = page[page.index("Open incidents") : page.index("Availability</h2>")]
    resolved = page[page.index("Recently resolved") :]
    assert "shop is down now" in opened
    assert "shop was down" not in opened
    assert "shop was down" in resolved
    assert "11 min" in resolved


def test_a_broken_channel_is_trouble(site: Site) -> None:
    site.store.write_now(
        lambda conn: outbox.channel_failed(conn, "ops", NOW, "404 no such hook", broken_since=NOW)
    )
    page = site.ask("/").text
    assert "broken channel: ops" in page
    assert "404 no such hook" in page


def test_notices_about_the_checker_itself_are_shown(site: Site) -> None:
    site.notices = [Notice("bad", "The configuration cannot be used.", 'unknown key "evry"')]
    assert "unknown key &#34;evry&#34;" in site.ask("/").text


def test_quiet_notices_stand_at_the_end(site: Site) -> None:
    site.notices = [Notice("warn", "", "the timeout is longer than the interval", quiet=True)]
    page = site.ask("/").text
    assert page.index("Recently resolved") < page.index("the timeout is longer than the interval")


def test_the_status_document_has_the_shape_of_the_contract(site: Site) -> None:
    site.healthy()
    site.component("database:write", State.UP)
    document = json.loads(site.ask("/api/status").text)
    assert document["verdict"] == "up"
    shop, *jobs = document["monitors"]
    assert {"name", "kind", "state", "since", "reason", "components"} <= shop.keys()
    assert [part["name"] for part in shop["components"]] == ["database:write"]
    assert {"name", "state", "since", "reason"} <= shop["components"][0].keys()
    assert [(job["name"], job["kind"]) for job in jobs] == [
        ("nightly-invoices", "heartbeat"),
        ("worker", "heartbeat"),
    ]


def test_with_an_admin_token_the_api_wants_it(tmp_path: Path) -> None:
    site = Site(tmp_path, admin_token="adm1n-t0ken-0123456789")
    try:
        for path in ("/api/status", "/api/incidents", "/api/deliveries"):
            assert site.ask(path).status == 401
            assert site.ask(path, headers=[("Authorization", "Bearer wrong")]).status == 401
            right = [("Authorization", "Bearer adm1n-t0ken-0123456789")]
            assert site.ask(path, headers=right).status == 200
        assert site.ask("/").status == 200
        assert "adm1n" not in site.ask("/").text
    finally:
        site.store.close()


def test_incidents_and_deliveries_are_told_as_json(site: Site) -> None:
    site.incident("old", resolved_at=NOW)
    number = site.incident("new").id
    found = json.loads(site.ask("/api/incidents", query="open=true").text)["incidents"]
    assert [(each["id"], each["monitors"][0]["name"]) for each in found] == [(number, "shop")]
    sent = json.loads(site.ask("/api/deliveries", query="limit=1").text)["deliveries"]
    assert [(each["channel"], each["event"], each["status"]) for each in sent] == [
        ("ops", "opened", "waiting")
    ]
    assert site.ask("/api/deliveries", query="limit=0").status == 422


def test_a_status_url_of_one_monitor_turns_red_with_it(site: Site) -> None:
    site.healthy()
    assert (site.ask("/status/nightly-invoices").status, site.ask("/status/shop").text) == (200, "up")
    site.put("nightly-invoices", State.DOWN)
    assert (site.ask("/status/nightly-invoices").status, site.ask("/status/nightly-invoices").text) == (
        503,
        "down",
    )


def test_a_badge_is_an_image_that_says_name_and_state(site: Site) -> None:
    site.healthy()
    reply = site.ask("/badge/shop.svg")
    assert reply.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(reply.text).get("aria-label") == "shop: working"


def test_the_metrics_tell_state_by_state(site: Site) -> None:
    site.healthy()
    site.put("worker", State.DOWN)
    text = site.ask("/metrics").text
    assert 'healthkit_checker_monitors{state="up"} 2' in text
    assert 'healthkit_checker_monitor_up{name="worker",kind="heartbeat"} 0' in text
    assert 'healthkit_checker_monitor_latency_seconds{name="shop",kind="endpoint"} 0.012000' in text


def test_a_store_that_cannot_be_read_is_said_and_is_no_500(site: Site) -> None:
    site.store.close()
    assert site.ask("/").status == 503
    assert json.loads(site.ask("/api/status").text) == {"error": "the store cannot be read now"}


def test_many_jobs_are_paged_and_searched_and_every_broken_one_is_on_top(site: Site) -> None:
    specs = [
        MonitorSpec(Kind.HEARTBEAT, f"job-{n:03}", slug=f"job-{n:03}", tags=("even",) * (n % 2 == 0))
        for n in range(120)
    ]
    site.sync(specs)
    site.put("job-119", State.DOWN, reason="exit code 3")
    first, third = site.ask("/").text, site.ask("/", query="jobs=3").text
    assert ("Page 1 of 3" in first, "Page 3 of 3" in third) == (True, True)
    assert "exit code 3" in first
    assert (">job-000<" in first, ">job-050<" in first, ">job-100<" in third) == (True, False, True)
    assert ("jobs=2" in first, "jobs=2" in third) == (True, True)
    found = site.ask("/", query="q=JOB-03").text
    assert (">job-035<" in found, ">job-044<" in found, 'value="JOB-03"' in found) == (True, False, True)
    tagged = site.ask("/", query="tag=even&q=01").text
    assert (">job-012<" in tagged, ">job-013<" in tagged) == (True, False)
    assert "No job here" in site.ask("/", query="q=%25").text
    assert site.ask("/", query="jobs=0").status == 422
    status = site.ask("/status").text
    assert (status.count("job-119"), ">job-000<" in status) == (1, True)


def test_the_incidents_are_listed_page_by_page(site: Site) -> None:
    numbers = [site.incident(f"number {n}", resolved_at=NOW - 9).id for n in range(51)]
    site.incident("open now")
    page = site.ask("/incidents").text
    assert ("open now" in page, "number 50" in page, ">number 0<" in page) == (True, True, False)
    older = site.ask("/incidents", query=f"before={numbers[2]}").text
    assert (">number 0<" in older, "number 50" in older) == (True, False)
    only = site.ask("/incidents", query="open=true").text
    assert ("open now" in only, "number 50" in only) == (True, False)


def test_a_status_url_of_a_component_turns_red_with_it_alone(site: Site) -> None:
    site.healthy()
    site.component("database:write", State.DOWN)
    site.component("queue:depth", State.UP)
    assert site.ask("/status/shop/database:write").status == 503
    assert site.ask("/status/shop/queue:depth").status == 200
    assert (site.ask("/status/shop").status, site.ask("/status/shop", method="HEAD").status) == (503, 503)
    assert "down" in site.ask("/badge/shop/database:write.svg").text
