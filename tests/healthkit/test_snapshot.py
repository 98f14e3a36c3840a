"""What a check stands at: freshness, thresholds, disabling. Pure, so time is passed in."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.model import Check, Reading, Result
from healthkit.snapshot import Snapshot, lifetime, stand
from healthkit.status import Status

PASS, WARN, FAIL = Status.PASS, Status.WARN, Status.FAIL


def check(**options: Any) -> Check:
    return Check("probe", "status", lambda: None, **options)


def snapshot(**options: Any) -> Snapshot:
    numbers = count(1)
    return Snapshot(check(**options), lambda: next(numbers))


def reading(status: Status, time: float = 0.0, of: Check | None = None, **rest: Any) -> Reading:
    return Reading(of or check(), status, time, output="" if status is PASS else "broken", **rest)


def standings(statuses: list[Status], fail_after: int) -> list[Status]:
    found = snapshot(fail_after=fail_after)
    return [found.keep(reading(status, of=found.check), 1).status for status in statuses]


@pytest.mark.parametrize(
    ("ends", "stands"),
    [
        ([PASS, FAIL, FAIL, FAIL, FAIL], [PASS, PASS, PASS, FAIL, FAIL]),
        ([PASS, FAIL, FAIL, PASS, FAIL, FAIL], [PASS] * 6),
        ([WARN, FAIL, FAIL, FAIL], [WARN, WARN, WARN, FAIL]),
        ([PASS, FAIL, WARN, FAIL, FAIL], [PASS, PASS, WARN, WARN, WARN]),
        ([FAIL, PASS, FAIL], [FAIL, PASS, PASS]),
        ([PASS, FAIL, FAIL, FAIL, PASS], [PASS, PASS, PASS, FAIL, PASS]),
    ],
)
def test_a_check_keeps_its_last_good_status_until_the_third_failure(
    ends: list[Status], stands: list[Status]
) -> None:
    assert standings(ends, 3) == stands


@given(st.lists(st.sampled_from([PASS, WARN, FAIL])), st.integers(1, 5))
def test_a_check_fails_exactly_when_its_last_runs_failed_or_it_never_passed(
    ends: list[Status], fail_after: int
) -> None:
    for number, status in enumerate(standings(ends, fail_after), start=1):
        so_far = ends[:number]
        last = so_far[-fail_after:]
        never_good = all(end is FAIL for end in so_far)
        expected = never_good or (len(last) == fail_after and all(end is FAIL for end in last))
        assert (status is FAIL) == expected


def test_a_failure_that_does_not_count_yet_is_told_in_the_reading() -> None:
    of = check(fail_after=3)
    found = stand(reading(FAIL, of=of, value=7), reading(PASS, of=of), 2)
    assert (found.status, found.value) == (PASS, 7)
    assert found.output == "failed 2 of 3 times before it counts: broken"
    assert found.details == {"failures": 2, "lastFailure": "broken"}


def test_the_parts_of_a_reading_are_softened_with_it() -> None:
    of = check(fail_after=2)
    parts = (Result(status=FAIL, output="full", component_id="a"), Result(component_id="b"))
    found = stand(reading(FAIL, of=of, results=parts), reading(PASS, of=of), 1)
    assert [part.status for part in found.results] == [PASS, PASS]
    assert found.results[0].details["failures"] == 1
    assert found.results[1].details == {}


def test_a_run_that_hangs_for_several_timeouts_counts_several_times() -> None:
    found = snapshot(fail_after=3)
    found.keep(reading(PASS, of=found.check), 1)
    assert found.weigh(reading(FAIL, of=found.check), 2).status is PASS
    assert found.weigh(reading(FAIL, of=found.check), 3).status is FAIL


def test_a_reading_is_stale_after_its_time_and_when_the_clock_goes_back() -> None:
    found = snapshot(fresh_for=10.0)
    found.keep(reading(PASS, 100.0, found.check), 1)
    assert [bool(found.fresh(now)) for now in (99.9, 100.0, 109.9, 110.0)] == [False, True, True, False]


def test_a_background_reading_holds_until_the_next_one_must_have_landed() -> None:
    assert lifetime(check(every=30.0, timeout=2.0)) == 32.0
    assert lifetime(check(fresh_for=5.0)) == 5.0


def test_a_check_that_waits_from_the_start_is_unknown_until_then() -> None:
    found = snapshot()
    found.hold(100.0, 60.0)
    held = found.fresh(159.9)
    assert held is not None
    assert (held.status, held.output) == (Status.UNKNOWN, "not run yet: waits 1 min from the start")
    assert found.fresh(160.0) is None


def test_a_disabled_check_stands_aside_until_its_time_is_over() -> None:
    found = snapshot()
    found.disable(100.0, "moving", 160.0)
    aside = found.fresh(159.0)
    assert aside is not None
    assert (aside.is_disabled, aside.output) == (True, "disabled: moving")
    assert aside.details == {"disabled": {"reason": "moving", "forSeconds": 60.0}}
    found.keep(reading(FAIL, 120.0, found.check), 1)
    assert found.fresh(130.0) is aside, "a run that was under way changes nothing"
    assert found.disabled(90.0) is aside, "a clock that goes back enables nothing"
    assert found.disabled(160.0) is None
    assert found.fresh(160.0) is None


def test_what_was_read_before_does_not_count_once_a_check_is_enabled_again() -> None:
    found = snapshot(fresh_for=3600.0)
    found.keep(reading(PASS, 100.0, found.check), 1)
    found.disable(100.0, "", math.inf)
    found.enable()
    assert found.fresh(101.0) is None


def test_a_fork_forgets_what_was_read_and_not_what_was_decided() -> None:
    found = snapshot()
    found.disable(100.0, "moving", math.inf)
    found.forget()
    assert found.disabled(200.0) is not None


def test_every_reading_has_a_number_of_its_own() -> None:
    found = snapshot()
    assert [found.keep(reading(PASS, of=found.check), 1).sequence for _ in range(3)] == [1, 2, 3]
