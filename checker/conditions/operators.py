"""How a value that was seen is compared with one that was written. No pair of values is an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from checker.conditions.seen import MISSING, as_text

SEARCHED = 16_384  # characters in which a pattern is looked for: it takes their square at worst


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written; `number` where it is one (seconds, of a duration)."""

    text: str
    number: float | None = None
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """`200-299`, both ends included."""

    low: int
    high: int


def _equal(seen: Any, wanted: Literal) -> bool:
    if isinstance(seen, tuple):  # the answers of a name server, in any order
        return sorted(seen) == sorted(each.strip() for each in wanted.text.split(","))
    if seen is None or isinstance(seen, bool):
        return not wanted.is_quoted and wanted.text == json.dumps(seen)
    if isinstance(seen, int | float):
        return wanted.number is not None and seen == wanted.number
    if isinstance(seen, str):
        return seen == wanted.text
    return False


def _one_of(seen: Any, wanted: tuple[Literal | Range, ...]) -> bool:
    return any(_within(seen, each) if isinstance(each, Range) else _equal(seen, each) for each in wanted)


def _within(seen: Any, span: Range) -> bool:
    number = number_of(seen)
    return number is not None and span.low <= number <= span.high


def _contains(seen: Any, wanted: Literal) -> bool:
    if isinstance(seen, str):
        return wanted.text in seen
    if isinstance(seen, list | tuple):
        return any(_equal(each, wanted) for each in seen)
    return isinstance(seen, dict) and wanted.text in seen


def _matches(seen: Any, pattern: Any) -> bool:
    texts = seen if isinstance(seen, tuple) else (seen,)
    return any(pattern.search(as_text(each)[:SEARCHED]) for each in texts if each is not MISSING)


def _ordered(holds: Callable[[float, float], bool]) -> Callable[[Any, Literal], bool]:
    def compare(seen: Any, wanted: Literal) -> bool:
        number = number_of(seen)
        return number is not None and wanted.number is not None and holds(number, wanted.number)

    return compare


def number_of(seen: Any) -> float | None:
    """Return a value as a number, text that is one included; None where it is none."""
    if isinstance(seen, bool) or not isinstance(seen, int | float | str):
        return None
    try:
        return float(seen)
    except (ValueError, OverflowError):
        return None


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda seen, wanted: not _equal(seen, wanted),
    "<": _ordered(lambda seen, wanted: seen < wanted),
    "<=": _ordered(lambda seen, wanted: seen <= wanted),
    ">": _ordered(lambda seen, wanted: seen > wanted),
    ">=": _ordered(lambda seen, wanted: seen >= wanted),
    "in": _one_of,
    "contains": _contains,
    "lacks": lambda seen, wanted: not _contains(seen, wanted),
    "matches": _matches,
    "exists": lambda seen, _: seen is not MISSING,
    "missing": lambda seen, _: seen is MISSING,
}
