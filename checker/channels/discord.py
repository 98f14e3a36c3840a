"""discord: a webhook with one embed; nobody can be mentioned by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from checker.channels import _text
from checker.channels.base import HttpChannel
from checker.model import Event, Notification, Severity
from healthkit.wire import timestamp

MAX_TITLE = 256  # Discord's own limits, in characters
MAX_DESCRIPTION = 4_096
RED, AMBER, GREEN, BLUE = 0xD92D20, 0xF79009, 0x12B76A, 0x2E90FA
_MARKUP = re.compile(r"([\\*_~`|<>#\[\]()@:-])")


class Discord(HttpChannel):
    """Posts to a Discord webhook."""

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        embed: dict[str, Any] = {
            "title": escape(_text.headline(notification), MAX_TITLE),
            "description": escape(_text.body(notification), MAX_DESCRIPTION),
            "color": _color(notification),
            "timestamp": timestamp(notification.at),
        }
        if url := _text.link(notification):
            embed["url"] = url
        return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def escape(text: str, limit: int) -> str:
    """Return text whose markup Discord shows instead of following, at most `limit` characters long."""
    shown = _text.clip(text, limit)
    while len(escaped := _MARKUP.sub(r"\\\1", shown)) > limit:
        shown = _text.clip(shown, len(shown) - max(1, (len(escaped) - limit) // 2))
    return escaped


def _color(notification: Notification) -> int:
    if notification.event is Event.RESOLVED:
        return GREEN
    if notification.event in (Event.TEST, Event.DRILL):
        return BLUE
    return AMBER if notification.incident.severity is Severity.WARNING else RED
