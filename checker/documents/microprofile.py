"""MicroProfile Health (Quarkus, Open Liberty, Payara): `{"status": "UP", "checks": [{"name": ...}]}`.

https://download.eclipse.org/microprofile/microprofile-health-4.0/microprofile-health-spec-4.0.html
"""

from __future__ import annotations

from typing import Any

from checker.documents._parts import component, document, entries, status_of
from healthkit.status import Status
from healthkit.wire import Component, Document

WORDS = {"up": Status.PASS, "down": Status.FAIL}


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one of MicroProfile."""
    if not isinstance(root, dict) or not isinstance(root.get("checks"), list):
        return None
    status = status_of(root.get("status", root.get("outcome")), WORDS)  # "outcome" until version 2
    if status is None:
        return None
    return document(
        "MicroProfile", status, (_component(name, part) for name, part in entries(root["checks"]))
    )


def _component(name: str, part: Any) -> Component:
    return component(name, part.get("status", part.get("state")), WORDS, details=part.get("data"))
