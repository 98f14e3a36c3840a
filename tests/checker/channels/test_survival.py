"""Where it sends may fail in every way: nothing is lost, nothing overtakes, and somebody is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.channels import build
from checker.dispatcher import GIVE_UP
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification
from checker.store import outbox
from checker.store.channel_threads import StoredPosts
from checker.store.tables import outbox as outbox_table
from checker.store.views import channel_views
from tests.checker.channels.samples import HOSTILE, HTTP_KINDS, hostile, notification, settings
from tests.checker.house import House, ListChannel
from tests.checker.stores import prepared
from tests.recording import Answer, RecordingServer

TAKEN = Answer(200, b'{"ok": true, "id": "9", "ts": "1.2", "channel": "C1", "result": {"message_id": 5}}')


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    store = prepared(tmp_path / "checker.db")
    yield House(store)
    store.close()


def owe(house: House, told: Notification) -> None:
    told = replace(told, incident=replace(told.incident, id=0))
    house.store.write_now(lambda conn: outbox.put(conn, told, ["ops"], house.now))


def deliver(
    house: House, kind: str, server: RecordingServer, *steps: tuple[float, Callable[[], Any]]
) -> None:
    """Let the dispatcher work with a real channel, a look every half of a step, until each step's time."""

    async def main() -> None:
        async with Http() as http:
            spec = ChannelSpec("ops", kind.removesuffix("-app"), settings(kind, server.url))
            posts = StoredPosts(house.store, house.clock)
            channels: dict[str, Any] = house.channels
            channels["ops"] = build(spec, http, clock=house.clock, posts=posts)
            for seconds, step in steps:
                step()
                until = house.now + seconds
                while house.now < until:
                    house.now += max(seconds / 40, 0.5)
                    await house.dispatcher.once(house.now)

    asyncio.run(main())


def is_end(body: bytes) -> bool:
    return b"Resolved" in body or b'"event":"resolved"' in body


def rows(house: House) -> list[tuple[Any, ...]]:
    return [*house.rows(outbox_table, "event", "sent_at", "gave_up_at", "last_error")]


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_no_end_overtakes_its_beginning_whatever_fails_on_the_way(house: House, kind: str) -> None:
    failures = [Answer(500), Answer(429, b"", {"Retry-After": "3"}), Answer(fault="reset"), Answer(503)]
    with RecordingServer(*failures, TAKEN, Answer(502), Answer(429), default=TAKEN) as server:

        def both() -> None:
            owe(house, notification())
            owe(house, notification(Event.RESOLVED))

        deliver(house, kind, server, (40.0, both))
        ends = [is_end(each.body) for each in server.requests]
    assert ends == sorted(ends)
    assert ends.count(False) == 5  # four failures, and the one that was taken
    assert [(event, sent is not None) for event, sent, _, _ in rows(house)] == [
        ("opened", True), ("resolved", True),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_pause_that_is_asked_for_is_kept_and_the_message_then_told(house: House, kind: str) -> None:
    times: list[float] = []
    with RecordingServer(Answer(429, b"", {"Retry-After": "30"}), default=TAKEN) as server:
        deliver(house, kind, server, (2.0, lambda: owe(house, notification())))
        deliver(house, kind, server, (26.0, lambda: times.append(len(server.requests))))
        times.append(len(server.requests))
        deliver(house, kind, server, (6.0, lambda: None))
        times.append(len(server.requests))
    assert times == [1, 1, 2]


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_what_is_given_up_is_seen_and_the_end_is_still_told(house: House, kind: str) -> None:
    with RecordingServer(default=Answer(500, b"oops")) as server:

        def works() -> None:
            owe(house, notification(Event.RESOLVED))
            server.default = TAKEN

        deliver(house, kind, server, (GIVE_UP + 4_000, lambda: owe(house, notification())), (400.0, works))
        assert is_end(server.requests[-1].body)
    opened, resolved = rows(house)
    assert opened[1] is None
    assert opened[2] is not None
    assert "500" in opened[3]
    assert resolved[1] is not None


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_channel_that_is_gone_is_shown_as_broken_and_the_other_is_told_once_and_when_it_is_back(
    house: House, kind: str
) -> None:
    house.channels["mail"] = fallback = ListChannel()
    with RecordingServer(default=Answer(404, b"no such hook")) as server:
        deliver(house, kind, server, (300.0, lambda: owe_all(house, two())))
        assert [each.incident.title for each in fallback.told] == ["channel ops is broken"]
        assert "404" in fallback.told[0].incident.cause
        assert "SECRET" not in fallback.told[0].incident.cause
        [view] = [
            each
            for each in house.store.read_now(lambda conn: channel_views(conn, {"ops": kind}))
            if each.name == "ops"
        ]
        assert view.broken_since is not None
        assert view.waiting == 2
        server.default = TAKEN
        deliver(house, kind, server, (120.0, lambda: None))
    assert [each.event for each in fallback.told] == [Event.OPENED, Event.RESOLVED]
    assert all(sent is not None for _, sent, _, _ in rows(house))


def owe_all(house: House, told: list[Notification]) -> None:
    for each in told:
        owe(house, each)


def nasty() -> list[Notification]:
    """One incident a name; keys are our own, and plain."""
    told = [hostile(text) for text in HOSTILE]
    return [
        replace(each, incident=replace(each.incident, dedup_key=f"k-{number}"))
        for number, each in enumerate(told)
    ]


def two() -> list[Notification]:
    return [notification(), notification(dedup_key="another")]


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_every_hostile_name_goes_through_the_store_and_out_again(house: House, kind: str) -> None:
    with RecordingServer(default=TAKEN) as server:
        deliver(house, kind, server, (30.0, lambda: owe_all(house, nasty())))  # some have a pace
        assert len(server.requests) == len(HOSTILE)
    assert all(sent is not None for _, sent, _, _ in rows(house))


def test_a_slack_thread_survives_a_restart_of_the_checker(house: House) -> None:
    with RecordingServer(default=TAKEN) as server:
        deliver(house, "slack-app", server, (1.0, lambda: owe(house, notification())))
        deliver(house, "slack-app", server, (1.0, lambda: owe(house, notification(Event.RESOLVED))))
        opened, update, resolved = server.requests
    assert opened.path == "/chat.postMessage"
    assert (update.path, update.json()["ts"]) == ("/chat.update", "1.2")
    assert (resolved.path, resolved.json()["thread_ts"]) == ("/chat.postMessage", "1.2")
