"""Durations as people write them: `"90s"`, `"5m"`, `"1h30m"`, `30`, `timedelta`."""

from __future__ import annotations

import re
from datetime import timedelta

from healthkit.errors import ConfigurationError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
LONGEST = 100 * 365.25 * UNITS["d"]  # a thread that is to wait for more than some centuries ends instead
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", re.ASCII)
_TEXT = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)

Duration = float | int | str | timedelta


def seconds(value: Duration, *, what: str = "duration") -> float:
    """Return a duration in seconds.

    Takes a number (seconds), a `timedelta`, or text such as `"250ms"`, `"90s"`, `"5m"`, `"1h30m"`, `"2d"`.
    Raises `ConfigurationError`, naming `what`, for anything else, for a negative, for NaN, and for more than
    100 years.
    """
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigurationError(_refusal(what, value))
    elif isinstance(value, str):
        text = value.strip()
        if not _TEXT.fullmatch(text):
            raise ConfigurationError(_refusal(what, value))
        result = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
    else:
        result = value
    if not 0 <= result <= LONGEST:
        raise ConfigurationError(_refusal(what, value))
    return float(result)


def humanize(duration: float) -> str:
    """Return seconds as a person says them, in at most two units: `0.25 s`, `12 s`, `4 min`, `2 h 5 min`."""
    if duration < 10:
        return f"{duration:.2g} s" if duration < 1 else f"{duration:.3g} s".replace(".0 s", " s")
    left = round(duration)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"


def _refusal(what: str, value: object) -> str:
    return (
        f"{what}: {value!r:.200} is not a duration; write seconds as a number, or text such as "
        '"500ms", "90s", "5m", "1h30m", "2d", up to 100 years'
    )
