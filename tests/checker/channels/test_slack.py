"""Slack shows names as text, whatever they hold, within Slack's limits."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from checker.model import Event, Notification
from tests.checker.channels.samples import HOSTILE, hostile, member, notification, refusal_of, tell
from tests.recording import Answer, RecordingServer


def post(told: Notification) -> dict[str, Any]:
    with RecordingServer() as server:
        tell("slack", {"url": server.url}, told)
    found: dict[str, Any] = server.requests[0].json()
    return found


def test_a_message_has_a_fallback_text_the_facts_and_the_link() -> None:
    found = post(notification())
    assert found["text"] == "Down: shop: database:write"
    header, facts, link = found["blocks"]
    assert header["text"]["text"] == "Down: shop: database:write"
    assert "Cause: read-only: attempt to write a readonly database" in facts["text"]["text"]
    assert "- shop/database:write: down, read-only" in facts["text"]["text"]
    assert link["text"]["text"] == "<https://checker.example/incidents/7|Open the incident>"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", [Event.OPENED, Event.RESOLVED])
def test_no_name_pings_links_or_formats(text: str, event: Event) -> None:
    found = post(hostile(text, event))
    link = found["blocks"].pop()
    assert link["text"]["type"] == "mrkdwn"  # the only markup, and nothing of anybody's in it
    everything = json.dumps(found, ensure_ascii=False)
    assert "<" not in everything
    assert ">" not in everything
    assert all(block["text"]["type"] == "plain_text" for block in found["blocks"])
    assert found["mrkdwn"] is False


def test_names_are_shown_in_full_after_unescaping() -> None:
    facts = post(hostile("a <b> & c"))["blocks"][1]["text"]["text"]
    assert "- a <b> & c: down, a <b> & c" in html.unescape(facts)


def test_slacks_limits_hold_even_where_escaping_makes_text_longer() -> None:
    members = [member(f"<&>{n}" * 60, "<&>" * 200) for n in range(30)]
    header, facts, _ = post(notification(Event.OPENED, *members, title="&" * 500))["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert 2_000 < len(facts["text"]["text"]) <= 3_000


@pytest.mark.parametrize(
    ("status", "word"), [(404, "no_service"), (410, "channel_is_archived"), (403, "invalid_token")]
)
def test_a_hook_that_is_gone_is_gone_for_good(status: int, word: str) -> None:
    with RecordingServer(Answer(status, word.encode())) as server:
        error = refusal_of("slack", {"url": server.url})
    assert error.permanent
    assert word in error.reason
