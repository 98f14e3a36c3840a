"""A ping's body, read: JSON may carry progress, figures and a time; it is kept whole as any other. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

METRICS = 20  # figures of a ping that are kept
METRIC_NAME = 50  # characters
OLDEST = 31 * 86_400.0  # seconds; a journal that is older tells nothing about today


@dataclass(frozen=True, slots=True)
class Body:
    """What a body says beside being kept; `at` in epoch seconds, `duration` in seconds.

    `status` and `duration` are PulseMon's: its clients say in the body how it went.
    """

    at: float | None = None
    processed: float | None = None
    backlog: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    status: str = ""
    duration: float | None = None


def parse_body(body: bytes, content_type: str, now: float) -> Body:
    """Return what a ping's body says; nothing raises, and a body that is no JSON object says nothing.

    A time in the future counts as now, one older than `OLDEST` as that old: a wrong clock neither loses a
    sign nor makes an old one look fresh.
    """
    if not body or not (body.lstrip()[:1] == b"{" or content_type.startswith("application/json")):
        return Body()
    document = _object(body)
    if document is None:
        return Body()
    return Body(
        at=_time(document.get("at"), now),
        processed=_count(document.get("processed")),
        backlog=_count(document.get("backlog")),
        metrics=_metrics(document.get("metrics")),
        status=_word(document.get("status")),
        duration=milliseconds(document.get("duration")),
    )


def milliseconds(value: object) -> float | None:
    """Return milliseconds, a number or its text, as seconds; None for what is none, or negative."""
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    number = _count(value)
    return None if number is None else number / 1000


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body, parse_constant=_refuse)
    except (
        ValueError,
        RecursionError,
    ):  # not JSON, not UTF-8, NaN, a number of 5,000 digits, nested too deep
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _metrics(value: object) -> dict[str, float]:
    """Return the figures of a body, the first `METRICS` that are numbers with a printable name."""
    found: dict[str, float] = {}
    for name, each in value.items() if isinstance(value, dict) else ():
        number = _number(each)
        if number is not None and name.isprintable() and 0 < len(name) <= METRIC_NAME:
            found[name] = number
        if len(found) == METRICS:
            break
    return found


def _word(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 20 else ""


def _time(value: object, now: float) -> float | None:
    """Return epoch seconds of a number or an RFC 3339 text (UTC if it names no zone), held within bounds."""
    at = _number(value)
    if isinstance(value, str) and len(value) <= 40:
        try:
            moment = datetime.fromisoformat(value)
            at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return None if at is None else min(max(at, now - OLDEST), now)
