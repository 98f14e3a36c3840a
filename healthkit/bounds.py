"""What may enter a document: text and values, made harmless and cut to size."""

from __future__ import annotations

import math
from typing import Any

MAX_TEXT = 1_000
MAX_KEY = 100
MAX_DEPTH = 8
MAX_PARTS = 1_000

_CONTROL = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"
}


# Tuples: `int | float` would make a new union at each look, and a document holds many values.
_NUMBERS = (int, float)
_HOLDERS = (dict, list, tuple)
_LARGE = 2**63


class UnfitError(ValueError):
    """A value that a JSON document cannot hold; the message completes "the value ..."."""


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return text cut to `limit` characters, without control characters or lone surrogates."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii():
        return text if text.isprintable() else text.translate(_CONTROL)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if text.isprintable() else text.translate(_CONTROL)


def bounded(value: Any) -> Any:
    """Return a plain JSON copy of a value: long text cut, tuples as lists.

    Raises `UnfitError` for what JSON cannot hold (NaN, objects, integers over 64 bits), for more than 8
    levels (so for a value that contains itself), and for more than 1,000 parts.
    """
    return value if _is_fit(value) else _Copy().of(value, MAX_DEPTH)


def _is_fit(value: Any) -> bool:
    """Tell whether a value is a plain scalar that may stay as it is."""
    kind = type(value)
    if kind is str:
        return bool(len(value) <= MAX_TEXT and value.isascii() and value.isprintable())
    if kind is float or kind is int:
        return bool(-_LARGE < value < _LARGE)  # not so for NaN either
    return value is None or kind is bool


def _key(key: Any) -> str:
    if type(key) is str and len(key) <= MAX_KEY and key.isascii() and key.isprintable():
        return key
    if not isinstance(key, str):
        raise UnfitError(f"has a key that is a {type(key).__name__[:MAX_KEY]}; keys are text in JSON")
    return clean(str.__str__(key), MAX_KEY)


class _Copy:
    """One copy under way: counts the parts it has seen."""

    def __init__(self) -> None:
        self._parts = 1

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, _HOLDERS):
            return self._of_parts(value, depth)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return clean(str.__str__(value))
        if isinstance(value, _NUMBERS):
            return _number(value)
        raise UnfitError(f"holds a value of type {type(value).__name__[:MAX_KEY]}, which JSON cannot")

    def _of_parts(self, value: dict[Any, Any] | list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth == 0:
            raise UnfitError(f"is nested deeper than {MAX_DEPTH} levels, or contains itself")
        self._parts += len(value)
        if self._parts > MAX_PARTS:
            raise UnfitError(f"has more than {MAX_PARTS:,} parts")
        if isinstance(value, dict):
            return {
                _key(key): item if _is_fit(item) else self.of(item, depth - 1) for key, item in value.items()
            }
        return [item if _is_fit(item) else self.of(item, depth - 1) for item in value]


def _number(value: int | float) -> int | float:
    if isinstance(value, int):
        whole = int(value)
        if whole.bit_length() > 64:
            raise UnfitError("is an integer of more than 64 bits")
        return whole
    number = float(value)
    if not math.isfinite(number):
        raise UnfitError(f"is {number}, which JSON cannot hold")
    return number
