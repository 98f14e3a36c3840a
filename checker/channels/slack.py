"""slack: an incoming webhook. Blocks of plain text, in which no name can ping, link or format anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checker.channels import _text
from checker.channels.base import HttpChannel
from checker.model import Notification

MAX_HEADER = 150  # Slack's own limits, in characters
MAX_SECTION = 3_000
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack(HttpChannel):
    """Posts to a Slack incoming webhook, about one message a second at most (Slack's limit)."""

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        blocks = [
            {"type": "header", "text": _plain(_text.headline(notification, MAX_HEADER), MAX_HEADER)},
            {"type": "section", "text": _plain(_text.body(notification), MAX_SECTION)},
        ]
        if url := _text.link(notification):
            blocks.append(
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": f"<{_address(url)}|Open the incident>"},
                }
            )
        # `text` is what notifications and screen readers show; Slack would read markup in it.
        return {"text": escape(_text.headline(notification)), "mrkdwn": False, "blocks": blocks}


def escape(text: str) -> str:
    """Return text in which Slack sees no `<!channel>`, mention or link (its three control characters)."""
    return text.translate(_ESCAPES)


def _plain(text: str, limit: int) -> dict[str, Any]:
    """Return a text object without markup. Slack counts after escaping, so it is cut until it fits."""
    shown = _text.clip(text, limit)
    while len(escape(shown)) > limit:
        shown = _text.clip(shown, len(shown) - max(1, (len(escape(shown)) - limit) // 5))
    return {"type": "plain_text", "text": escape(shown), "emoji": False}


def _address(url: str) -> str:
    return escape(url).replace("|", "%7C")
