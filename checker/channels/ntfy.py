"""ntfy: a push message to a topic, on ntfy.sh or a server of one's own. Source: docs.ntfy.sh/publish."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from typing import Any

from checker.channels._words import clip
from checker.channels.base import Clock, HttpChannel, Pace
from checker.channels.story import Tone, tell
from checker.http import Http
from checker.model import ChannelSpec, Notification

MAX_BYTES = 4_000  # ntfy makes an attachment of what is longer than 4,096 bytes
PRIORITIES = {Tone.BAD: 5, Tone.WARNING: 3, Tone.GOOD: 3, Tone.CALM: 2}
TAGS = {
    Tone.BAD: "rotating_light",
    Tone.WARNING: "warning",
    Tone.GOOD: "white_check_mark",
    Tone.CALM: "test_tube",
}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")


class Ntfy(HttpChannel):
    """Publishes to a topic. `url` is the server; `token`, or `username` and `password`, where wanted."""

    pace = Pace(at_once=8, every=5.0, burst=60)  # as the public server counts
    required = frozenset({"topic"})
    optional = frozenset({*HttpChannel.optional, "url", "token", "username", "password"})
    default_url = "https://ntfy.sh"

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self._topic = self.text_setting("topic")
        if not _TOPIC.fullmatch(self._topic):
            raise self._wrong('"topic"', 'must be letters, digits, "-" and "_", 64 at most')
        token, name, password = (self.text_setting(key) for key in ("token", "username", "password"))
        if (token and name) or bool(name) != bool(password):
            raise self._wrong('"username"', 'goes with "password", and without "token"')
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        self._authorization = f"Bearer {token}" if token else f"Basic {pair}" if name else ""
        self.secrets = (token, password, pair if name else "", self._topic)  # who knows a topic can read it

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the token does not sign it
        return {"Authorization": self._authorization} if self._authorization else {}

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        story = tell(notification)
        text = story.body
        while len(text.encode("utf-8", "replace")) > MAX_BYTES:
            text = clip(text, len(text) * 9 // 10)
        message: dict[str, Any] = {
            "topic": self._topic,
            "title": story.headline(),
            "message": text,
            "priority": PRIORITIES[story.tone],
            "tags": [TAGS[story.tone]],
        }
        if story.link:
            message["click"] = story.link
        return message
