"""What is said of a host, from what its calls came to; no clock, no network."""

from __future__ import annotations

import pytest

from healthkit.checks.outbound_judge import Limits, judge, limits_of
from healthkit.checks.outbound_window import ERROR, GIVEN_UP, OK, THROTTLED, HostWindow
from healthkit.errors import ConfigurationError
from healthkit.model import Result
from healthkit.status import Status

WINDOW = 300.0
START = 1_800_000_000.0


class Story:
    """Calls to one host in the order they happened, and what is said of it at the end of them."""

    def __init__(self, **limits: float | None) -> None:
        self.limits = limits_of(limits, "test")
        self.seen = HostWindow(WINDOW)
        self.now = START

    def calls(self, kinds: str, every: float = 1.0, latency: float = 0.1) -> Story:
        """Make calls: `o` fine, `x` failed, `t` throttled, `g` given up; `every` seconds apart."""
        for kind in kinds:
            number = {"o": OK, "x": ERROR, "t": THROTTLED, "g": GIVEN_UP}[kind]
            self.seen.add(self.now, number, latency, "" if kind == "o" else "status 500")
            self.now += every
        return self

    def wait(self, duration: float) -> Story:
        self.now += duration
        return self

    def said(self) -> Result:
        return judge("api.stripe.com", self.seen, self.limits, WINDOW, self.now)


def test_a_host_that_answers_passes_with_its_rate_and_latencies() -> None:
    said = Story().calls("o" * 20).said()

    assert (said.status, said.output, said.component_id) == (Status.PASS, "", "api.stripe.com")
    assert (said.value, said.unit) == (0.0, "ratio")
    assert said.details["calls"] == 20
    assert said.details["p50_ms"] == pytest.approx(100, rel=0.1)


def test_nothing_is_said_before_the_least_number_of_calls() -> None:
    assert Story().calls("xxxx").said().status is Status.PASS
    assert Story().calls("xxxxx").said().status is Status.FAIL


def test_a_share_of_failures_warns_and_a_larger_share_fails() -> None:
    assert Story().calls("ooooooooooooooooooox").said().status is Status.PASS
    assert Story().calls("oooooooox").said().status is Status.WARN
    assert Story().calls("oxxoox").said().status is Status.FAIL


def test_the_reason_reads_that_stripe_started_to_return_500_two_hours_ago() -> None:
    story = Story().calls("o" * 60, every=10).calls("x" * 720, every=10)

    said = story.said()

    assert said.status is Status.FAIL
    assert "720 of 720 calls failed since 2027-01-15 08:10:00 UTC (2 h ago)" in said.output
    assert said.output.endswith("last failure 10 s ago: status 500")
    assert said.details["failing_since"] == "2027-01-15T08:10:00+00:00"
    assert said.details["last_failure_at"] == "2027-01-15T10:09:50+00:00"


def test_a_total_outage_shows_after_a_tenth_of_the_window_though_the_window_was_good() -> None:
    story = Story().calls("o" * 2000, every=0.1).calls("x" * 290, every=0.1)
    assert story.said().status is not Status.FAIL

    story.calls("x" * 20, every=0.1)

    assert story.said().status is Status.FAIL
    assert "310 of 310 calls failed since" in story.said().output


def test_a_blip_among_many_good_calls_is_no_word_worth() -> None:
    story = Story().calls("o" * 1000, every=0.1).calls("x" * 9, every=0.01)

    assert story.said().status is Status.PASS
    assert story.wait(40).said().status is Status.PASS


def test_an_outage_with_a_stray_success_still_has_its_beginning() -> None:
    story = Story().calls("o" * 30).calls("xxxxxxxxxo" * 60)

    assert story.said().details["failing_since"] == "2027-01-15T08:00:30+00:00"
    assert story.said().status is Status.FAIL


def test_a_host_recovers_with_its_newest_calls_and_not_with_the_window() -> None:
    story = Story().calls("x" * 60)
    assert story.said().status is Status.FAIL

    assert story.calls("oooo").said().status is Status.FAIL
    assert story.calls("o").said().status is Status.WARN
    assert "the last 5 succeeded" in story.said().output
    assert story.calls("o" * 24).said().status is Status.PASS
    assert story.said().value == pytest.approx(60 / 89, abs=1e-4)


def test_a_few_good_calls_do_not_hide_a_host_that_fails_now_and_then() -> None:
    assert Story().calls("xooooo" * 30).said().status is Status.WARN


def test_a_host_that_is_rarely_called_is_judged_by_its_last_calls() -> None:
    story = Story().calls("o" * 5, every=1200).calls("x" * 4, every=1200)
    assert story.said().status is Status.PASS

    story.calls("x", every=1200)

    assert story.said().status is Status.FAIL
    assert "5 of 5 calls failed since" in story.said().output
    assert story.said().value == 1.0


def test_a_circuit_breaker_that_stops_the_calls_does_not_heal_the_host() -> None:
    assert Story().calls("x" * 20).wait(1800).said().status is Status.FAIL


def test_throttling_warns_and_never_fails() -> None:
    said = Story().calls("t" * 20).said()

    assert said.status is Status.WARN
    assert said.output == "20 of 20 calls were throttled (429) in the last 5 min; the last one 1 s ago"
    assert Story().calls("t" * 20 + "o" * 29).said().status is Status.PASS


def test_calls_given_up_count_neither_way() -> None:
    said = Story().calls("oooooggggg").said()

    assert (said.status, said.value, said.details["given_up"]) == (Status.PASS, 0.0, 5)


def test_a_host_that_never_answers_before_the_app_gives_up_is_told() -> None:
    assert Story().calls("gggg").said().status is Status.PASS
    said = Story().calls("ggggg").said()
    assert (said.status, said.output) == (
        Status.WARN,
        "none of 5 calls was answered before the app gave them up, in the last 5 min",
    )


def test_a_slow_host_warns_and_a_slower_one_fails() -> None:
    limits: dict[str, float | None] = {"slow": 1.0, "too_slow": 5.0}
    assert Story(**limits).calls("o" * 20, latency=0.9).said().status is Status.PASS
    warned = Story(**limits).calls("o" * 20, latency=2.0).said()
    assert (warned.status, warned.output[:38]) == (Status.WARN, "slow: one answer in 20 takes over 1.88")
    assert Story(**limits).calls("o" * 20, latency=9.0).said().status is Status.FAIL


def test_a_share_of_none_never_fails() -> None:
    assert Story(fail=None).calls("x" * 50).said().status is Status.WARN
    assert Story(fail=None, warn=None).calls("x" * 50).said().status is Status.PASS


def test_what_is_older_than_the_window_no_longer_counts() -> None:
    story = Story().calls("xxxxxooooo").wait(WINDOW + 10).calls("ooooo")

    assert (story.said().status, story.said().value) == (Status.PASS, 0.0)


def test_a_clock_that_goes_back_breaks_nothing() -> None:
    story = Story().calls("o" * 50)
    story.now -= 3600

    assert story.calls("x" * 20).said().status is Status.FAIL


def test_latencies_of_any_size_have_their_place() -> None:
    fast, slow = Story().calls("o" * 5, latency=0.0001).said(), Story().calls("o" * 5, latency=4000).said()

    assert fast.details["p95_ms"] == 0.5
    assert slow.details["p95_ms"] == pytest.approx(143_000, rel=0.02)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"min_calls": 0}, "test: min_calls 0 must be a whole number from 1 on"),
        ({"min_calls": True}, "min_calls True"),
        ({"warn": 10}, "test: warn 10 is no share"),
        ({"fail": 0}, "test: fail 0 is no share"),
        ({"slow": "soon"}, "test: slow: 'soon' is not a duration"),
        ({"warn": 0.6}, "test: warn=0.6 is above fail=0.5; swap them"),
        ({"slow": 3, "too_slow": 2}, "slow=3 is above too_slow=2"),
        ({"fial": 0.1}, "test: unknown 'fial'; known: min_calls, warn, fail, slow, too_slow"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused_by_name(given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        limits_of(given, "test")

    assert told in str(caught.value)


def test_a_host_of_its_own_keeps_the_limits_it_does_not_name() -> None:
    assert limits_of({"fail": 0.2}, "test", Limits(min_calls=3)) == Limits(min_calls=3, fail=0.2)
