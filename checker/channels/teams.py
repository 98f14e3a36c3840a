"""teams: the webhook of a Microsoft Teams workflow, given a card of text runs, which have no markup.

Source: "Create incoming webhooks with Workflows for Microsoft Teams", and adaptivecards.io (TextRun).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checker.channels._words import clip
from checker.channels.base import HttpChannel, Pace, encode
from checker.channels.story import Story, Tone, tell
from checker.model import Notification

MAX_BYTES = 26_000  # Teams takes 28 kB
STYLES = {Tone.BAD: "attention", Tone.WARNING: "warning", Tone.GOOD: "good", Tone.CALM: "accent"}


class Teams(HttpChannel):
    """Posts to a Teams workflow ("When a Teams webhook request is received")."""

    pace = Pace(at_once=4, every=0.25, burst=4)  # four requests a second

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        story = tell(notification)
        text = story.body
        while len(encode(found := _message(story, text))) > MAX_BYTES:
            text = clip(text, len(text) * 3 // 4)
        return found


def _message(story: Story, text: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            {
                "type": "Container",
                "style": STYLES[story.tone],
                "bleed": True,
                "items": [_run(story.headline(), size="Large", weight="Bolder")],
            },
            *(_run(each) for each in text.splitlines() if each),
        ],
    }
    if story.link:
        content["actions"] = [{"type": "Action.OpenUrl", "title": "Open the incident", "url": story.link}]
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "summary": story.headline(), "attachments": [card]}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
