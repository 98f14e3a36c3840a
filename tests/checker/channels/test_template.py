"""A templated webhook sends what the user wrote, and no name can break out of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from checker.model import Event, Notification
from tests.checker.channels.samples import HOSTILE, hostile, notification, refusal_of, tell
from tests.recording import Received, RecordingServer

TEMPLATE = """{
  "msg": "{{ headline }}: {{ next_step }}", "all": "{{ text }}", "open": {{ event == "opened" }},
  "monitors": {{ incident.monitors | tojson }}, "count": {{ incident.monitors | length }},
  "facts": {
    {% for name, value in facts.items() %}"{{ name }}": "{{ value }}"{{ "," if not loop.last }}{% endfor %}
  }
}"""


def post(told: Notification, **more: Any) -> Received:
    with RecordingServer() as server:
        tell("webhook", {"url": server.url, **more}, told)
    [received] = server.requests
    return received


def test_a_template_makes_the_body_and_the_signature_covers_it() -> None:
    received = post(notification(), template=TEMPLATE, secret="s3cret")
    found = received.json()
    assert found["msg"].startswith("Down: shop: database:write: the server is a replica")
    assert (found["open"], found["count"]) == (True, 1)
    assert found["monitors"][0]["name"] == "shop/database:write"
    assert found["facts"]["Since"] == "2023-11-14 22:13:20 UTC"
    stamp = received.headers["x-healthkit-timestamp"].encode()
    wanted = hmac.new(b"s3cret", stamp + b"." + received.body, hashlib.sha256).hexdigest()
    assert received.headers["x-healthkit-signature"] == f"sha256={wanted}"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", [Event.OPENED, Event.RESOLVED])
def test_no_name_breaks_out_of_its_place_in_json(text: str, event: Event) -> None:
    found = post(hostile(text, event), template=TEMPLATE).json()
    assert found.keys() == {"msg", "all", "open", "monitors", "count", "facts"}
    assert found["monitors"][0].keys() <= {"name", "state", "reason", "evidence", "output"}


def test_a_template_can_stand_in_a_file_and_make_plain_text(tmp_path: Path) -> None:
    file = tmp_path / "alert.txt"
    file.write_text("{{ label }} {{ title }} \N{FIRE}", encoding="utf-8")
    received = post(notification(), template_file=str(file), content_type="text/plain; charset=utf-8")
    assert received.body.decode() == "Down shop: database:write \N{FIRE}"
    assert received.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_template_that_fails_on_one_incident_is_refused_with_the_reason() -> None:
    template = '{% if incident.suppressed %}{"x": {{ 1 // 0 }}}{% else %}{}{% endif %}'
    told = notification(suppressed=("nightly",))
    with RecordingServer() as server:
        error = refusal_of("webhook", {"url": server.url, "template": template}, told)
        assert not server.requests
    assert error.permanent
    assert "ZeroDivisionError" in error.reason


def test_a_template_has_no_way_out_of_its_sandbox() -> None:
    escape = '{"x": "{{ incident.__class__.__mro__ }}"}'
    with RecordingServer() as server, pytest.raises(Exception, match=r"unsafe|undefined"):
        tell("webhook", {"url": server.url, "template": escape}, notification())


def test_numbers_and_nothing_are_json_too() -> None:
    found = post(notification(), template='{"id": {{ incident.id }}, "end": {{ incident.resolved_at }}}')
    assert json.loads(found.body) == {"id": 7, "end": None}
