"""Oh Dear's application health, by spatie/laravel-health: `{"finishedAt": ..., "checkResults": [...]}`.

https://ohdear.app/docs/features/application-health-monitoring
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from checker.documents._parts import component, document, entries, text
from healthkit.status import Status
from healthkit.wire import Component, Document

WORDS = {
    "ok": Status.PASS,
    "warning": Status.WARN,
    "failed": Status.FAIL,
    "crashed": Status.FAIL,
    "skipped": Status.UNKNOWN,  # it says nothing this time
}


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one for Oh Dear."""
    if not isinstance(root, dict) or not isinstance(root.get("checkResults"), list):
        return None
    parts = (_component(name, part) for name, part in entries(root["checkResults"]))
    return document("Oh Dear", None, parts, time=_moment(root.get("finishedAt")))


def _component(name: str, part: Any) -> Component:
    why = text(part.get("notificationMessage")) or text(part.get("shortSummary"))
    return component(name, part.get("status"), WORDS, output=why, details=part.get("meta"))


def _moment(value: Any) -> float | None:
    """Return when the checks ended: epoch seconds, or text of a date."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 <= value < 1e11 and math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 40:
        return None
    if value.isascii() and value.isdigit():
        return _moment(int(value))
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
