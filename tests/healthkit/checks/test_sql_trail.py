"""How far behind a follower is, told from looks alone: bounds that hold for whatever was written when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks.sql_trail import MOST, Trail


def test_who_has_all_of_the_last_look_is_not_behind() -> None:
    trail = Trail()
    trail.add(10, 100)
    assert trail.bounds(100, now=10) == (0, 0)
    assert trail.bounds(150, now=10) == (0, 0)


def test_the_bounds_are_the_looks_around_what_was_reached() -> None:
    trail = Trail()
    for time, position in ((0, 100), (10, 200), (20, 300)):
        trail.add(time, position)
    assert trail.bounds(250, now=20) == (0, 10)  # it lacks what was there at 20, and has what was at 10
    assert trail.bounds(100, now=20) == (10, 20)
    assert trail.bounds(50, now=20) == (20, float("inf"))  # who knows how old that is


def test_a_leader_that_starts_anew_starts_a_new_trail() -> None:
    trail = Trail()
    trail.add(0, 100)
    trail.add(10, 5)  # restored from a backup
    assert trail.bounds(5, now=10) == (0, 0)
    assert trail.bounds(3, now=10) == (0, float("inf"))


def test_what_nobody_will_ask_about_is_let_go_of() -> None:
    trail = Trail()
    for time in range(100):
        trail.add(time, time * 10)
        trail.forget_before(time * 10)
    assert len(trail._times) == 1


WRITES = st.lists(st.integers(0, 50), min_size=1, max_size=2 * MOST)


@given(written=WRITES, behind=st.integers(0, 2 * MOST))
def test_the_true_lag_lies_within_the_bounds(written: list[int], behind: int) -> None:
    trail, position, history = Trail(), 0, []
    for time, amount in enumerate(written):
        position += amount
        history.append(position)
        trail.add(time, position)
    now = len(written) - 1
    reached_at = max(0, now - behind)
    reached = history[reached_at]  # what the follower has is what the leader had then ...
    last = max(time for time, there in enumerate(history) if there <= reached)
    lag = now - last  # ... and still had at the last of these moments
    least, most = trail.bounds(reached, now)
    assert least <= lag <= most
    assert len(trail._times) <= MOST
