"""Slack apps, Discord and Telegram keep an incident together, also over a restart of the checker."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from checker.channels import ChannelError, build
from checker.channels.posts import MAX_REMEMBERED, OwnPosts
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification
from tests.checker.channels.samples import AT, HOSTILE, hostile, notification, refusal_of, settings
from tests.recording import Answer, Received, RecordingServer

KINDS = ["slack-app", "discord", "telegram"]


def taken(**fields: Any) -> Answer:
    return Answer(200, json.dumps({"ok": True, **fields}).encode())


FIRST = {
    "slack-app": taken(ts="11.5", channel="C77"),
    "discord": taken(id="4711"),
    "telegram": taken(result={"message_id": 42}),
}


def story_of(kind: str, server: RecordingServer, *told: Notification, posts: OwnPosts | None = None) -> None:
    """Tell one after the other, each with a channel of its own, as after a restart."""
    memory = posts or OwnPosts()

    async def main() -> None:
        async with Http() as http:
            for number, each in enumerate(told):
                spec = ChannelSpec("ops", kind.removesuffix("-app"), settings(kind, server.url + "/api/hook"))
                channel = build(spec, http, clock=lambda: AT, posts=memory)
                await channel.send(each, dedup=f"d-{number}")

    asyncio.run(main())


def through(kind: str, *told: Notification) -> list[Received]:
    with RecordingServer(FIRST[kind], default=taken(ts="12.0", channel="C77", id="4712")) as server:
        story_of(kind, server, *told)
    return server.requests


def test_a_slack_app_opens_a_thread_answers_in_it_and_changes_the_first_message_in_the_end() -> None:
    opened, reminder, update, resolved = through(
        "slack-app", notification(), notification(Event.REMINDER), notification(Event.RESOLVED)
    )
    assert [each.path.rpartition("/")[2] for each in (opened, reminder, update, resolved)] == [
        "chat.postMessage", "chat.postMessage", "chat.update", "chat.postMessage",
    ]  # fmt: skip
    assert opened.headers["authorization"] == "Bearer xoxb-SECRET"
    assert opened.json()["channel"] == "C1"
    assert "thread_ts" not in opened.json()
    assert (reminder.json()["thread_ts"], reminder.json()["reply_broadcast"]) == ("11.5", False)
    assert (update.json()["ts"], update.json()["channel"]) == ("11.5", "C77")
    assert update.json()["text"].startswith("Resolved: ")
    assert (resolved.json()["thread_ts"], resolved.json()["reply_broadcast"]) == ("11.5", True)


def test_discords_first_message_turns_green_and_the_end_is_told_besides() -> None:
    opened, edited, resolved = through("discord", notification(), notification(Event.RESOLVED))
    assert (opened.method, opened.target) == ("POST", "/api/hook?wait=true")
    assert (edited.method, edited.target) == ("PATCH", "/api/hook/messages/4711")
    assert edited.json()["embeds"][0]["title"].startswith("Resolved")
    assert (resolved.method, resolved.target) == ("POST", "/api/hook?wait=true")


def test_telegrams_later_messages_answer_the_first() -> None:
    opened, resolved = through("telegram", notification(), notification(Event.RESOLVED))
    assert "reply_parameters" not in opened.json()
    assert resolved.json()["reply_parameters"] == {"message_id": 42, "allow_sending_without_reply": True}


@pytest.mark.parametrize("kind", KINDS)
def test_another_incident_has_a_thread_of_its_own(kind: str) -> None:
    other = notification(Event.RESOLVED, dedup_key="another")
    found = through(kind, notification(), other)
    assert len(found) == 2
    assert "thread_ts" not in found[1].json()
    assert "reply_parameters" not in found[1].json()


@pytest.mark.parametrize("kind", KINDS)
def test_a_drill_begins_no_thread(kind: str) -> None:
    posts = OwnPosts()
    with RecordingServer(default=FIRST[kind]) as server:
        story_of(kind, server, notification(Event.DRILL), posts=posts)
    assert asyncio.run(posts.find("ops", "incident-7-abc")) == ""


@pytest.mark.parametrize("word", ["message_not_found", "edit_window_closed", "cant_update_message"])
def test_a_first_message_that_cannot_be_changed_keeps_nobody_from_hearing_the_end(word: str) -> None:
    no = Answer(200, json.dumps({"ok": False, "error": word}).encode())
    with RecordingServer(FIRST["slack-app"], no, default=taken(ts="12.0")) as server:
        story_of("slack-app", server, notification(), notification(Event.RESOLVED))
        assert server.requests[-1].json()["text"].startswith("Resolved")
    with RecordingServer(FIRST["discord"], Answer(404), default=taken(id="1")) as server:
        story_of("discord", server, notification(), notification(Event.RESOLVED))
        assert server.requests[-1].method == "POST"


def test_a_thread_that_is_gone_is_left_for_the_channel() -> None:
    no = Answer(200, b'{"ok": false, "error": "thread_not_found"}')
    with RecordingServer(FIRST["slack-app"], no, default=taken(ts="12.0")) as server:
        story_of("slack-app", server, notification(), notification(Event.REMINDER))
        assert "thread_ts" not in server.requests[-1].json()


@pytest.mark.parametrize(
    ("answer", "permanent", "wait"),
    [
        (Answer(200, b'{"ok": false, "error": "channel_not_found"}'), True, None),
        (Answer(200, b'{"ok": false, "error": "invalid_auth"}'), True, None),
        (Answer(200, b'{"ok": false, "error": "internal_error"}'), False, None),
        (Answer(429, b'{"ok": false, "error": "ratelimited"}', {"Retry-After": "30"}), False, 30),
        (Answer(200, b"<html>a login page</html>"), False, None),
        (Answer(503), False, None),
    ],
)
def test_slacks_own_words_tell_whether_trying_again_is_of_use(
    answer: Answer, permanent: bool, wait: float | None
) -> None:
    with RecordingServer(answer) as server:
        error = refusal_of("slack-app", settings("slack-app", server.url))
    assert (error.permanent, error.retry_after) == (permanent, wait)
    assert "SECRET" not in error.reason


def test_an_update_that_fails_for_a_while_is_tried_again_before_the_end_is_told() -> None:
    busy = Answer(200, b'{"ok": false, "error": "ratelimited"}', {"Retry-After": "3"})
    posts = OwnPosts()
    with RecordingServer(FIRST["slack-app"], busy, default=taken(ts="12.0")) as server:
        with pytest.raises(ChannelError) as caught:
            story_of("slack-app", server, notification(), notification(Event.RESOLVED), posts=posts)
        assert caught.value.retry_after == 3
        assert len(server.requests) == 2  # nobody was told of the end yet
        story_of("slack-app", server, notification(Event.RESOLVED), posts=posts)
        assert len(server.requests) == 4


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_pings_or_formats_through_an_app(text: str) -> None:
    told = hostile(text)
    for each in through("slack-app", told, replace(told, event=Event.REMINDER)):
        found = each.json()
        found["blocks"].pop()
        everything = json.dumps(found, ensure_ascii=False)
        assert "<" not in everything
        assert ">" not in everything


def test_the_memory_is_bounded() -> None:
    async def main() -> tuple[str, str]:
        posts = OwnPosts()
        for number in range(MAX_REMEMBERED + 1):
            await posts.keep("ops", f"k-{number}", "p")
        return await posts.find("ops", "k-0"), await posts.find("ops", "k-1")

    assert asyncio.run(main()) == ("", "p")
