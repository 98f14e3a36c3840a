"""PagerDuty gets one incident an incident, triggered and resolved by the same key."""

from __future__ import annotations

from typing import Any

import pytest

from checker.channels.pagerduty import dedup_key
from checker.model import Event, Notification
from tests.checker.channels.samples import HOSTILE, hostile, notification, tell, warning
from tests.recording import Answer, RecordingServer


def post(told: Notification) -> dict[str, Any]:
    with RecordingServer(Answer(202, b'{"status":"success"}')) as server:
        tell("pagerduty", {"url": server.url, "routing_key": "r-key"}, told)
    found: dict[str, Any] = server.requests[0].json()
    return found


def test_it_triggers_acknowledges_and_resolves_by_the_incidents_key() -> None:
    told = [post(notification(each)) for each in (Event.OPENED, Event.ACKNOWLEDGED, Event.RESOLVED)]
    assert [each["event_action"] for each in told] == ["trigger", "acknowledge", "resolve"]
    assert {each["dedup_key"] for each in told} == {"incident-7-abc"}
    opened = told[0]
    assert opened["routing_key"] == "r-key"
    payload = opened["payload"]
    assert payload["summary"] == "Down: shop: database:write"
    assert payload["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert payload["custom_details"]["Monitors"] == ["shop/database:write: down, read-only"]
    assert opened["links"][0]["href"] == "https://checker.example/incidents/7"


def test_severity_is_told_and_a_drill_wakes_nobody() -> None:
    told = [notification(), warning(), notification(Event.DRILL), notification(Event.TEST)]
    severities = [post(each)["payload"]["severity"] for each in told]
    assert severities == ["critical", "warning", "info", "info"]


@pytest.mark.parametrize("text", HOSTILE)
def test_pagerdutys_limits_hold(text: str) -> None:
    found = post(hostile(text))
    assert 0 < len(found["dedup_key"]) <= 255
    assert len(found["payload"]["summary"]) <= 1_024
    assert found["payload"]["source"] or not text


def test_a_long_key_is_hashed_to_the_same_one_each_time() -> None:
    assert dedup_key("x" * 256) == dedup_key("x" * 256) != dedup_key("x" * 257)
    assert dedup_key("x" * 255) == "x" * 255
