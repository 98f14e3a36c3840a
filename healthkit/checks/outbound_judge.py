"""From what the calls to a host came to, to what is to be said of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from healthkit.checks.outbound_window import HostWindow, Totals, Trouble
from healthkit.durations import humanize, seconds
from healthkit.errors import ConfigurationError
from healthkit.model import Result
from healthkit.status import Status

CHANCE = 0.05  # a run of successes this unlikely at an error rate shows that the rate is over


@dataclass(frozen=True, slots=True)
class Limits:
    """When a host is unwell: `warn` and `fail` are shares of failed calls, `slow` and `too_slow` seconds."""

    min_calls: int = 5
    warn: float | None = 0.1
    fail: float | None = 0.5
    slow: float | None = None
    too_slow: float | None = None


def limits_of(given: Mapping[str, Any], what: str, base: Limits | None = None) -> Limits:
    """Return `base` with the given limits in place of its own. Raises `ConfigurationError` naming `what`."""
    known = [field.name for field in fields(Limits)]
    if unknown := sorted(set(given) - set(known)):
        raise ConfigurationError(
            f"{what}: unknown {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
        )
    checked: dict[str, Any] = {name: _limit(name, value, what) for name, value in given.items()}
    limits = replace(base or Limits(), **checked)
    for low, high in (("warn", "fail"), ("slow", "too_slow")):
        least, most = getattr(limits, low), getattr(limits, high)
        if least is not None and most is not None and least > most:
            raise ConfigurationError(f"{what}: {low}={least:g} is above {high}={most:g}; swap them")
    return limits


def _limit(name: str, value: Any, what: str) -> int | float | None:
    if name == "min_calls":
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"{what}: min_calls {value!r:.100} must be a whole number from 1 on")
        return value
    if value is None:
        return None
    what = f"{what}: {name}"
    return seconds(value, what=what) if name in ("slow", "too_slow") else _share(value, what)


def _share(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigurationError(
            f"{what} {value!r:.100} is no share of the calls: above 0, 1 at most, such as 0.1; None: never"
        )
    return float(value)


def judge(host: str, seen: HostWindow, limits: Limits, window: float, now: float) -> Result:
    """Return what to say of a host: its status, its error rate, and the reason in words."""
    totals = seen.totals(now)
    found = [
        _by_trouble(seen, totals, limits, window, now),
        _by_rate(seen, totals, limits, window, now),
        _by_throttling(seen, totals, limits, window, now),
        _by_latency(totals, limits),
        _by_silence(totals, limits, window),
    ]
    status, output = max(found, key=lambda one: one[0])
    rate = _rate(seen, totals)
    return Result(rate, "ratio", status, output, host, _details(seen, totals))


def _by_trouble(
    seen: HostWindow, totals: Totals, limits: Limits, window: float, now: float
) -> tuple[Status, str]:
    """Judge the spell of trouble by itself, so that a fresh outage need not first outweigh a good window.

    It must have lasted a tenth of the window over twice the calls, so that a blip says nothing. Where the
    window has too few calls to judge, the spell needs no more than `min_calls`, however long ago they began.
    """
    trouble = seen.trouble
    few = totals.calls < limits.min_calls
    if trouble is None or limits.fail is None or trouble.errors / trouble.calls < limits.fail:
        return Status.PASS, ""
    enough = trouble.calls >= (limits.min_calls if few else 2 * limits.min_calls)
    if not enough or (not few and now - trouble.since < window / 10):
        return Status.PASS, ""
    return Status.FAIL, f"{trouble.errors} of {trouble.calls} calls failed{_story(seen, now, counted=True)}"


def _by_rate(
    seen: HostWindow, totals: Totals, limits: Limits, window: float, now: float
) -> tuple[Status, str]:
    if totals.calls < limits.min_calls or not totals.errors:
        return Status.PASS, ""
    rate = totals.errors / totals.calls
    said = f"{totals.errors} of {totals.calls} calls failed in the last {humanize(window)}{_story(seen, now)}"
    for status, limit in ((Status.FAIL, limits.fail), (Status.WARN, limits.warn)):
        if limit is not None and rate >= limit and seen.streak < _convincing(limit, limits.min_calls):
            return status, said
    return Status.PASS, ""


def _by_throttling(
    seen: HostWindow, totals: Totals, limits: Limits, window: float, now: float
) -> tuple[Status, str]:
    if totals.calls < limits.min_calls or not totals.throttled or limits.warn is None:
        return Status.PASS, ""
    over = seen.streak >= _convincing(limits.warn, limits.min_calls)
    if over or totals.throttled / totals.calls < limits.warn:
        return Status.PASS, ""
    part = f"{totals.throttled} of {totals.calls} calls were throttled (429) in the last {humanize(window)}"
    return Status.WARN, f"{part}; the last one {humanize(max(0.0, now - seen.last_reason_at))} ago"


def _by_latency(totals: Totals, limits: Limits) -> tuple[Status, str]:
    if totals.p95 is None or totals.calls < limits.min_calls:
        return Status.PASS, ""
    for status, limit in ((Status.FAIL, limits.too_slow), (Status.WARN, limits.slow)):
        if limit is not None and totals.p95 > limit:
            return (
                status,
                f"slow: one answer in 20 takes over {humanize(totals.p95)} (limit {humanize(limit)})",
            )
    return Status.PASS, ""


def _by_silence(totals: Totals, limits: Limits, window: float) -> tuple[Status, str]:
    """Warn where the app gave up every call, as a timeout of its own around the call does to a hung host."""
    if totals.calls or totals.given_up < limits.min_calls:
        return Status.PASS, ""
    said = f"none of {totals.given_up} calls was answered before the app gave them up"
    return Status.WARN, f"{said}, in the last {humanize(window)}"


def _story(seen: HostWindow, now: float, *, counted: bool = False) -> str:
    """Return since when it fails, or how many calls succeeded since, and what went wrong last."""
    if seen.trouble is not None:
        begun = f"since {_clock(seen.trouble.since)} ({humanize(max(0.0, now - seen.trouble.since))} ago)"
        story = f" {begun}" if counted else f"; failing {begun}, {_count(seen.trouble)}"
    else:
        story = f"; the last {seen.streak} succeeded" if seen.streak else ""
    return f"{story}; last failure {humanize(max(0.0, now - seen.last_reason_at))} ago: {seen.last_reason}"


def _count(trouble: Trouble) -> str:
    return f"{trouble.errors} of {trouble.calls} calls"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _convincing(limit: float, min_calls: int) -> int:
    """Return how many successes in a row show an error rate to be over: 5 for a half, 29 for a tenth."""
    if limit >= 1:
        return min_calls
    return max(min_calls, math.ceil(math.log(CHANCE) / math.log(1 - limit)))


def _rate(seen: HostWindow, totals: Totals) -> float | None:
    if totals.calls:
        return round(totals.errors / totals.calls, 4)
    return round(seen.trouble.errors / seen.trouble.calls, 4) if seen.trouble is not None else None


def _details(seen: HostWindow, totals: Totals) -> dict[str, Any]:
    details: dict[str, Any] = {"calls": totals.calls, "errors": totals.errors}
    optional = {"throttled": totals.throttled, "given_up": totals.given_up, "last_failure": seen.last_reason}
    details |= {name: value for name, value in optional.items() if value}
    if seen.last_reason:
        details["last_failure_at"] = _iso(seen.last_reason_at)
    for name, value in (("p50_ms", totals.p50), ("p95_ms", totals.p95)):
        if value is not None:
            details[name] = float(f"{value * 1000:.3g}")
    if seen.trouble is not None:
        details["failing_since"] = _iso(seen.trouble.since)
    return details
