"""NestJS Terminus: `{"status": "ok", "info": {...}, "error": {...}, "details": {"db": {"status": "up"}}}`.

https://docs.nestjs.com/recipes/terminus
"""

from __future__ import annotations

from typing import Any

from checker.documents._parts import component, document, entries, status_of, text
from healthkit.status import Status
from healthkit.wire import Component, Document

WORDS = {"ok": Status.PASS, "error": Status.FAIL, "shutting_down": Status.FAIL}
_PARTS = {"up": Status.PASS, "down": Status.FAIL}


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one of Terminus."""
    if not isinstance(root, dict) or not isinstance(root.get("details"), dict):
        return None
    status = status_of(root.get("status"), WORDS)
    if status is None or not {"info", "error"} & root.keys():
        return None
    return document(
        "NestJS Terminus", status, (_component(name, part) for name, part in entries(root["details"]))
    )


def _component(name: str, part: Any) -> Component:
    details = {key: value for key, value in part.items() if key not in ("status", "message")}
    return component(name, part.get("status"), _PARTS, output=text(part.get("message")), details=details)
