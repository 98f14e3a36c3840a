"""pagerduty: Events API v2. One PagerDuty incident an incident of ours, by its dedup key."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from checker.channels._words import line
from checker.channels.base import Clock, HttpChannel, Pace
from checker.channels.story import Tone, tell
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification
from healthkit.wire import timestamp

MAX_KEY = 255  # PagerDuty's own limits, in characters
MAX_SUMMARY = 1_024
ACTIONS = {Event.RESOLVED: "resolve", Event.ACKNOWLEDGED: "acknowledge"}


class PagerDuty(HttpChannel):
    """Triggers, acknowledges and resolves. `url` is PagerDuty's own; the EU has another."""

    pace = Pace(at_once=8, every=0.5, burst=20)  # 120 events a minute
    required = frozenset({"routing_key"})
    optional = frozenset({*HttpChannel.optional, "url"})
    default_url = "https://events.pagerduty.com/v2/enqueue"

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self._routing_key = self.text_setting("routing_key")

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": ACTIONS.get(notification.event, "trigger"),
            "dedup_key": dedup_key(notification.incident.dedup_key),
            "client": "healthkit",
            "payload": _payload(notification),
        }
        if url := tell(notification).link:
            event["client_url"] = url
            event["links"] = [{"href": url, "text": "Open the incident"}]
        return event


def dedup_key(key: str) -> str:
    """Return the key itself, or its hash where PagerDuty would not take it for its length."""
    return key if len(key) <= MAX_KEY else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _payload(notification: Notification) -> dict[str, Any]:
    incident = notification.incident
    story = tell(notification)
    return {
        "summary": story.headline(MAX_SUMMARY),
        "source": line(incident.group or incident.title),
        "severity": "info" if story.tone is Tone.CALM else str(incident.severity),
        "timestamp": timestamp(incident.since),
        "custom_details": {
            **dict(story.facts),
            "Monitors": story.lines,
            "Evidence": {part.name: dict(part.facts) for part in story.parts if part.facts},
            "Last output": {part.name: part.output for part in story.parts if part.output},
            "Affected by it": story.affected,
            **dict(story.advice),
        },
    }
