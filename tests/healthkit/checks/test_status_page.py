"""What vendors say of themselves, read from pages as Statuspage writes them."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from healthkit.checks import http_get
from healthkit.checks.outbound import OutboundCalls
from healthkit.checks.status_page import StatusPage
from healthkit.errors import ConfigurationError, Warn
from healthkit.health import Health
from healthkit.status import Status
from tests.recording import CERTIFICATE, Answer, RecordingServer, refused_url
from tests.waiting import wait_for

STRIPE = {
    "page": {"id": "x", "name": "Stripe", "url": "https://www.stripestatus.com"},
    "status": {"indicator": "none", "description": "All Systems Operational"},
    "components": [
        {"name": "API", "status": "operational", "group": False},
        {"name": "Webhooks", "status": "operational"},
        {"name": "Dashboard", "status": "operational"},
    ],
    "incidents": [],
    "scheduled_maintenances": [],
}


def page(indicator: str = "none", description: str = "", **components: str) -> Answer:
    """Return a page with this indicator, in which these components are not well."""
    said: dict[str, Any] = json.loads(json.dumps(STRIPE))
    said["status"] = {"indicator": indicator, "description": description or indicator}
    for part in said["components"]:
        part["status"] = components.get(part["name"], "operational")
    if indicator != "none":
        said["incidents"] = [{"name": "Elevated API errors", "status": "investigating", "impact": indicator}]
    return Answer(body=json.dumps(said).encode())


@pytest.mark.parametrize(
    ("indicator", "status"),
    [
        ("none", Status.PASS),
        ("minor", Status.WARN),
        ("maintenance", Status.WARN),
        ("major", Status.FAIL),
        ("critical", Status.FAIL),
        ("brand-new", Status.WARN),
    ],
)
def test_the_indicator_of_the_whole_is_the_state(indicator: str, status: Status) -> None:
    with RecordingServer(page(indicator)) as server:
        said = StatusPage("stripe", server.url)()

    assert not isinstance(said, list)
    assert (said.status, said.value) == (status, indicator)
    assert server.requests[0].path == "/api/v2/summary.json"


def test_the_reason_names_the_open_incidents() -> None:
    with RecordingServer(page("major", "Partial System Outage")) as server:
        said = StatusPage("stripe", server.url + "/api/v2/summary.json")()

    assert not isinstance(said, list)
    assert said.output == "Partial System Outage; Elevated API errors"
    assert server.requests[0].path == "/api/v2/summary.json"


def test_only_the_components_that_are_asked_for_count() -> None:
    answer = page("critical", API="operational", Webhooks="partial_outage", Dashboard="major_outage")
    with RecordingServer(default=answer) as server:
        said = StatusPage("stripe", server.url, components=["api", "Webhooks"])()
        worse = StatusPage("stripe", server.url, components=["Dashboard"])()

    assert isinstance(said, list)
    assert [(one.component_id, one.status, one.output) for one in said] == [
        ("api", Status.PASS, ""),
        ("Webhooks", Status.WARN, "partial outage"),
    ]
    assert isinstance(worse, list)
    assert worse[0].status is Status.FAIL


def test_a_component_that_the_page_does_not_list_warns() -> None:
    with RecordingServer(page()) as server:
        said = StatusPage("stripe", server.url, components={"Checkout"})()

    assert isinstance(said, list)
    assert (said[0].status, said[0].output) == (
        Status.WARN,
        "the status page lists no component 'Checkout'",
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(503), "the status page answered 503"),
        (Answer(body=b"<html>"), "the status page answered something that is no JSON"),
        (Answer(body=b"[" * 100_000), "the status page answered something that is no JSON"),
        (Answer(body=b"[]"), "JSON that is not in the form of Statuspage"),
        (Answer(body=b'{"status": "ok"}'), "JSON that is not in the form of Statuspage"),
        (Answer(fault="reset"), "the status page gave no answer: unreachable: the connection was lost"),
        (
            Answer(body=b" " * 2_000_001),
            "the status page gave no answer: the answer has more than 2,000,000 bytes",
        ),
    ],
)
def test_a_page_that_cannot_be_read_is_a_warning_and_no_word_of_the_vendor(answer: Answer, told: str) -> None:
    with RecordingServer(answer) as server, pytest.raises(Warn) as caught:
        StatusPage("stripe", server.url)()

    assert told in caught.value.reason


def test_a_page_with_rubbish_inside_breaks_nothing() -> None:
    said = {"status": {"indicator": 7}, "components": [None, {"name": 3}], "incidents": {"name": "x"}}
    with RecordingServer(default=Answer(body=json.dumps(said).encode())) as server:
        whole, parts = StatusPage("x", server.url)(), StatusPage("x", server.url, components={"3"})()

    assert not isinstance(whole, list)
    assert whole.status is Status.WARN
    assert isinstance(parts, list)
    assert parts[0].status is Status.WARN


def test_a_page_that_is_not_there_warns() -> None:
    with pytest.raises(Warn, match="the status page gave no answer: unreachable: connection refused"):
        StatusPage("stripe", refused_url())()


def test_a_page_behind_tls_is_verified() -> None:
    with RecordingServer(default=page(), tls=True) as server:
        with pytest.raises(Warn, match="TLS: the certificate or the handshake was refused"):
            StatusPage("stripe", server.url)()
        trusting = StatusPage("stripe", server.url, ca_file=str(CERTIFICATE))()

    assert not isinstance(trusting, list)
    assert trusting.status is Status.PASS


def test_a_redirect_is_followed() -> None:
    with RecordingServer(default=page()) as server:
        server.then(Answer(302, headers={"Location": "/elsewhere.json"}))
        StatusPage("stripe", server.url)()

    assert server.paths() == ["/api/v2/summary.json", "/elsewhere.json"]


def test_asking_the_page_is_none_of_the_apps_own_calls() -> None:
    with RecordingServer(default=page()) as server, OutboundCalls() as calls:
        StatusPage("stripe", server.url)()

    assert calls()[0].details["hosts"] == 0


def test_a_page_that_drips_or_hangs_is_ended_from_outside_and_leaves_no_thread() -> None:
    for fault in ("drip", "hang"):
        health = Health("shop")
        with RecordingServer(default=Answer(fault=fault)) as server:
            health.add(StatusPage("stripe", server.url), timeout=0.3)
            report = health.report()
            wait_for(lambda: not [t for t in threading.enumerate() if "stripe" in t.name], 5, "the run's end")

        assert report.status is Status.WARN  # a vendor's page is not critical
        assert report.readings[0].output == "no answer within 0.3 s (limit 0.3 s)"


def test_the_limit_on_bytes_is_one_that_pages_stay_under() -> None:
    assert http_get.MAX_BYTES == 2_000_000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "status.stripe.com"}, "StatusPage 'stripe': the url must begin with http"),
        ({"url": "https://x.example", "components": "API"}, "components must be a set of names"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        StatusPage("stripe", **given)
