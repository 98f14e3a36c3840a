"""An incident in words: complete, in order, bounded, harmless."""

from __future__ import annotations

import pytest

from checker.channels import _text
from checker.model import Event
from tests.checker.channels.samples import HOSTILE, hostile, member, notification, warning


def test_an_opened_incident_tells_what_since_when_why_and_where() -> None:
    told = notification(suppressed=("nightly-invoices",))
    assert _text.plain(told) == (
        "Down: shop: database:write\n"
        "\n"
        "Cause: read-only: attempt to write a readonly database\n"
        "Since: 2023-11-14 22:13:20 UTC\n"
        "For: 12 min 5 s\n"
        "\n"
        "- shop/database:write: down, read-only\n"
        "\n"
        "Affected by it: nightly-invoices\n"
        "\n"
        "https://checker.example/incidents/7\n"
    )


def test_a_resolved_incident_tells_how_long_it_lasted() -> None:
    text = _text.plain(notification(Event.RESOLVED))
    assert text.startswith("Resolved: shop")
    assert "Resolved: 2023-11-14 22:25:25 UTC, after 12 min 5 s" in text
    assert "- shop/database:write: recovered" in text


def test_the_word_in_front_tells_the_events_apart() -> None:
    labels = [_text.label(notification(event)) for event in Event]
    assert labels == ["Down", "Update", "Resolved", "Still down", "Test", "Drill"]
    assert _text.label(warning()) == "Warning"


def test_twenty_members_are_named_and_the_others_counted() -> None:
    members = [member(f"job-{n}") for n in range(57)]
    lines = _text.member_lines(notification(Event.OPENED, *members).incident)
    assert len(lines) == 21
    assert lines[-1] == "and 37 more"


def test_the_last_lines_of_a_jobs_output_are_shown() -> None:
    output = "\n".join(f"line {n}" for n in range(20))
    text = _text.body(notification(Event.OPENED, member("nightly", evidence={"output": output})))
    assert "Last output of nightly:\nline 15\nline 16\nline 17\nline 18\nline 19" in text
    assert "line 14" not in text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", list(Event))
def test_no_name_breaks_the_text_or_its_lines(text: str, event: Event) -> None:
    told = hostile(text, event)
    plain = _text.plain(told)
    assert plain.encode()
    assert "\n" not in _text.headline(told)
    assert not set(plain) & {"\x00", "\x1b", "\r", "\u202e"}
    assert len(_text.headline(told)) <= _text.MAX_TITLE


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "https://a b", "file:///x"])
def test_only_a_web_address_becomes_a_link(url: str) -> None:
    told = notification()
    object.__setattr__(told, "url", url)
    assert _text.link(told) == ""


def test_clip_cuts_at_a_lines_end() -> None:
    assert _text.clip("one\ntwo\nthree", 10) == "one\ntwo…"
    assert _text.clip("short", 10) == "short"
    assert len(_text.clip("x" * 100, 10)) == 10
