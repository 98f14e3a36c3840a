"""What a check may return or raise, and what becomes of rubbish."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit import wire
from healthkit.bounds import MAX_TEXT, UnfitError, bounded, clean
from healthkit.errors import Fail, Warn
from healthkit.model import Check, Reading, Report, Result
from healthkit.outcomes import from_error, from_return
from healthkit.status import Status

CHECK = Check("disk", "status", lambda: None)


def returned(value: Any) -> Reading:
    return from_return(CHECK, value, time=0.0, duration=0.0)


def raised(error: BaseException) -> Reading:
    return from_error(CHECK, error, time=0.0, duration=0.0)


@pytest.mark.parametrize("value", [None, True])
def test_nothing_and_true_pass_without_a_value(value: Any) -> None:
    assert (returned(value).status, returned(value).value) == (Status.PASS, None)


@pytest.mark.parametrize("value", [0, 1.5, "fine", [], {}, [1, "a", None], {"free": {"gb": 3}}, (1, 2)])
def test_a_json_value_passes_and_is_shown(value: Any) -> None:
    assert returned(value).status is Status.PASS
    assert returned(value).value == (list(value) if isinstance(value, tuple) else value)


def test_false_fails() -> None:
    assert (returned(False).status, returned(False).output) == (Status.FAIL, "the check returned False")


@pytest.mark.parametrize("value", [(False, "the database is down"), (True, "ok"), (False,)])
def test_the_verdict_and_text_of_other_libraries_never_pass_for_a_value(value: Any) -> None:
    assert returned(value).status is Status.FAIL
    assert 'or raise Warn("why") or Fail("why")' in returned(value).output


def test_a_bare_status_is_taken_as_one() -> None:
    assert returned(Status.WARN).status is Status.WARN


def test_several_results_are_as_bad_as_the_worst_and_keep_their_parts() -> None:
    parts = [Result(1, component_id="a"), Result(2, status=Status.FAIL, output="full"), Result(3)]
    reading = returned(parts)
    assert (reading.status, reading.output) == (Status.FAIL, "full")
    assert [part.component_id for part in reading.results] == ["a", "2", "3"]


def test_the_first_of_several_results_may_be_the_whole_and_has_no_id() -> None:
    parts = [Result(1, component_id=""), Result(2, component_id="a"), Result(3, component_id="")]
    assert [part.component_id for part in returned(parts).results] == [None, "a", ""]


CYCLE: list[Any] = []
CYCLE.append(CYCLE)
DEEP: Any = 0
for _ in range(5_000):
    DEEP = [DEEP]


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise SystemExit("no items")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "inf"),
        (10**400, "64 bits"),
        (object(), "holds a value of type object"),
        (Decimal("1.5"), "Decimal"),
        (datetime(2026, 1, 1), "datetime"),  # noqa: DTZ001 - rubbish on purpose
        ({1, 2}, "set"),
        (b"bytes", "bytes"),
        ({1: "one"}, "key that is a int"),
        (CYCLE, "contains itself"),
        (DEEP, "nested deeper"),
        (list(range(5_000)), "1,000 parts"),
        ((n for n in range(3)), "generator"),
        ([Result(1), 2], "mixed"),
        ([Result(1)] * 101, "100 at most"),
        ([Result(component_id="a"), Result(component_id="a")], "same component_id"),
        (Result(status="banana"), "banana"),  # type: ignore[arg-type]
        (Result(status=Status.UNKNOWN), "UNKNOWN"),
        (Result(details=[1]), "not a mapping"),  # type: ignore[arg-type]
        (Result(value=object()), "object"),
        (Status.UNKNOWN, "UNKNOWN"),
    ],
)
def test_rubbish_fails_with_a_clear_reason(value: Any, reason: str) -> None:
    reading = returned(value)
    assert reading.status is Status.FAIL
    assert reason in reading.output


def test_a_status_given_as_text_is_understood() -> None:
    assert returned(Result(status="warn")).status is Status.WARN  # type: ignore[arg-type]


def test_huge_text_is_cut() -> None:
    assert len(raised(Fail("x" * 10_000_000)).output) == MAX_TEXT
    assert len(returned("x" * 10_000_000).value) == MAX_TEXT


def test_warn_and_fail_show_their_text_value_and_details() -> None:
    reading = raised(Warn("replica behind", value=40, unit="s", replica="b"))
    assert (reading.status, reading.output, reading.value, reading.unit) == (
        Status.WARN,
        "replica behind",
        40,
        "s",
    )
    assert reading.details == {"replica": "b"}


def test_fail_without_a_reason_says_so() -> None:
    assert raised(Fail()).output == "no reason was given"


def test_an_exception_as_a_reason_is_told_by_its_class() -> None:
    error = ValueError("postgresql://app:hunter2@db")
    assert raised(Fail(error)).output == "ValueError"  # type: ignore[arg-type]


def test_an_unfit_value_does_not_hide_the_reason() -> None:
    reading = raised(Warn("slow", value=float("nan")))
    assert reading.status is Status.WARN
    assert reading.output.startswith("slow")
    assert "nan" in reading.output


@pytest.mark.parametrize("error", [ValueError("secret"), OSError("secret"), SystemExit("secret")])
def test_any_other_exception_shows_its_class_alone(error: BaseException) -> None:
    assert raised(error).output == type(error).__name__


def test_control_characters_and_lone_surrogates_are_replaced() -> None:
    assert clean("a\x00b\x1b[31m\ud800") == "a\ufffdb\ufffd[31m?"


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner)
    ),
)


@given(VALUES)
def test_a_bounded_value_is_always_json_or_refused(value: Any) -> None:
    try:
        copy = bounded(value)
    except UnfitError:
        return
    assert json.loads(json.dumps(copy, allow_nan=False)) == copy


@given(VALUES)
def test_whatever_a_check_returns_the_report_can_be_written_and_read(value: Any) -> None:
    reading = returned(value)
    document = wire.parse(wire.dumps(Report("shop", reading.status, 0.0, (reading,))))
    assert document.status is reading.status
    assert not document.problems


def test_python_still_refuses_to_print_long_integers() -> None:
    assert sys.get_int_max_str_digits() > 0, "bounds.py refuses them by their bits, before anyone prints them"
