"""webhook: the incident as JSON, or as a template makes it, posted to a URL; with a `secret`, signed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from checker.channels._template import Template
from checker.channels.base import ChannelError, Clock, HttpChannel, signature_headers
from checker.channels.story import Part, tell
from checker.http import Http
from checker.model import ChannelSpec, Event, Incident, Member, Notification, State
from checker.rules.text import clean
from healthkit.wire import timestamp

MAX_MONITORS = 500
MAX_TEXT = 2_000


class Webhook(HttpChannel):
    """Posts the documented JSON, or what `template` (or `template_file`) makes of it, as `content_type`.

    `headers` are added; `secret` signs body and time with HMAC-SHA256.
    """

    optional = frozenset(
        {*HttpChannel.optional, "secret", "headers", "template", "template_file", "content_type"}
    )

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        self._secret = self.text_setting("secret")
        given = spec.settings.get("headers", {})
        if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
            raise self._wrong(
                '"headers"', 'must be a table of texts, such as { Authorization = "Bearer ..." }'
            )
        self._type = self.text_setting("content_type")
        self._headers = {**dict(given), **({"Content-Type": self._type} if self._type else {})}
        self._template = self._read_template()

    def payload(self, notification: Notification) -> Mapping[str, Any]:
        return {"event": str(notification.event), "incident": incident_json(notification)}

    def body(self, notification: Notification) -> bytes:
        if self._template is None:
            return super().body(notification)
        return self._template.render(names(notification))

    def _read_template(self) -> Template | None:
        """Return the template, tried once, so that a mistake is told before it costs an alert."""
        key = "template" if "template" in self.settings else "template_file"
        source = self.settings.get("template")
        if source is None and "template_file" in self.settings:
            source = self._read_file(Path(self.text_setting("template_file")))
        if source is None:
            return None
        if not isinstance(source, str) or {"template", "template_file"} <= self.settings.keys():
            raise self._wrong(
                f'"{key}"', 'must be text, and "template" and "template_file" exclude each other'
            )
        try:
            found = Template(source, is_json="json" in (self._type or "json").lower())
            found.render(names(_SAMPLE))
        except (ValueError, ChannelError) as error:
            raise self._wrong(f'"{key}"', str(error)) from None
        return found

    def _read_file(self, path: Path) -> str:
        if not path.is_absolute():
            raise self._wrong('"template_file"', "must be an absolute path")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise self._wrong('"template_file"', f"cannot be read: {why}") from None

    def headers(self, body: bytes) -> Mapping[str, str]:
        signed = signature_headers(self._secret, body, self._clock()) if self._secret else {}
        return {**self._headers, **signed}


def incident_json(notification: Notification) -> dict[str, Any]:
    """Return an incident as the documented JSON; beyond 500 monitors `more_monitors` counts the rest."""
    incident, story = notification.incident, tell(notification)
    found = {
        "id": incident.id,
        "dedup_key": incident.dedup_key,
        "title": clean(incident.title, MAX_TEXT),
        "cause": clean(incident.cause, MAX_TEXT),
        "since": timestamp(incident.since),
        "resolved_at": None if incident.resolved_at is None else timestamp(incident.resolved_at),
        "severity": str(incident.severity),
        "next_step": story.next_step,
        "monitors": _monitors(incident, story.parts),
        "suppressed": [clean(name, MAX_TEXT) for name in incident.suppressed[:MAX_MONITORS]],
        "url": notification.url,
    }
    if len(incident.members) > MAX_MONITORS:
        found["more_monitors"] = len(incident.members) - MAX_MONITORS
    if len(incident.suppressed) > MAX_MONITORS:
        found["more_suppressed"] = len(incident.suppressed) - MAX_MONITORS
    return found


def names(notification: Notification) -> dict[str, Any]:
    """Return what a template can speak of: the documented JSON, and the message in words."""
    story = tell(notification)
    return {
        "event": str(notification.event),
        "incident": incident_json(notification),
        "label": story.label,
        "title": story.title,
        "headline": story.headline(),
        "tone": str(story.tone),
        "facts": dict(story.facts),
        "body": story.body,
        "text": story.plain,
        "next_step": story.next_step,
        "affected": story.affected,
        "link": story.link,
    }


def _monitors(incident: Incident, parts: Sequence[Part]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": clean(member.name, MAX_TEXT),
            "state": str(member.state),
            "reason": clean(member.reason, MAX_TEXT),
        }
        for member in incident.members[:MAX_MONITORS]
    ]
    for monitor, part in zip(found, parts, strict=False):
        monitor.update({"evidence": dict(part.facts)} if part.facts else {})
        monitor.update({"output": part.output} if part.output else {})
    return found


_MEMBER = Member(0, "sample", State.DOWN, 'a "reason"')
_SAMPLE = Notification(Event.TEST, Incident(0, "", "sample", 'a "title"', "", 0.0, members=(_MEMBER,)), 0.0)
