"""ASP.NET Core, as Xabaril's UIResponseWriter writes it: `{"status": "Healthy", "entries": {...}}`.

The writer of Microsoft's own guide has `results` in the place of `entries`.
https://github.com/Xabaril/AspNetCore.Diagnostics.HealthChecks
"""

from __future__ import annotations

from typing import Any

from checker.documents._parts import component, document, entries, status_of, text
from healthkit.status import Status
from healthkit.wire import Component, Document

WORDS = {"healthy": Status.PASS, "degraded": Status.WARN, "unhealthy": Status.FAIL}
_BY_NUMBER = {0: "unhealthy", 1: "degraded", 2: "healthy"}


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one of ASP.NET's."""
    if not isinstance(root, dict):
        return None
    status = status_of(_word(root.get("status")), WORDS)
    parts = next((root[key] for key in ("entries", "results") if isinstance(root.get(key), dict)), None)
    if status is None or (parts is None and not isinstance(root.get("status"), str)):
        return None
    return document("ASP.NET", status, (_component(name, part) for name, part in entries(parts)))


def _component(name: str, part: Any) -> Component:
    why = " ".join(dict.fromkeys(filter(None, (text(part.get("description")), text(part.get("exception"))))))
    details = {key: part[key] for key in ("data", "duration", "tags") if part.get(key)}
    return component(name, _word(part.get("status")), WORDS, output=why, details=details)


def _word(said: Any) -> Any:
    """Return a status as its word; some serialisers write the enumeration's number."""
    is_number = isinstance(said, int) and not isinstance(said, bool)
    return _BY_NUMBER.get(said) if is_number else said
