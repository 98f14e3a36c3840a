"""Moments and durations as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

from healthkit.durations import humanize


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso(at: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC."""
    return _moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(at: float) -> str:
    """Return epoch seconds as people read them, in UTC."""
    return f"{_moment(at):%Y-%m-%d %H:%M:%S} UTC"


def clock(at: float, now: float) -> str:
    """Return a moment as short as it is clear: the time of day in UTC, with the day where it is another."""
    moment, today = _moment(at), _moment(now)
    return f"{moment:%H:%M} UTC" if moment.date() == today.date() else f"{moment:%a %d %b, %H:%M} UTC"


def latency(duration: float) -> str:
    """Return how long an answer took: milliseconds below ten seconds."""
    return (
        humanize(duration)
        if duration >= 10
        else f"{duration * 1000:,.0f} ms"
        if duration >= 0.01
        else f"{duration * 1000:.1f} ms"
    )


def span(duration: float) -> str:
    """Return a duration as people say it; a negative one (clocks differ) is none."""
    return humanize(float(round(duration))) if duration >= 1 else "0 s"
