"""What falls again and again is told a few times, and once more when it has been calm for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.config import ConfigError, parse
from checker.model import Cause, Kind, MonitorSpec, Severity, State
from checker.rules.flapping import CALM, FALLS
from tests.checker.judging import Life, component, endpoint, heartbeat
from tests.checker.judging import poll as look
from tests.checker.test_incidents import Desk

PATH = Path("checker.toml")
MONITORS = {1: endpoint("shop"), 2: component(), 3: heartbeat()}


def flap(desk: Desk, number: int, bad: str = "fail", times: int = 100) -> None:
    """Fall and recover with every look, half a minute apart, judged after each."""
    for turn in range(2 * times):
        desk.see(number, look("pass" if turn % 2 else bad, desk.now, reason="down"))
        desk.judge(after=30)


@pytest.mark.parametrize("bad", ["fail", "warn"])
def test_an_endpoint_that_flaps_with_every_look_is_a_few_messages_and_not_two_hundred(bad: str) -> None:
    desk = Desk(MONITORS)
    flap(desk, 1, bad)
    pairs = ["opened shop", "resolved shop"]
    assert desk.events == [*pairs * (FALLS - 1), "opened shop"]
    assert desk.last.title.endswith("is flapping") or bad == "warn"
    assert desk.last.cause.startswith("flapping: fell 4 times within 3 min")
    desk.judge(after=CALM - 40)
    assert desk.events[-1] == "opened shop"
    desk.judge(after=60)
    assert desk.events[-1] == "resolved shop"
    assert desk.open == []


def test_a_warning_that_becomes_a_failure_while_it_flaps_is_told_once() -> None:
    desk = Desk(MONITORS)
    flap(desk, 1, "warn", 6)
    before = len(desk.events)
    loudness = [desk.open[0].severity]
    flap(desk, 1, "fail", 20)
    assert desk.events[before:] == ["updated shop"]
    assert [*loudness, desk.open[0].severity] == [Severity.WARNING, Severity.CRITICAL]


def test_what_stays_down_after_flapping_is_down_and_ends_with_its_recovery_and_a_calm_while() -> None:
    desk = Desk(MONITORS)
    flap(desk, 1, times=6)
    desk.see(1, look("fail", desk.now, reason="refused"))
    desk.judge(after=CALM + 1)
    (member,) = desk.open[0].members
    assert (member.state, member.cause) == (State.DOWN, Cause.FAILING)
    desk.see(1, look("pass", desk.now))
    desk.judge()
    assert desk.events[-1] == "opened shop"
    desk.judge(after=CALM)
    assert desk.events[-1] == "resolved shop"


def test_a_job_that_fails_now_and_then_does_not_flap() -> None:
    desk = Desk(MONITORS)
    for _ in range(6):
        desk.ping(3, "fail")
        desk.judge()
        desk.ping(3)
        desk.judge(after=3600)
    assert desk.events == ["opened worker", "resolved worker"] * 6


def test_three_of_five_looks_make_it_down_and_a_blip_does_not() -> None:
    life = Life(MonitorSpec(Kind.ENDPOINT, "shop", url="http://x", fail_when=(3, 5)))
    assert life.polls("ppfpppfpp") == ["up"] * 9
    assert life.polls("fpfpf") == ["up", "up", "up", "up", "down"]
    assert life.polls("ppppp")[-1] == "up"
    assert life.polls("fff") == ["up", "up", "down"]
    assert life.polls("ppp") == ["down", "down", "up"]


@pytest.mark.parametrize("text", ["3", "6 of 5", "0 of 5", "3 of 61", "many of 5"])
def test_fail_when_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="fail_when"):
        parse(f'[[endpoint]]\nname = "a"\nurl = "http://a/"\nfail_when = "{text}"', PATH, {})


def test_fail_when_is_read_and_excludes_fail_after() -> None:
    text = '[[endpoint]]\nname = "a"\nurl = "http://a/"\nfail_when = "3 of 5"\n'
    assert parse(text, PATH, {}).monitors[0].fail_when == (3, 5)
    with pytest.raises(ConfigError, match="exclude each other"):
        parse(text + "fail_after = 2", PATH, {})
