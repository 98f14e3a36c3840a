"""discord: a webhook with one embed; nobody can be mentioned by it. A resolved incident turns green."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from checker.channels._words import clip
from checker.channels.base import ChannelError, HttpChannel, Pace, answer_json, encode
from checker.channels.story import Tone, tell
from checker.model import Event, Notification
from healthkit.wire import timestamp

MAX_TITLE = 256  # Discord's own limits, in characters
MAX_DESCRIPTION = 4_096
RED, AMBER, GREEN, BLUE = 0xD92D20, 0xF79009, 0x12B76A, 0x2E90FA
COLORS = {Tone.BAD: RED, Tone.WARNING: AMBER, Tone.GOOD: GREEN, Tone.CALM: BLUE}
_MARKUP = re.compile(r"([\\*_~`|<>#\[\]()@:-])")


class Discord(HttpChannel):
    """Posts to a Discord webhook; `wait=true` makes Discord name the message, so that it can be edited."""

    pace = Pace(at_once=4, every=2.0, burst=5)  # five in two seconds, thirty in a minute

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        story = tell(notification)
        embed: dict[str, Any] = {
            "title": escape(story.headline(), MAX_TITLE),
            "description": escape(story.body, MAX_DESCRIPTION),
            "color": COLORS[story.tone],
            "timestamp": timestamp(notification.at),
        }
        if story.link:
            embed["url"] = story.link
        return {"embeds": [embed], "allowed_mentions": {"parse": []}}

    async def send(self, notification: Notification, *, dedup: str) -> None:
        key = notification.incident.dedup_key
        if notification.event is Event.RESOLVED and (first := await self.posts.find(self.name, key)):
            await self._edit(first, notification, dedup)
        response = await self.post(self._address(), self.body(notification), dedup=dedup)
        name = answer_json(response).get("id")
        if isinstance(name, str) and name and notification.event is Event.OPENED:
            await self.posts.keep(self.name, key, name)

    async def _edit(self, first: str, notification: Notification, dedup: str) -> None:
        """Let the first message say how it ended; one that was deleted meanwhile is no trouble."""
        try:
            address = self._address(f"/messages/{quote(first, safe='')}")
            await self.post(
                address, encode(self.payload(notification)), dedup=f"{dedup}:edit", method="PATCH"
            )
        except ChannelError as error:
            if not error.permanent:
                raise

    def _address(self, more: str = "") -> str:
        parts = urlsplit(self.url)
        query = "&".join(part for part in (parts.query, "" if more else "wait=true") if part)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + more, query=query))


def escape(text: str, limit: int) -> str:
    """Return text whose markup Discord shows instead of following, at most `limit` characters long."""
    shown = clip(text, limit)
    while len(escaped := _MARKUP.sub(r"\\\1", shown)) > limit:
        shown = clip(shown, len(shown) - max(1, (len(escaped) - limit) // 2))
    return escaped
