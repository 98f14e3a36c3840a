"""The small language of conditions: what holds, what is said where it does not, and how mistakes are told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.conditions import Seen, parse
from checker.conditions.judge import judged
from checker.model import Cause, Verdict
from checker.probe_spec import ProbeSpec
from healthkit.errors import ConfigurationError

BODY = {"queue": {"depth": 4312, "ok": True, "none": None}, "items": [{"a b": "x"}, 2], "state": "UP"}
SEEN = Seen(
    status=503,
    latency=1.25,
    body=json.dumps(BODY).encode(),
    headers={"content-type": "application/json; charset=utf-8", "x-age": "12"},
    certificate=3 * 86_400.0,
    components={"queue-default:depth": (4312, "warn", "too many"), "db": (None, "pass", "")},
    answers=("192.0.2.1", "192.0.2.2"),
    rcode="NOERROR",
)


@pytest.mark.parametrize(
    "text",
    [
        "status == 503",
        "status in 200-299, 503",
        "status != 200",
        "status >= 500",
        "latency < 2s",
        "latency >= 250ms",
        "certificate > 2d",
        'body contains "depth"',
        "body lacks password",
        'body matches "state.*UP"',
        'body matches "([a-z]{2})+"',
        r"body matches \d+\.\d+|[a-z]+.*",
        "body.queue.depth == 4312",
        "body.queue.depth > 1000",
        "body.queue.ok == true",
        "body.queue.none == null",
        "body.queue.none exists",
        "body.nothing missing",
        "body.nothing != 3",
        'body.items[0]."a b" == x',
        "body.items[1] == 2",
        "body.items contains 2",
        "body.queue contains depth",
        "body.state in UP, OK",
        "len(body.items) == 2",
        "len(body) > 10",
        "header.Content-Type contains json",
        "header.x-age < 13",
        'header."X-Age" == 12',
        'components."queue-default:depth".value > 1000',
        "components.queue-default:depth.status == warn",
        "components.db.output == ''",
        "components.gone.status missing",
        "answers contains 192.0.2.2",
        "answers == 192.0.2.2, 192.0.2.1",
        "answers matches ^192",
        "len(answers) == 2",
        "rcode == NOERROR",
        "  status   ==   503  ",
        "status==503",
    ],
)
def test_a_condition_holds(text: str) -> None:
    assert parse(text).failure(SEEN) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("status == 200", "it is 503"),
        ("status in 200-299, 404", "it is 503"),
        ("latency < 300ms", "it took 1.25 s"),
        ("certificate > 14d", "it ends in 3 d"),
        ("body.queue.depth < 1000", "it is 4312"),
        ("body.queue.ok == 1", "it is true"),
        ("body.queue.depth == true", "it is 4312"),
        ('body.queue.depth == "4312"', "it is 4312"),
        ("body.state == up", 'it is "UP"'),
        ("body.state > 3", 'it is "UP"'),
        ("body.items[7] exists", "it is not there"),
        ("body.items.a exists", "it is not there"),
        ("len(body.queue.depth) > 1", "it is not there"),
        ("header.x-missing == 1", "it is not there"),
        ("answers == 192.0.2.1", "it is 192.0.2.1, 192.0.2.2"),
        ("answers lacks 192.0.2.1", "it is 192.0.2.1, 192.0.2.2"),
        ("rcode == NXDOMAIN", 'it is "NOERROR"'),
        ("components.db.value == 1", "it is not there"),
    ],
)
def test_a_condition_that_fails_shows_the_value_that_was_seen(text: str, said: str) -> None:
    assert parse(text).failure(SEEN) == f"{text}: {said}"


def test_a_long_body_and_a_large_number_are_shown_short() -> None:
    said = parse("body contains zzz").failure(Seen(body=b"<p>\n" + b"x" * 5000))
    assert said.startswith('body contains zzz: it is "<p> xxx')
    assert len(said) < 130
    assert "it is 1,234,567" in parse("body.a < 5").failure(Seen(body=b'{"a": 1234567}'))
    assert "ended 2 d ago" in parse("certificate > 1d").failure(Seen(certificate=-172_800.0))
    assert "there is no certificate" in parse("certificate > 1d").failure(Seen())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statsu == 200", 'unknown word "statsu"; did you mean "status"?'),
        ("status = 200", 'unknown comparison "="; did you mean "=="?'),
        ("status equals 2", 'unknown comparison "equals"'),
        ("body contans x", 'did you mean "contains"?'),
        ("latency < 300", '"300" lacks a unit; write 300ms'),
        ("latency < fast", "is not a duration"),
        ("certificate > 14", "lacks a unit"),
        ("status.x == 1", '"status" has no parts'),
        ("status", "has no comparison"),
        ("body <", 'after "<" a value is missing'),
        ("body.x > abc", 'a number must follow, not "abc"'),
        ("body matches (a+)+", "may never end"),
        ("body matches (a|aa)*b", "may never end"),
        ("body matches (a{2,}b)+", "may never end"),
        ("body matches (", "the pattern cannot be read"),
        ("body matches a.*b.*c", "several .* or their like"),
        ("body matches [^x]*y.+", "several .* or their like"),
        ("body.x exists now", 'after "exists" nothing follows, not "now"'),
        ("header == 1", "write a header as"),
        ("components.x == 1", "write a component as"),
        ('components."x".valeu == 1', 'did you mean "value"?'),
        ("len(body) > x", 'a length is a whole number, not "x"'),
        ("", "1 to 500 characters"),
        ("status == " + "1" * 600, "1 to 500 characters"),
        ("200 == status", 'it begins with "200"'),
        ("body.a$ == 1", 'cannot be read from "$" on'),
    ],
)
def test_a_mistake_is_told_at_its_word(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        parse(text)


def test_what_a_kind_of_endpoint_has_not_is_told_with_what_it_has() -> None:
    with pytest.raises(
        ConfigurationError, match='an endpoint of this kind has no "status"; known are body, lat'
    ):
        parse("status == 200", ("latency", "body"))


def outcome(verdict: Verdict, cause: Cause, reason: str, **conditions: Any) -> tuple[Verdict, Cause, str]:
    return judged(ProbeSpec(**conditions), SEEN, (verdict, cause, reason))


def test_a_broken_condition_fails_and_a_broken_wish_warns() -> None:
    fine = (Verdict.PASS, Cause.NONE, "")
    broken, doubtful = ("latency < 1s",), ("certificate > 14d",)
    assert outcome(*fine, conditions=("status == 503",)) == fine
    assert outcome(*fine, conditions=broken) == (
        Verdict.FAIL,
        Cause.CONDITION,
        "latency < 1s: it took 1.25 s",
    )
    assert outcome(*fine, warn_conditions=doubtful)[:2] == (Verdict.WARN, Cause.CONDITION)
    verdict, cause, reason = outcome(
        Verdict.WARN, Cause.DEGRADED, "slow", conditions=broken, warn_conditions=doubtful
    )
    assert (verdict, cause) == (Verdict.FAIL, Cause.CONDITION)
    assert reason == "slow; latency < 1s: it took 1.25 s; certificate > 14d: it ends in 3 d"
    assert outcome(Verdict.FAIL, Cause.FAILING, "down", conditions=broken)[1] is Cause.FAILING


words = st.sampled_from(
    [
        "status",
        "latency",
        "body",
        "body.a",
        "header.x",
        "certificate",
        'components."a".value',
        "answers",
        "len(body)",
        "==",
        "!=",
        "<",
        ">",
        "in",
        "contains",
        "lacks",
        "matches",
        "exists",
        "missing",
        "200",
        "3s",
        '"x"',
        "a,b",
        "200-299",
        "[0]",
        ".",
    ]
)
seens = st.builds(
    Seen,
    status=st.none() | st.integers(-1, 10**30),
    latency=st.none() | st.floats(allow_nan=True),
    body=st.none() | st.binary(max_size=40) | st.just(b"[" * 5_000) | st.just(b'{"a":[1,{"b":null}]}'),
    certificate=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    answers=st.none() | st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


@settings(max_examples=300)
@given(st.lists(words, max_size=5).map(" ".join) | st.text(max_size=40), seens)
def test_no_text_is_more_than_a_configuration_error_and_no_answer_an_exception(text: str, seen: Seen) -> None:
    try:
        condition = parse(text)
    except ConfigurationError:
        return
    said = condition.failure(seen)
    assert said == "" or said.startswith(text.strip())
