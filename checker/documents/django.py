"""django-health-check: `{"DatabaseBackend": "working", "Cache backend: default": "unavailable: ..."}`.

It has no status of its own, so it is recognised only where every value is one of its words.
https://codingjoe.dev/django-health-check/
"""

from __future__ import annotations

import re
from typing import Any

from checker.documents._parts import component, document
from healthkit.status import Status
from healthkit.wire import Document

WORDS = {"fine": Status.PASS, "warning": Status.WARN, "broken": Status.FAIL}
_FINE = "working"
_WARNING = re.compile(r"warning: ")
_BROKEN = re.compile(r"(?:unavailable|unexpected result|unknown error)\b", re.IGNORECASE)


def read(root: Any) -> Document | None:
    """Return the document, or None where it is not one of django-health-check."""
    if not isinstance(root, dict) or not root:
        return None
    found = []
    for name, said in root.items():
        word = _word(said)
        if word is None:
            return None
        found.append(component(name, word, WORDS, output="" if word == "fine" else said))
    return document("django-health-check", None, found)


def _word(said: Any) -> str | None:
    if not isinstance(said, str):
        return None
    if said.strip().lower() == _FINE:
        return "fine"
    if _WARNING.match(said):
        return "warning"
    return "broken" if _BROKEN.match(said) else None
