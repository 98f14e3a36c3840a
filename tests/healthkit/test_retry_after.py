"""`Retry-After`: seconds, or a date that is counted by the server's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.retry_after import LONGEST, moment, seconds

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2199, 12, 31)))  # noqa: DTZ001 - made UTC below
def test_a_date_is_read_as_the_standard_library_writes_it(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    assert moment(format_datetime(at, usegmt=True)) == at.timestamp()


@pytest.mark.parametrize(
    ("value", "date", "wait"),
    [
        ("7", "", 7.0),
        ("999999999999", "", LONGEST),
        ("Sun, 06 Nov 1994 08:49:47 GMT", "", 10.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", "", 0.0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", "", LONGEST),
        ("Sun, 06 Nov 1994 10:00:30 GMT", "Sun, 06 Nov 1994 10:00:00 GMT", 30.0),
        ("", "Sun, 06 Nov 1994 10:00:00 GMT", None),
        ("soon", "", None),
        ("-1", "", None),
        ("²", "", None),
        ("Sun, 06 Nov 1994 08:49 GMT", "", None),
        ("Sun, 06 Nov 19940000000000000 08:49:37 GMT", "", None),
        ("Sun, 06 Nie 1994 08:49:37 GMT", "", None),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(value: str, date: str, wait: float | None) -> None:
    assert seconds(value, date, NOW) == wait
