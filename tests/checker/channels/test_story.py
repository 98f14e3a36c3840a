"""An incident in words: complete, in order, bounded, harmless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.channels import _words, story
from checker.channels.story import Tone, tell
from checker.model import Cause, Event, Incident
from checker.rules.blindness import BLIND, CAUSE, TITLE
from checker.rules.storms import STORM
from tests.checker.channels.samples import HOSTILE, hostile, member, notification, warning


def test_an_opened_incident_tells_what_since_when_why_and_where() -> None:
    told = notification(suppressed=("nightly-invoices",))
    assert tell(told).plain == (
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
        "Next step: the server is a replica or its disk is full: check failover and free space\n"
        "\n"
        "https://checker.example/incidents/7\n"
    )


def test_a_resolved_incident_tells_how_long_it_lasted() -> None:
    text = tell(notification(Event.RESOLVED)).plain
    assert text.startswith("Resolved: shop")
    assert "Resolved: 2023-11-14 22:25:25 UTC, after 12 min 5 s" in text
    assert "- shop/database:write: recovered" in text


def test_the_word_in_front_tells_the_events_apart() -> None:
    labels = [story.label(notification(event)) for event in Event]
    assert labels == ["Down", "Update", "Resolved", "Still down", "Acknowledged", "Test", "Drill"]
    assert story.label(warning()) == "Warning"


def test_twenty_members_are_named_and_the_others_counted() -> None:
    members = [member(f"job-{n}") for n in range(57)]
    lines = tell(notification(Event.OPENED, *members)).lines
    assert len(lines) == 21
    assert lines[-1] == "and 37 more"


def test_the_last_lines_of_a_jobs_output_are_shown() -> None:
    output = "\n".join(f"line {n}" for n in range(20))
    text = tell(notification(Event.OPENED, member("nightly", evidence={"output": output}))).body
    assert "Last output of nightly:\nline 15\nline 16\nline 17\nline 18\nline 19" in text
    assert "line 14" not in text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("event", list(Event))
def test_no_name_breaks_the_text_or_its_lines(text: str, event: Event) -> None:
    told = hostile(text, event)
    plain = tell(told).plain
    assert plain.encode()
    assert "\n" not in tell(told).headline()
    assert not set(plain) & {"\x00", "\x1b", "\r", "\u202e"}
    assert len(tell(told).headline()) <= _words.MAX_TITLE


@pytest.mark.parametrize("url", ["", "javascript:alert(1)", "https://a b", "file:///x"])
def test_only_a_web_address_becomes_a_link(url: str) -> None:
    told = notification()
    object.__setattr__(told, "url", url)
    assert tell(told).link == ""


def test_clip_cuts_at_a_lines_end() -> None:
    assert _words.clip("one\ntwo\nthree", 10) == "one\ntwo…"
    assert _words.clip("short", 10) == "short"
    assert len(_words.clip("x" * 100, 10)) == 10


def test_the_evidence_is_shown_with_what_it_rests_on() -> None:
    told = notification(
        Event.OPENED,
        member(
            "nightly",
            "exit 3: disk quota exceeded",
            evidence={
                "last_good": 1_699_999_000.0, "exit_code": 3, "duration": 12.0, "last_duration": 240.0,
                "usual_duration": 245.0, "backlog": 1_200, "description": "https://wiki.example/nightly",
                "figures": {"oldest_age": 340.5, "state": "working"}, "value": 42, "unit": "jobs",
            },
        ),
    )  # fmt: skip
    text = tell(told).body
    assert (
        "  (last good 2023-11-14 21:56:40 UTC, 28 min 45 s before this; exit code 3; ran for 12 s; "
        "usually takes 4 min 5 s; the run before took 4 min; reading 42 jobs; waiting 1,200; "
        "oldest age 340.5; state working)"
    ) in text
    assert "About nightly: https://wiki.example/nightly" in text


@pytest.mark.parametrize(
    "evidence",
    [
        {"last_good": float("nan"), "exit_code": "3", "duration": -1, "value": True, "figures": [1]},
        {
            "last_good": 1e300,
            "latency": float("inf"),
            "output": 7,
            "value": {"a\x00": "b\n"},
            "description": 3,
        },
        {"figures": {"a\n\x1b[31m": "x\ny"}, "value": [1, {"a": None}], "unit": {}},
    ],
)
def test_evidence_of_any_type_breaks_nothing(evidence: dict[str, object]) -> None:
    text = tell(notification(Event.OPENED, member(evidence=evidence))).plain
    assert not set(text) & {"\x00", "\x1b"}
    assert "nan" not in text
    assert "inf" not in text


@pytest.mark.parametrize(
    ("cause", "reason", "words"),
    [
        (Cause.MISSED, "did not run: no sign since 02:15; expected by 03:15", "whether cron"),
        (Cause.MISSED, "started 02:15 (20 min ago) and never finished; expected by 03:15", "out of memory"),
        (Cause.FAILED, "exit 1: authentication failed", "the job's last output"),
        (Cause.FAILING, "disk full: the database has no room to write", "free disk space"),
        (Cause.UNREACHABLE, "connection refused by shop:443", "is the process running"),
        (Cause.UNREACHABLE, "something else", "whether the app runs"),
        (Cause.HTTP, "status 500", "error log"),
        (Cause.STALLED, "1200 waiting and no progress for 12 min", "one job may block"),
    ],
)
def test_the_next_step_fits_the_cause(cause: Cause, reason: str, words: str) -> None:
    told = notification(Event.OPENED, replace(member("x", reason), cause=cause), cause=reason)
    assert words in tell(told).next_step


def test_every_cause_of_a_fall_has_a_next_step_and_what_is_over_has_none() -> None:
    for cause in set(Cause) - {Cause.NONE, Cause.OPERATOR}:
        assert tell(notification(Event.OPENED, replace(member("x", "?"), cause=cause), cause="?")).next_step
    for event in (Event.RESOLVED, Event.ACKNOWLEDGED, Event.TEST, Event.DRILL):
        assert not tell(notification(event)).next_step


def test_the_next_step_is_that_of_the_member_which_the_incident_is_named_after() -> None:
    effect = replace(member("nightly", "did not run"), cause=Cause.MISSED)
    told = notification(Event.OPENED, effect, member("shop/database:write", "disk full"), cause="disk full")
    assert "free disk space" in tell(told).next_step


def test_an_acknowledgement_a_test_and_a_drill_are_calm() -> None:
    tones = [tell(each).tone for each in (*map(notification, Event), warning())]
    calm = [Tone.CALM] * 3
    assert tones == [Tone.BAD, Tone.BAD, Tone.GOOD, Tone.BAD, *calm, Tone.WARNING]


def test_a_checker_that_cannot_see_is_sent_to_its_own_network() -> None:
    told = replace(notification(), incident=Incident(1, BLIND, "k", TITLE, CAUSE, 1_700_000_000.0))
    assert "the checker's own network" in tell(told).next_step


def test_a_storm_is_looked_at_as_one_thing() -> None:
    told = notification(Event.OPENED, *[member(f"job-{n}", "exit 1") for n in range(25)], group=STORM)
    assert "what they share" in tell(told).next_step
