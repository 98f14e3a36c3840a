"""A sketch tells any quantile within two percent, however it was put together, and takes little room."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.store.sketch import ERROR, LEAST, Sketch

durations = st.floats(LEAST, 1e7)


def exact(values: list[float], share: float) -> float:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@settings(max_examples=60)
@given(st.lists(durations, min_size=1, max_size=60), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_two_percent_of_the_exact_one(values: list[float], share: float) -> None:
    found = Sketch.of(values).quantile(share)
    assert found is not None
    assert abs(found / exact(values, share) - 1) <= ERROR + 1e-9


@settings(max_examples=40)
@given(st.lists(st.lists(durations, max_size=20), max_size=6))
def test_parts_that_are_added_up_are_the_whole(parts: list[list[float]]) -> None:
    whole = Sketch()
    for part in parts:
        whole.merge(Sketch.unpack(Sketch.of(part).pack()))
    assert whole.counts == Sketch.of([each for part in parts for each in part]).counts
    assert whole.size == sum(map(len, parts))


@pytest.mark.parametrize("value", [0.0, -1.0, LEAST, 1e-9])
def test_what_is_less_than_the_least_counts_as_the_least(value: float) -> None:
    assert Sketch.of([value]).quantile(0.5) == LEAST


def test_what_is_no_number_is_left_out_and_what_is_endless_is_long() -> None:
    found = Sketch.of([math.nan, math.inf])
    assert found.size == 1
    assert (found.quantile(0.5) or 0) > 9e8


def test_nothing_has_no_quantile_and_takes_no_room() -> None:
    assert Sketch().quantile(0.5) is None
    assert Sketch().pack() == b""
    assert Sketch.unpack(None).counts == {}


def test_an_hour_of_latencies_takes_little_room() -> None:
    hour = [0.02 * 1.01 ** (each % 60) for each in range(120)]
    assert len(Sketch.of(hour).pack()) < 60
