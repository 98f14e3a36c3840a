"""Which maintenance window is open, and for whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.maintenance import MaintenanceSpec, active, covering, covers
from checker.schedule import Cron, Every, OnCalendar
from tests.checker.judging import T0

HOUR, DAY = 3600.0, 86_400.0
SUNDAY = MaintenanceSpec("sunday window", Cron("0 3 * * SUN"), HOUR, ("shop", "nightly-*"))
OPENS = T0 + 3 * DAY + 3 * HOUR  # 2026-01-04 03:00, a Sunday


def test_a_window_is_open_from_its_moment_for_its_duration() -> None:
    assert active(SUNDAY, OPENS - 1) is None
    window = active(SUNDAY, OPENS)
    assert window is not None
    assert (window.start, window.end) == (OPENS, OPENS + HOUR)
    assert active(SUNDAY, OPENS + HOUR - 0.5) == window
    assert active(SUNDAY, OPENS + HOUR) is None


def test_a_one_off_window_opens_once() -> None:
    once = MaintenanceSpec("move", OnCalendar("2026-01-04 03:00"), HOUR)
    assert active(once, OPENS + 60) is not None
    assert active(once, OPENS + 366 * DAY) is None


def test_an_interval_has_no_fixed_moments_and_opens_nothing() -> None:
    assert active(MaintenanceSpec("always", Every(60.0), HOUR), OPENS) is None


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("shop", True),
        ("shop/database:write", True),
        ("nightly-invoices", True),
        ("shopping", False),
        ("worker", False),
        ("Shop", False),
    ],
)
def test_names_and_patterns_tell_whom_it_covers(name: str, covered: bool) -> None:
    assert covers(SUNDAY, name) is covered


def test_one_component_alone_can_be_covered() -> None:
    spec = MaintenanceSpec("disk swap", SUNDAY.schedule, HOUR, ("shop/disk:*",))
    assert covers(spec, "shop/disk:status")
    assert not covers(spec, "shop/database:write")
    assert not covers(spec, "shop")


def test_the_open_windows_are_asked_for_one_that_covers() -> None:
    window = active(SUNDAY, OPENS)
    assert window is not None
    assert covering([window], "shop/database:write") == window
    assert covering([window], "worker") is None
    assert covering([], "shop") is None


@given(st.floats(T0, T0 + 30 * DAY), st.floats(60, 6 * DAY))
def test_a_window_that_is_open_holds_now(now: float, duration: float) -> None:
    window = active(MaintenanceSpec("w", Cron("0 3 * * SUN"), duration), now)
    if window is not None:
        assert window.start <= now < window.end + 1e-3
