"""Spring Boot Actuator: `{"status": "UP", "components": {"db": {"status": "UP", "details": {...}}}}`.

A composite is told by its parts: `db.primary`. Spring Boot 2.0 and 2.1 say `details` for `components`.
https://docs.spring.io/spring-boot/api/rest/actuator/health.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checker.documents._parts import component, document, entries, status_of, text
from healthkit.status import Status
from healthkit.wire import MAX_COMPONENTS, Component, Document

WORDS = {
    "up": Status.PASS,
    "down": Status.FAIL,
    "out_of_service": Status.FAIL,
    "unknown": Status.WARN,  # the indicator cannot tell
}
_DEEPEST = 8


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one of Spring Boot's."""
    if not isinstance(root, dict):
        return None
    said = _code(root.get("status"))
    status, parts = status_of(said, WORDS), _parts(root)
    if parts is None:
        # A status that only Spring has is proof enough; its details may be hidden.
        alone = status is not None and root.keys() <= {"status", "groups", "description"}
        return document("Spring Boot", status, ()) if alone else None
    if status is None and not isinstance(said, str):
        return None
    if status is None:  # a word of the app's own
        status = Status.WARN
    return document("Spring Boot", status, _components(parts, "", _DEEPEST))


def _parts(part: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a composite is made of, or None for one that is a single thing."""
    for key in ("components", "details"):
        found = part.get(key)
        if isinstance(found, dict) and found and all(_is_part(each) for each in found.values()):
            return found
    empty = part.get("components")
    return empty if isinstance(empty, dict) and not empty else None


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and "status" in part


def _components(parts: dict[str, Any], prefix: str, deeper: int) -> Iterator[Component]:
    made = 0
    for name, part in entries(parts):
        inner = _parts(part) if deeper else None
        found = (
            _components(inner, f"{prefix}{name}.", deeper - 1)
            if inner
            else iter((_leaf(prefix + name, part),))
        )
        for each in found:
            yield each
            made += 1
            if made > MAX_COMPONENTS:  # one more than is read, so that it is told
                return


def _leaf(name: str, part: dict[str, Any]) -> Component:
    details = part.get("details")
    details = details if isinstance(details, dict) else {}
    why = text(details.get("error")) or text(part.get("description")) or text(details.get("description"))
    return component(name, _code(part.get("status")), WORDS, output=why, details=details)


def _code(said: Any) -> Any:
    return said.get("code") if isinstance(said, dict) else said
