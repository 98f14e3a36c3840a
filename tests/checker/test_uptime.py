"""Time is shared out as a slow, obvious reference does it: blind first, then paused, then maintenance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.model import State
from checker.rules.uptime import Uptime, shared_out

UP, DOWN, NEW, PAUSED, WARN, GRACE = (
    State.UP, State.DOWN, State.NEW, State.PAUSED, State.WARN, State.GRACE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "turns", "expected"),
    [
        (UP, [], Uptime(up=100.0)),
        (NEW, [], Uptime(paused=100.0)),
        (UP, [(20.0, DOWN), (30.0, UP)], Uptime(up=90.0, down=10.0, falls=1)),
        (DOWN, [(40.0, UP)], Uptime(up=60.0, down=40.0)),
        (UP, [(20.0, WARN), (60.0, UP)], Uptime(up=100.0, warn=40.0)),
        (UP, [(50.0, PAUSED)], Uptime(up=50.0, paused=50.0)),
        (UP, [(20.0, DOWN), (30.0, DOWN), (10.0, UP)], Uptime(up=90.0, down=10.0, falls=1)),
        (UP, [(500.0, DOWN)], Uptime(up=100.0, falls=1)),
    ],
)
def test_a_span_is_shared_out(before: State, turns: Any, expected: Uptime) -> None:
    assert shared_out(before, turns, 0.0, 100.0) == expected


def test_blind_time_is_neither_up_nor_down_and_comes_before_maintenance() -> None:
    found = shared_out(DOWN, [(60.0, UP)], 0.0, 100.0, blind=[(10, 30), (20, 40)], maintenance=[(35, 70)])
    assert found == Uptime(up=30.0, down=10.0, blind=30.0, maintenance=30.0)
    assert (found.uncounted, found.share) == (60.0, 0.75)


def reference(
    before: State, turns: list[tuple[int, State]], end: int, blind: list[Any], windows: list[Any]
) -> dict[str, int]:
    """Every second by itself."""
    seconds = dict.fromkeys(("up", "down", "warn", "blind", "paused", "maintenance"), 0)
    for second in range(end):
        state = ([before] + [into for at, into in turns if at <= second])[-1]
        if any(first <= second < last for first, last in blind):
            seconds["blind"] += 1
        elif state in (NEW, PAUSED):
            seconds["paused"] += 1
        elif any(first <= second < last for first, last in windows):
            seconds["maintenance"] += 1
        else:
            seconds["down" if state is DOWN else "up"] += 1
            seconds["warn"] += state is WARN
    return seconds


moments = st.integers(0, 60)
states = st.sampled_from(list(State))
spans = st.lists(st.tuples(moments, moments), max_size=4)


@settings(max_examples=150)
@given(states, st.lists(st.tuples(moments, states), max_size=6), spans, spans)
def test_it_agrees_with_counting_every_second(
    before: State, turns: list[tuple[int, State]], blind: list[Any], windows: list[Any]
) -> None:
    turns.sort(key=lambda each: each[0])
    found = shared_out(before, turns, 0, 50, blind, windows)
    assert {name: getattr(found, name) for name in reference(before, [], 0, [], [])} == reference(
        before, turns, 50, blind, windows
    )
