"""A ping's body, read: JSON may carry progress and a time, and is kept whole as anything else is. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

OLDEST = 31 * 86_400.0  # seconds; a journal that is older tells nothing about today


@dataclass(frozen=True, slots=True)
class Body:
    """What a body says beside being kept; `at` in epoch seconds."""

    at: float | None = None
    processed: float | None = None
    backlog: float | None = None


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
    )


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
