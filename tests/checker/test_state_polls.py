"""What happens to an endpoint and its components."""

from __future__ import annotations

import math

import pytest

from checker.model import Blind, Cause, Deadline, State
from checker.state import advance
from tests.checker.judging import T0, Life, component, endpoint, poll


@pytest.mark.parametrize(
    ("fail_after", "recover_after", "seen", "states"),
    [
        (1, 1, "pfp", "up down up"),
        (2, 1, "pfpffp", "up up up up down up"),
        (3, 2, "pffpfffpp", "up up up up up up down down up"),
        (2, 1, "pfpfpfpf", "up up up up up up up up"),  # a blip each time
        (1, 1, "pwp", "up warn up"),
        (2, 2, "pwpwwpp", "up up up up warn warn up"),
        (1, 1, "pwfwp", "up warn down warn up"),
        (2, 2, "pffwwp", "up up down down warn warn"),
        (2, 2, "pffpw", "up up down down warn"),
        (2, 1, "wwffp", "new warn warn down up"),
        (2, 1, "pwfp", "up up warn up"),  # two that did not pass, one of them failed
        (2, 1, "pwwfw", "up up warn warn warn"),  # one failure while degraded is a blip too
        (1, 1, "ffff", "down down down down"),
        (2, 1, "fp", "new up"),
    ],
)
def test_thresholds(fail_after: int, recover_after: int, seen: str, states: str) -> None:
    life = Life(endpoint(fail_after=fail_after, recover_after=recover_after))
    assert life.polls(seen) == states.split()


def test_the_fall_tells_since_when_it_failed_and_when_it_was_last_good() -> None:
    life = Life(endpoint(fail_after=3))
    life.polls("ppff")
    life.poll(
        "fail",
        cause=Cause.HTTP,
        reason="503 Service Unavailable",
        http_status=503,
        latency=0.2,
        value=1,
        unit="x",
    )
    fall = life.changes[-1]
    assert (fall.at, fall.cause, fall.reason) == (T0 + 150, Cause.HTTP, "503 Service Unavailable")
    assert fall.evidence == {
        "first_failure": T0 + 90, "last_good": T0 + 60, "http_status": 503, "latency": 0.2, "value": 1,
        "unit": "x", "failures": 3,
    }  # fmt: skip
    assert life.state.since == T0 + 150
    life.polls("p")
    assert life.changes[-1].evidence["lasted"] == 30.0
    assert (life.state.reason, life.state.cause, life.state.first_failure) == ("", Cause.NONE, None)


def test_another_reason_while_down_is_kept_and_is_no_change() -> None:
    life = Life(component())
    life.poll("fail", reason="read-only")
    life.poll("fail", reason="connection refused", cause=Cause.UNREACHABLE)
    assert (life.state.reason, life.state.cause) == ("connection refused", Cause.UNREACHABLE)
    assert life.path == ["down"]


def test_a_single_good_look_while_down_keeps_reason_and_beginning() -> None:
    life = Life(endpoint(recover_after=2))
    life.poll("fail", reason="refused")
    life.polls("p")
    life.poll("fail", reason="still refused")
    assert life.state.first_failure == T0 + 30
    life.polls("p")
    assert life.state.reason == "still refused"
    life.polls("p")
    assert life.path == ["down", "up"]


def test_a_fall_out_of_a_warning_began_with_its_first_failure() -> None:
    life = Life(endpoint(fail_after=2))
    life.polls("pwwff")
    assert life.changes[-1].evidence["first_failure"] == T0 + 120
    assert life.changes[-1].evidence["last_good"] == T0 + 90


def test_a_document_that_only_says_fail_still_has_a_cause() -> None:
    life = Life(component())
    assert life.poll("fail").cause is Cause.FAILING
    assert life.poll("warn").cause is Cause.DEGRADED


def test_the_first_good_look_is_history() -> None:
    life = Life(endpoint())
    life.polls("pp")
    assert life.path == ["up"]


def test_an_older_look_that_arrives_late_changes_nothing() -> None:
    life = Life(endpoint())
    life.polls("pp")
    assert advance(life.spec, life.state, poll("fail", T0 + 30), life.now) == (life.state, ())


def test_a_clock_that_went_back_does_not_stop_the_looks() -> None:
    life = Life(endpoint())
    life.polls("p")
    state, changes = advance(life.spec, life.state, poll("fail", T0 - 3600), T0 - 3600)
    assert (state.state, len(changes)) == (State.DOWN, 1)


def test_blind_time_and_deadlines_are_nothing_to_an_endpoint() -> None:
    life = Life(endpoint(fail_after=2))
    life.polls("pf")
    for observation in (Blind(life.now, life.now + 600), Deadline(life.now)):
        assert advance(life.spec, life.state, observation, life.now + 600) == (life.state, ())


def test_a_paused_endpoint_is_not_judged_and_begins_anew_when_resumed() -> None:
    life = Life(endpoint(fail_after=2))
    life.polls("pf")
    life.command("pause")
    life.command("pause")
    life.polls("fff")
    life.command("resume")
    life.command("resume")
    assert life.path == ["up", "paused", "new"]
    assert life.polls("ff") == ["new", "down"]


def test_readings_are_kept_as_short_plain_values() -> None:
    life = Life(component())
    assert (
        life.poll("pass", value={"a": ["b\x00", 1]}, unit="s\x1b[31m", latency=0.5).value
        == "{'a': ['b\\x00', 1]}"
    )
    assert life.state.unit == "s"
    assert life.poll("pass", value=math.nan).value is None
    assert life.poll("pass", value="x" * 1000).value == "x" * 300
    assert life.poll("fail", reason="nul \x00 lone \ud800 end").reason == "nul  lone ? end"
    assert life.state.latency == 0.5
