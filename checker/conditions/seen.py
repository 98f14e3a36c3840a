"""What was seen of an endpoint, as conditions ask for it: parsed when the first one asks, and once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from healthkit.bounds import clean
from healthkit.durations import humanize

SUBJECTS = ("status", "latency", "body", "header", "certificate", "components", "answers", "rcode")
SHOWN = 80  # characters of a value


class _Missing:
    """Nothing is there; not null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True)
class Seen:
    """What came back. `certificate`: seconds until it ends. `components`: key -> (value, status, output)."""

    status: int | None = None
    latency: float | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    certificate: float | None = None
    components: Mapping[str, tuple[Any, str, str]] = field(default_factory=dict)
    answers: tuple[str, ...] | None = None
    rcode: str | None = None

    def value(self, subject: str, path: Sequence[str | int] = ()) -> Any:
        """Return what a condition asks for, `MISSING` where there is no such thing; never raises."""
        if subject == "body" and self.body is not None:
            return _walk(self.document, path) if path else self.text
        if subject == "header":
            return self.headers.get(str(path[0]).lower(), MISSING)
        if subject == "components":
            return self._component(str(path[0]), str(path[1]))
        found = getattr(self, subject)
        return MISSING if found is None else found

    @cached_property
    def text(self) -> str:
        """The body as text."""
        return (self.body or b"").decode("utf-8", "replace")

    @cached_property
    def document(self) -> Any:
        """The body as JSON; `MISSING` where it is none."""
        try:
            return json.loads(self.text.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            return MISSING

    def _component(self, key: str, what: str) -> Any:
        found = self.components.get(key)
        if found is None:
            return MISSING
        value, status, output = found
        if what == "value":
            return MISSING if value is None else value
        return status if what == "status" else output


def _walk(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else MISSING
        elif isinstance(value, dict):
            value = value.get(str(step), MISSING)
        else:
            return MISSING
    return value


def told(subject: str, found: Any, *, is_length: bool = False) -> str:
    """Return a value in a few words, for whoever reads why a condition failed."""
    if found is MISSING:
        return "there is no certificate" if subject == "certificate" else "it is not there"
    if is_length or not isinstance(found, int | float) or isinstance(found, bool):
        return f"it is {_shown(found)}"
    if subject == "latency":
        return f"it took {humanize(found)}"
    if subject == "certificate":
        return f"it ends in {humanize(found)}" if found > 0 else f"it ended {humanize(-found)} ago"
    return f"it is {_shown(found)}"


def _shown(found: Any) -> str:
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**18:
        return f"{found:,}" if abs(found) >= 10_000 else str(found)
    if isinstance(found, tuple):
        return clean(", ".join(found), SHOWN) or "nothing"
    if isinstance(found, str):
        return f'"{clean(" ".join(found[: 4 * SHOWN].split()), SHOWN)}"'
    return clean(as_text(found)[: 4 * SHOWN], SHOWN)


def as_text(found: Any) -> str:
    """Return a value as text: JSON, unless it is text already."""
    if isinstance(found, str):
        return found
    try:
        return json.dumps(found, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "nested too deep"
