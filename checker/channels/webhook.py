"""webhook: the incident as JSON, posted to a URL; with a `secret`, signed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from checker.channels.base import Clock, HttpChannel, signature_headers
from checker.http import Http
from checker.model import ChannelSpec, Incident, Notification
from checker.rules.text import clean
from healthkit.wire import timestamp

MAX_MONITORS = 500
MAX_TEXT = 2_000


class Webhook(HttpChannel):
    """Posts the documented JSON. `headers` are added; `secret` signs body and time with HMAC-SHA256."""

    optional = frozenset({*HttpChannel.optional, "secret", "headers"})

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self._secret = self.text_setting("secret")
        given = spec.settings.get("headers", {})
        if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
            raise self._wrong(
                '"headers"', 'must be a table of texts, such as { Authorization = "Bearer ..." }'
            )
        self._headers = dict(given)

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        return {"event": str(notification.event), "incident": incident_json(notification)}

    def headers(self, body: bytes) -> Mapping[str, str]:
        signed = signature_headers(self._secret, body, self._clock()) if self._secret else {}
        return {**self._headers, **signed}


def incident_json(notification: Notification) -> dict[str, Any]:
    """Return an incident as the documented JSON; beyond 500 monitors `more_monitors` counts the rest."""
    incident = notification.incident
    found = {
        "id": incident.id,
        "dedup_key": incident.dedup_key,
        "title": clean(incident.title, MAX_TEXT),
        "cause": clean(incident.cause, MAX_TEXT),
        "since": timestamp(incident.since),
        "resolved_at": None if incident.resolved_at is None else timestamp(incident.resolved_at),
        "severity": str(incident.severity),
        "monitors": _monitors(incident),
        "suppressed": [clean(name, MAX_TEXT) for name in incident.suppressed[:MAX_MONITORS]],
        "url": notification.url,
    }
    if len(incident.members) > MAX_MONITORS:
        found["more_monitors"] = len(incident.members) - MAX_MONITORS
    if len(incident.suppressed) > MAX_MONITORS:
        found["more_suppressed"] = len(incident.suppressed) - MAX_MONITORS
    return found


def _monitors(incident: Incident) -> list[dict[str, str]]:
    return [
        {
            "name": clean(member.name, MAX_TEXT),
            "state": str(member.state),
            "reason": clean(member.reason, MAX_TEXT),
        }
        for member in incident.members[:MAX_MONITORS]
    ]
