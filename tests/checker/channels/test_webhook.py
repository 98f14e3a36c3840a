"""The webhook posts exactly the documented JSON."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from checker.model import Event, Notification
from tests.checker.channels.samples import AT, HOSTILE, hostile, member, notification, tell
from tests.recording import Received, RecordingServer


def post(told: Notification, **settings: Any) -> Received:
    with RecordingServer() as server:
        tell("webhook", {"url": server.url, **settings}, told)
    [received] = server.requests
    return received


def test_the_json_is_the_documented_one() -> None:
    told = notification(suppressed=("nightly-invoices",))
    assert post(told).json() == {
        "event": "opened",
        "incident": {
            "id": 7,
            "dedup_key": "incident-7-abc",
            "title": "shop: database:write",
            "cause": "read-only: attempt to write a readonly database",
            "since": "2023-11-14T22:13:20.000Z",
            "resolved_at": None,
            "severity": "critical",
            "next_step": "the server is a replica or its disk is full: check failover and free space",
            "monitors": [{"name": "shop/database:write", "state": "down", "reason": "read-only"}],
            "suppressed": ["nightly-invoices"],
            "url": "https://checker.example/incidents/7",
        },
    }


def test_evidence_and_output_of_the_first_monitors_are_told() -> None:
    told = notification(Event.OPENED, member("nightly", evidence={"exit_code": 3, "output": "a\nb"}))
    [monitor] = post(told).json()["incident"]["monitors"]
    assert (monitor["evidence"], monitor["output"]) == ({"exit code": "3"}, "a\nb")


@pytest.mark.parametrize("event", list(Event))
def test_every_event_is_told_by_its_name(event: Event) -> None:
    found = post(notification(event)).json()
    assert found["event"] == event.value
    resolved = "2023-11-14T22:25:25.000Z" if event is Event.RESOLVED else None
    assert found["incident"]["resolved_at"] == resolved


def test_500_monitors_are_named_and_the_others_counted() -> None:
    members = [member(f"job-{n}") for n in range(1_234)]
    names = tuple(f"s-{n}" for n in range(600))
    found = post(notification(Event.OPENED, *members, suppressed=names)).json()["incident"]
    assert len(found["monitors"]) == 500
    assert found["more_monitors"] == 734
    assert len(found["suppressed"]) == 500
    assert found["more_suppressed"] == 100


def test_with_a_secret_body_and_time_are_signed() -> None:
    received = post(notification(), secret="s3cret")
    stamp = received.headers["x-healthkit-timestamp"]
    assert int(stamp) == AT
    wanted = hmac.new(b"s3cret", stamp.encode() + b"." + received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-healthkit-signature"] == f"sha256={wanted}"
    assert "s3cret" not in repr(received)


def test_headers_of_the_users_are_added() -> None:
    received = post(notification(), headers={"Authorization": "Bearer t"})
    assert received.headers["authorization"] == "Bearer t"
    assert "x-healthkit-signature" not in received.headers


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_the_message(text: str) -> None:
    found = post(hostile(text)).json()["incident"]
    shown = found["monitors"][0]["reason"]
    assert "\x00" not in shown
    assert "\x1b" not in shown
    assert ("DROP TABLE" in shown, "<script>" in shown) == ("DROP TABLE" in text, "<script>" in text)
    assert len(shown) <= 2_000
