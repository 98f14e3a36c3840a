"""slack: an incoming webhook, or an app's token. Plain text, in which no name can ping, link or format."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from checker.channels._words import clip
from checker.channels.base import ChannelError, Clock, HttpChannel, Pace, answer_json, encode, retry_after
from checker.channels.story import Tone, tell
from checker.http import Http, Response
from checker.model import ChannelSpec, Event, Notification

MAX_HEADER = 150  # Slack's own limits, in characters
MAX_SECTION = 3_000
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_API = "https://slack.com/api"
# Errors of Slack's methods that pass by themselves; every other is for good.
_TEMPORARY = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
     "team_added_to_org", "accesslimited", "message_limit_exceeded"}
)  # fmt: skip
# The first message is gone, or may not be changed any more: that does not keep anybody from being told.
_UNCHANGEABLE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "update_failed"}
)


class Slack(HttpChannel):
    """Posts to a Slack incoming webhook (`url`), or as an app (`token`, `channel`).

    Slack takes about one message a second and channel. An app keeps an incident in one thread, and changes
    the first message when it is resolved; a webhook can do neither. `api` is where Slack's methods are.
    """

    pace = Pace(at_once=4, every=1.0, burst=4)
    required = frozenset()
    optional = frozenset({"url", "token", "channel", "api", "timeout", "allow_private"})

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self.secrets = (self._token,) if self._token else (self.url,)

    def where(self) -> str:
        self._token, self._channel = self.text_setting("token"), self.text_setting("channel")
        if self._token and ("url" in self.settings or not self._channel):
            raise self._wrong('"token"', 'goes with "channel", and without "url"')
        if not self._token and (self._channel or "api" in self.settings):
            raise self._wrong('"token"', 'is missing: "channel" and "api" are those of an app')
        if self._token:
            return self.text_setting("api", _API).rstrip("/")
        if "url" not in self.settings:
            raise self._wrong('"url"', 'is missing; or give "token" and "channel"')
        return super().where()

    def headers(self, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the token does not sign it
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        story = tell(notification)
        blocks = [
            {"type": "header", "text": _plain(story.headline(MAX_HEADER), MAX_HEADER)},
            {"type": "section", "text": _plain(story.body, MAX_SECTION)},
        ]
        if story.link:
            text = f"<{_address(story.link)}|Open the incident>"
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
        # `text` is what notifications and screen readers show; Slack would read markup in it.
        return {"text": escape(story.headline()), "mrkdwn": False, "blocks": blocks}

    async def send(self, notification: Notification, *, dedup: str) -> None:
        if not self._token:
            await super().send(notification, dedup=dedup)
            return
        key = notification.incident.dedup_key
        first = await self.posts.find(self.name, key)
        place, _, thread = first.partition(" ")
        message = {**self.payload(notification), "unfurl_links": False}
        if thread and notification.event is Event.RESOLVED:
            await self._change({**message, "channel": place, "ts": thread}, dedup)
        found = await self._say(message, thread, loud=notification.event is not Event.REMINDER, dedup=dedup)
        if not thread and found.get("ts") and tell(notification).tone is not Tone.CALM:
            await self.posts.keep(self.name, key, f"{found.get('channel', self._channel)} {found['ts']}")

    async def _say(
        self, message: Mapping[str, Any], thread: str, *, loud: bool, dedup: str
    ) -> Mapping[str, Any]:
        """Post, in the incident's thread where there is one; `loud` shows it in the channel too."""
        threaded = {"thread_ts": thread, "reply_broadcast": loud} if thread else {}
        try:
            return await self._call(
                "chat.postMessage", {**message, "channel": self._channel, **threaded}, dedup
            )
        except _SlackError as error:
            if not thread or error.word not in _UNCHANGEABLE:
                raise
        return await self._call("chat.postMessage", {**message, "channel": self._channel}, dedup)

    async def _change(self, message: Mapping[str, Any], dedup: str) -> None:
        try:
            await self._call("chat.update", message, f"{dedup}:update")
        except _SlackError as error:
            if error.word not in _UNCHANGEABLE:
                raise

    async def _call(self, method: str, message: Mapping[str, Any], dedup: str) -> Mapping[str, Any]:
        response = await self.post(f"{self.url}/{method}", encode(message), dedup=dedup)
        found = answer_json(response)
        if found.get("ok") is not True:
            raise self._refused(method, str(found.get("error", "no JSON answer")), response)
        return found

    def _refused(self, method: str, word: str, response: Response) -> _SlackError:
        passing = word in _TEMPORARY or word == "no JSON answer"
        wait = retry_after(response, self._clock()) if passing else None
        said = self.without_secrets(word)[:80]
        return _SlackError(word, f"{self.place} {method}: {said}", not passing, wait)


class _SlackError(ChannelError):
    """Slack's own word for why a method was refused."""

    def __init__(self, word: str, reason: str, permanent: bool, wait: float | None) -> None:
        super().__init__(reason, permanent, wait)
        self.word = word


def escape(text: str) -> str:
    """Return text in which Slack sees no `<!channel>`, mention or link (its three control characters)."""
    return text.translate(_ESCAPES)


def _plain(text: str, limit: int) -> dict[str, Any]:
    """Return a text object without markup. Slack counts after escaping, so it is cut until it fits."""
    shown = clip(text, limit)
    while len(escape(shown)) > limit:
        shown = clip(shown, len(shown) - max(1, (len(escape(shown)) - limit) // 5))
    return {"type": "plain_text", "text": escape(shown), "emoji": False}


def _address(url: str) -> str:
    return escape(url).replace("|", "%7C")
