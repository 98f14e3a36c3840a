"""Discord shows names as text and mentions nobody, within Discord's limits."""

from __future__ import annotations

import re
from typing import Any

import pytest

from checker.channels.discord import AMBER, BLUE, GREEN, RED
from checker.model import Event, Notification
from tests.checker.channels.samples import HOSTILE, hostile, member, notification, refusal_of, tell, warning
from tests.recording import Answer, RecordingServer


def post(told: Notification) -> dict[str, Any]:
    with RecordingServer(Answer(204, b"")) as server:
        tell("discord", {"url": server.url}, told)
    found: dict[str, Any] = server.requests[0].json()
    return found


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def test_a_message_is_one_embed_with_the_facts_and_the_link() -> None:
    [embed] = post(notification())["embeds"]
    assert unescape(embed["title"]) == "Down: shop: database:write"
    assert "- shop/database:write: down, read-only" in unescape(embed["description"])
    assert embed["url"] == "https://checker.example/incidents/7"
    assert embed["timestamp"] == "2023-11-14T22:25:25.000Z"


def test_the_color_tells_how_bad_it_is() -> None:
    told = [notification(), warning(), notification(Event.RESOLVED), notification(Event.TEST)]
    assert [post(each)["embeds"][0]["color"] for each in told] == [RED, AMBER, GREEN, BLUE]


@pytest.mark.parametrize("text", HOSTILE)
def test_nobody_is_mentioned_and_nothing_is_formatted(text: str) -> None:
    found = post(hostile(text))
    assert found["allowed_mentions"] == {"parse": []}
    assert "content" not in found
    [embed] = found["embeds"]
    for shown in (embed["title"], embed["description"]):
        assert not re.search(r"(?<!\\)(?:\\\\)*[*_~`|<>#\[\]()@]", shown)


def test_discords_limits_hold_even_where_escaping_makes_text_longer() -> None:
    members = [member("*" * 150, "_" * 300) for _ in range(30)]
    [embed] = post(notification(Event.OPENED, *members, title="*" * 500))["embeds"]
    assert len(embed["title"]) <= 256
    assert 3_000 < len(embed["description"]) <= 4_096
    assert len(embed["title"]) + len(embed["description"]) <= 6_000


def test_discords_own_way_to_say_how_long_to_wait_is_honoured() -> None:
    with RecordingServer(Answer(429, b'{"message": "slow down", "retry_after": 1.5}')) as server:
        error = refusal_of("discord", {"url": server.url})
    assert (error.permanent, error.retry_after) == (False, 1.5)
