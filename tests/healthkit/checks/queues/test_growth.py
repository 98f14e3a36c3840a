"""Growth is told from bursts, sawteeth and rest, by the samples alone."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks.queue_growth import FINENESS, Growth, Memory, Sample, growth

WINDOW = 600.0


def seen(depths: Iterable[int], every: float = 60.0, least: int = 10) -> Growth | None:
    """Return what is known after depths seen at an even pace."""
    memory, found = Memory(WINDOW), None
    for number, depth in enumerate(depths):
        found = memory.remember(Sample(number * every, depth), least=least)
    return found


def grows(depths: Iterable[int], every: float = 60.0, least: int = 10) -> bool:
    """Tell whether such depths are growth."""
    found = seen(depths, every, least)
    return found is not None and found.is_sustained


def test_a_steady_climb_through_the_whole_window_is_growth() -> None:
    assert grows(range(0, 132, 12))
    assert not grows(range(0, 120, 12))  # nine minutes of the ten


def test_a_climb_that_wavers_is_growth_all_the_same() -> None:
    assert grows([100, 130, 120, 150, 145, 180, 170, 200, 190, 230, 220])


def test_rest_bursts_sawteeth_and_draining_are_none() -> None:
    assert not grows([0] * 20)
    assert not grows([500] * 20)
    assert not grows([0] * 5 + [500] * 15)
    assert not grows([0, 50, 100, 150, 200] * 4)
    assert not grows(range(200, 0, -10))


def test_a_handful_more_is_none() -> None:
    assert not grows([1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4])
    assert grows([1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4], least=3)


def test_a_check_that_runs_more_seldom_than_its_window_still_sees_growth() -> None:
    assert grows(range(0, 600, 100), every=900)
    assert not grows(range(0, 300, 100), every=900)  # too few looks to tell


def test_a_check_that_runs_each_second_keeps_few_samples() -> None:
    memory = Memory(WINDOW)
    for second in range(5000):
        found = memory.remember(Sample(float(second), second), least=10)
    assert len(memory._samples) <= FINENESS * 2 + 10
    assert found is not None
    assert found.is_sustained


def test_rates_in_and_out_and_the_time_to_drain() -> None:
    samples = [Sample(0, 100, 1000), Sample(60, 70, 1030)]
    found = growth(samples, window=WINDOW, least=10)
    assert found is not None
    assert (found.per_minute, found.came, found.went) == (-30, 30, 60)
    assert found.drains_in == 140
    up = growth([Sample(0, 100, 1000), Sample(60, 112, 1030)], window=WINDOW, least=10)
    assert up is not None
    assert (up.per_minute, up.came, up.went, up.drains_in) == (12, 30, 18, None)


def test_a_clock_put_back_begins_anew() -> None:
    memory = Memory(WINDOW)
    for minute in range(11):
        memory.remember(Sample(10_000.0 + minute * 60, minute * 10), least=10)
    assert memory.remember(Sample(50.0, 110), least=10) is None


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=200),
    st.floats(0.1, 5000, allow_nan=False),
    st.integers(1, 1000),
)
def test_whatever_comes_growth_is_sustained_only_upward_and_over_the_window(
    depths: list[int], every: float, least: int
) -> None:
    found = seen(depths, every, least)
    if found is not None and found.is_sustained:
        assert found.over >= WINDOW * 0.95
        assert found.per_minute > 0
        assert found.drains_in is None
