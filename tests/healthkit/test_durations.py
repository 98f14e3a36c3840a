"""Durations as people write and say them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.durations import LONGEST, humanize, seconds
from healthkit.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (30, 30.0),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        (" 1h 30m ", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        ("1w", 604_800.0),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_a_duration_is_read_as_it_is_meant(written: Any, meant: float) -> None:
    assert seconds(written) == pytest.approx(meant)


NONSENSE = ["", "soon", "5", "5 parsecs", "-5s", "m5", "5m!", "٥s", "9" * 400 + "w", b"5s"]


FOR_EVER = [1e18, 10**400, "36600d", timedelta.max]  # no thread can be told to wait for so long


@pytest.mark.parametrize("written", [*NONSENSE, -1, float("nan"), float("inf"), True, None, [5], *FOR_EVER])
def test_nonsense_is_refused_with_what_it_was_for_and_how_to_write_it(written: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'^timeout: .*"90s"'):
        seconds(written, what="timeout")


@given(st.text())
def test_any_text_is_read_or_refused(written: str) -> None:
    try:
        assert 0 <= seconds(written) <= LONGEST
    except ConfigurationError:
        return


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (2, "2 s"),
        (2.04, "2.04 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (240, "4 min"),
        (7_500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (86_460, "1 d"),
    ],
)
def test_a_duration_is_said_in_at_most_two_units(duration: float, said: str) -> None:
    assert humanize(duration) == said
