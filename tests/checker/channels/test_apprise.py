"""Apprise carries the message to whatever it knows; here to its own JSON target on a real server."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from checker.channels.apprise import harmless
from checker.model import Event
from healthkit.errors import ConfigurationError
from tests.checker.channels.samples import HOSTILE, hostile, notification, refusal_of, tell
from tests.recording import Answer, RecordingServer


def target(server: RecordingServer) -> str:
    return server.url.replace("http://", "json://") + "/hook"


def test_it_tells_title_and_body() -> None:
    with RecordingServer() as server:
        tell("apprise", {"url": target(server)}, notification(Event.RESOLVED))
    found: dict[str, Any] = server.requests[0].json()
    assert found["title"] == "Resolved: shop: database:write"
    assert "after 12 min 5 s" in found["message"]
    assert "https://checker.example/incidents/7" in found["message"]
    assert found["type"] == "success"


def test_several_targets_are_told() -> None:
    with RecordingServer() as first, RecordingServer() as second:
        tell("apprise", {"url": [target(first), target(second)]}, notification())
        assert len(first.requests) == len(second.requests) == 1


def test_a_target_that_refuses_is_tried_again() -> None:
    with RecordingServer(default=Answer(500)) as server:
        error = refusal_of("apprise", {"url": target(server)})
    assert not error.permanent


def test_a_target_that_hangs_is_given_up_in_time() -> None:
    with RecordingServer(default=Answer(fault="hang")) as server:
        error = refusal_of("apprise", {"url": target(server), "timeout": 0.3})
    assert "within 0.3 s" in error.reason


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match=r"healthkit-monitor\[apprise\]"):
        tell("apprise", {"url": "json://localhost"}, notification())


@pytest.mark.parametrize("text", HOSTILE)
def test_mentions_are_broken_up(text: str) -> None:
    shown = harmless(text)
    for mark in ("@everyone", "@here", "<!", "<@", "<#"):
        assert mark not in shown
    with RecordingServer() as server:
        tell("apprise", {"url": target(server)}, hostile(text))
        assert len(server.requests) == 1
