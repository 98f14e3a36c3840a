"""Nodes go by the database's clock; a machine whose own is right is never corrected."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.clock import TOLERANCE, SharedClock

NOW = 1_000_000.0


class Machine:
    """A machine's clock, `ahead` of the true time by so many seconds."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.true = NOW
        self.ahead = ahead

    def __call__(self) -> float:
        return self.true + self.ahead


def hear(clock: SharedClock, machine: Machine, there: float = 0.1, back: float = 0.1) -> None:
    """Ask the database, which takes so many seconds to answer, and so many more until that is here."""
    answered = clock.ask()
    machine.true += there
    truth = machine.true
    machine.true += back
    answered(truth)


def test_a_clock_that_is_right_is_never_corrected() -> None:
    machine = Machine(0.05)
    clock = SharedClock(machine)
    for took in (0.0, 0.001, 0.3, 8.0):
        hear(clock, machine, took, took / 3)
        assert clock() == machine()


@pytest.mark.parametrize("ahead", [3_600.0, -3_600.0, 7.0])
def test_a_clock_that_is_off_goes_by_the_databases(ahead: float, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(ahead)
    clock = SharedClock(machine)
    with caplog.at_level(logging.WARNING):
        hear(clock, machine)
        hear(clock, machine)
    assert abs(clock() - machine.true) <= 0.1 + 1e-6
    assert len(caplog.records) == 1
    assert ("ahead of" if ahead > 0 else "behind") in caplog.text


def test_a_clock_that_jumps_is_set_back_with_the_next_answer() -> None:
    machine = Machine()
    clock = SharedClock(machine)
    hear(clock, machine)
    machine.ahead = 3_600.0
    hear(clock, machine)
    assert abs(clock() - machine.true) <= 0.1 + 1e-6
    machine.ahead = 0.0
    hear(clock, machine)
    assert abs(clock() - machine.true) <= 0.1 + 1e-6


def test_a_jump_while_the_database_was_asked_corrects_nothing() -> None:
    machine = Machine()
    clock = SharedClock(machine)
    answered = clock.ask()
    machine.ahead = -3_600.0
    answered(machine.true)
    assert clock() == machine()
    hear(clock, machine)
    assert abs(clock() - machine.true) <= 0.1 + 1e-6


@settings(max_examples=60)
@given(
    ahead=st.floats(-1e5, 1e5),
    trips=st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=6),
)
def test_it_is_never_off_by_more_than_the_quickest_answer_took(
    ahead: float, trips: list[tuple[float, float]]
) -> None:
    machine = Machine(ahead)
    clock = SharedClock(machine)
    for there, back in trips:
        hear(clock, machine, there, back)
    quickest = min(there + back for there, back in trips)
    assert abs(clock() - machine.true) <= quickest + TOLERANCE + 1e-3
