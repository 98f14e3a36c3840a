"""Teams, Telegram and ntfy: the same story within each one's limits, with nobody's markup in it."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from checker.model import Event, Notification
from tests.checker.channels.samples import (
    HOSTILE,
    hostile,
    member,
    notification,
    refusal_of,
    settings,
    tell,
    warning,
)
from tests.recording import Answer, Received, RecordingServer

KINDS = ["teams", "telegram", "ntfy"]


def post(kind: str, told: Notification, **more: Any) -> Received:
    with RecordingServer() as server:
        tell(kind, {**settings(kind, server.url), **more}, told)
    [received] = server.requests
    return received


def long() -> Notification:
    members = [
        member("🔥&<" * 60, "größer <b> & 日本語 " * 40, evidence={"output": "🔥\n" * 999}) for _ in range(30)
    ]
    return notification(Event.OPENED, *members, title="<&🔥" * 200)


def card(told: Notification) -> dict[str, Any]:
    [attachment] = post("teams", told).json()["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    content: dict[str, Any] = attachment["content"]
    return content


def runs(content: dict[str, Any]) -> list[str]:
    blocks = [*content["body"][0]["items"], *content["body"][1:]]
    return [run["text"] for block in blocks for run in block["inlines"]]


def test_teams_gets_a_card_with_the_facts_the_link_and_a_color() -> None:
    content = card(notification())
    assert runs(content)[0] == "Down: shop: database:write"
    assert "- shop/database:write: down, read-only" in runs(content)
    assert content["actions"][0]["url"] == "https://checker.example/incidents/7"
    told = [notification(), warning(), notification(Event.RESOLVED), notification(Event.DRILL)]
    styles = [card(each)["body"][0]["style"] for each in told]
    assert styles == ["attention", "warning", "good", "accent"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_teams_card_holds_names_only_in_text_runs_which_have_no_markup(text: str) -> None:
    content = card(hostile(text))
    assert {block["type"] for block in content["body"][1:]} == {"RichTextBlock"}
    assert "entities" not in content.get("msteams", {})
    assert all("\x00" not in each and "\x1b" not in each for each in runs(content))


def test_a_teams_card_stays_below_what_teams_takes() -> None:
    assert 15_000 < len(post("teams", long()).body) <= 28_000


def test_telegram_gets_the_story_as_html_for_the_chat_and_topic() -> None:
    received = post("telegram", notification(), topic=9)
    found = received.json()
    assert received.path == "/bot1:SECRET/sendMessage"
    assert (found["chat_id"], found["message_thread_id"], found["parse_mode"]) == ("-100", 9, "HTML")
    assert found["text"].startswith("<b>Down: shop: database:write</b>\n\nCause: read-only")
    assert found["text"].endswith('<a href="https://checker.example/incidents/7">Open the incident</a>')


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", [Event.OPENED, Event.RESOLVED])
def test_no_name_is_markup_or_a_mention_for_telegram(text: str, event: Event) -> None:
    found = post("telegram", hostile(text, event)).json()["text"]
    assert set(re.findall(r"<(/?\w+)", found)) == {"b", "/b", "a", "/a"}
    assert found.count("<") == 4
    assert not re.search(r"@\w", found)


def test_telegrams_limit_holds_in_utf_16() -> None:
    shown = html.unescape(re.sub(r"<[^>]*>", "", post("telegram", long()).json()["text"]))
    assert 3_000 < len(shown.encode("utf-16-le")) // 2 <= 4_096


def test_telegrams_way_to_say_how_long_to_wait_is_honoured_and_its_token_never_shown() -> None:
    busy = b'{"ok":false,"error_code":429,"parameters":{"retry_after":11}}'
    gone = b'{"ok":false,"error_code":401,"description":"Unauthorized /bot1:SECRET/sendMessage"}'
    with RecordingServer(Answer(429, busy), Answer(401, gone)) as server:
        given = settings("telegram", server.url)
        error = refusal_of("telegram", given)
        assert (error.permanent, error.retry_after) == (False, 11)
        error = refusal_of("telegram", given)
        assert error.permanent
        assert "SECRET" not in error.reason


def test_ntfy_gets_title_text_priority_and_link() -> None:
    received = post("ntfy", notification())
    found = received.json()
    assert received.headers["authorization"] == "Bearer tk_SECRET"
    assert (found["topic"], found["title"]) == ("ops-SECRET", "Down: shop: database:write")
    assert "- shop/database:write: down, read-only" in found["message"]
    assert found["click"] == "https://checker.example/incidents/7"
    told = [notification(), warning(), notification(Event.RESOLVED), notification(Event.DRILL)]
    assert [post("ntfy", each).json()["priority"] for each in told] == [5, 3, 3, 2]


def test_ntfy_takes_name_and_password_too() -> None:
    with RecordingServer() as server:
        tell("ntfy", {"url": server.url, "topic": "t", "username": "me", "password": "s"}, notification())
    assert server.requests[0].headers["authorization"] == "Basic bWU6cw=="


def test_ntfys_limit_holds_in_bytes() -> None:
    text = post("ntfy", long()).json()["message"]
    assert 2_000 < len(text.encode()) <= 4_096


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_lost_to_a_name(kind: str, text: str) -> None:
    shown = json.dumps(post(kind, hostile(text)).json(), ensure_ascii=False)
    assert not set(shown) & {"\x00", "\x1b", "\u202e"}
