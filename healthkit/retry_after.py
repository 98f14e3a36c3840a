"""`Retry-After` in both its forms, in seconds (RFC 9110, 10.2.3).

Nothing is imported for it, which a sender's thread must not do. A date is counted from the answer's own
`Date` where it has one, so that a wrong clock here does no harm.
"""

from __future__ import annotations

LONGEST = 300.0  # seconds that a server may ask for
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds(value: str, date: str, now: float) -> float | None:
    """Return for how long (0 to `LONGEST` seconds) a server asks to be left alone; None when it does not.

    `value` and `date` are the headers `Retry-After` and `Date`, "" when absent; `now` is in epoch seconds.
    """
    if value.isascii() and value.isdecimal():
        return min(float(value[:9]), LONGEST)
    until = moment(value)
    if until is None:
        return None
    answered_at = moment(date)
    return min(max(0.0, until - (now if answered_at is None else answered_at)), LONGEST)


def moment(text: str) -> float | None:
    """Return an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` in epoch seconds; None when it is none."""
    parts = text.split()
    if len(parts) != 6 or parts[5] != "GMT" or parts[2] not in _MONTHS:
        return None
    numbers = [parts[1], parts[3], *parts[4].split(":")]
    if len(numbers) != 5 or not all(number.isascii() and number.isdecimal() for number in numbers):
        return None
    if any(len(number) > 4 for number in numbers):
        return None
    day, year, hour, minute, second = (int(number) for number in numbers)
    return float(_days(year, _MONTHS.index(parts[2]) + 1, day) * 86_400 + hour * 3600 + minute * 60 + second)


def _days(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March."""
    year -= month <= 2
    leaps = year // 4 - year // 100 + year // 400
    return year * 365 + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day - 1 - 719_468
