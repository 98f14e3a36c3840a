"""What the dialects share: components made of parts that may hold anything, within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from healthkit.bounds import MAX_KEY, UnfitError, bounded, clean
from healthkit.status import Status, worst
from healthkit.wire import MAX_COMPONENTS, Component, Document

Entry = tuple[str, dict[str, Any]]  # a component's name, and what its document tells of it
_LEAST_WORDS = 300  # characters of details that may stand for an output
_NO_DETAILS: Mapping[str, Any] = {}


def component(
    name: str,
    said: Any,
    words: Mapping[str, Status],
    *,
    output: Any = None,
    details: Any = None,
    value: Any = None,
) -> Component:
    """Return a component; a status that is none of `words` is a warning that says so."""
    status = status_of(said, words)
    why = text(output)
    if status is None:
        shown = f'"{clean(said, MAX_KEY)}"' if isinstance(said, str) else "none that can be read"
        status, why = Status.WARN, why or f"its status is {shown}"
    known = _bounded(details) if isinstance(details, dict) else _NO_DETAILS
    if not why and status in (Status.WARN, Status.FAIL):
        why = in_words(known) or f'it says "{clean(str(said), MAX_KEY)}"'
    return Component(clean(name, 2 * MAX_KEY) or "unnamed", None, status, why, value, None, None, known)


def document(
    dialect: str, status: Status | None, components: Iterable[Component], *, time: float | None = None
) -> Document:
    """Return the document; without a status of its own it has that of the worst component."""
    found = tuple(components)
    problems: tuple[str, ...] = ()
    if len(found) > MAX_COMPONENTS:
        problems = (f"{len(found):,} components; only the first {MAX_COMPONENTS:,} are read",)
        found = found[:MAX_COMPONENTS]
    if status is None:
        status = worst(each.status for each in found if each.status is not Status.UNKNOWN)
    return Document(status, found, time=time, problems=problems, dialect=dialect)


def entries(parts: Any) -> Iterator[Entry]:
    """Return the parts that are objects, by name: of an object of objects, or a list of named ones."""
    if isinstance(parts, dict):
        yield from ((str(name), part) for name, part in parts.items() if isinstance(part, dict))
    elif isinstance(parts, list):
        for place, part in enumerate(parts, 1):
            if isinstance(part, dict):
                yield text(part.get("name")) or f"check {place}", part


def status_of(said: Any, words: Mapping[str, Status]) -> Status | None:
    """Return what a status means, in any case."""
    return words.get(said.strip().lower()) if isinstance(said, str) else None


def text(value: Any) -> str:
    """Return text as it may be shown; "" for what is none."""
    return clean(value) if isinstance(value, str) else ""


def in_words(details: Mapping[str, Any]) -> str:
    """Return plain details as a line: `free: 12, threshold: 10`."""
    plain = [
        f"{name}: {value}"
        for name, value in details.items()
        if isinstance(value, str | int | float) and value != ""
    ]
    return clean(", ".join(plain[:8]), _LEAST_WORDS)


def _bounded(details: dict[str, Any]) -> Mapping[str, Any]:
    try:
        found = bounded(details)
    except UnfitError:
        return _NO_DETAILS
    return found if isinstance(found, dict) else _NO_DETAILS
