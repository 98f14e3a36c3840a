"""telegram: a bot's message to a chat; what follows replies to it. Source: core.telegram.org/bots/api."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Mapping
from typing import Any

from checker.channels._words import clip
from checker.channels.base import Clock, HttpChannel, Pace, answer_json, encode
from checker.channels.story import tell
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification

MAX_TEXT = 4_096  # Telegram's own limit, in UTF-16 units, without the markup
_API = "https://api.telegram.org"
_TOKEN = re.compile(r"[0-9]+:[-A-Za-z0-9_]+")


class Telegram(HttpChannel):
    """Sends as a bot. `chat` is a chat's id or `@name`, `topic` a forum topic's number."""

    pace = Pace(at_once=4, every=1.0, burst=10)  # a message a second and chat
    required = frozenset({"token", "chat"})
    optional = frozenset({"topic", "api", "timeout", "allow_private"})

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self.secrets = (self.url, self._token)
        self._chat, self._topic = spec.settings["chat"], spec.settings.get("topic")
        if isinstance(self._chat, bool) or not isinstance(self._chat, int | str) or not self._chat:
            raise self._wrong('"chat"', "must be a chat's id, or its @name")
        if self._topic is not None and (isinstance(self._topic, bool) or not isinstance(self._topic, int)):
            raise self._wrong('"topic"', "must be a number")

    def where(self) -> str:
        self._token = self.text_setting("token")
        if not _TOKEN.fullmatch(self._token):
            raise self._wrong('"token"', "must be a bot's token, such as 123456:ABC-def")
        return f"{self.text_setting('api', _API).rstrip('/')}/bot{self._token}/sendMessage"

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        story = tell(notification)
        head = harmless(story.headline())
        link = f'\n\n<a href="{html.escape(story.link)}">Open the incident</a>' if story.link else ""
        room = MAX_TEXT - _units(head) - len("\n\n\n\nOpen the incident")
        message: dict[str, Any] = {
            "chat_id": self._chat,
            "text": f"<b>{_escape(head)}</b>\n\n{_escape(_fit(harmless(story.body), room))}{link}",
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        if self._topic is not None:
            message["message_thread_id"] = self._topic
        return message

    async def send(self, notification: Notification, *, dedup: str) -> None:
        key = notification.incident.dedup_key
        message = dict(self.payload(notification))
        first = await self.posts.find(self.name, key)
        if first.isdigit():
            message["reply_parameters"] = {"message_id": int(first), "allow_sending_without_reply": True}
        response = await self.post(self.url, encode(message), dedup=dedup)
        result = answer_json(response).get("result")
        number = result.get("message_id") if isinstance(result, dict) else None
        if isinstance(number, int) and notification.event is Event.OPENED:
            await self.posts.keep(self.name, key, str(number))


def harmless(text: str) -> str:
    """Return text that mentions nobody: Telegram finds an @name by itself, a zero-width space hides it."""
    return text.replace("@", "@\u200b")


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def _fit(text: str, room: int) -> str:
    while _units(text) > room:
        text = clip(text, max(1, len(text) - max(1, (_units(text) - room) // 2)))
    return text
