"""A condition's text to what it means: `subject operator value`. Errors point at the word.

status in 200-299, 404          header.content-type contains json
latency < 300ms                 certificate > 14d
body contains "Welcome"         body.queue.depth < 1000
len(body.items) > 0             components."queue:depth".value < 1000
body.error missing              answers contains 192.0.2.1
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from checker.conditions import seen as values
from checker.conditions.operators import OPERATORS, Literal, Range
from checker.conditions.seen import MISSING, Seen
from checker.config_section import nearest
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

MAX_CHARACTERS = 500
_WORD = re.compile(r"[A-Za-z_]+")
_LENGTH = re.compile(r"len\(([^()]*)\)")
_STEP = re.compile(
    r"""\.(?P<word>[\w:@/-]+) | \.(?P<q>["'])(?P<quoted>(?:(?!(?P=q)).)*)(?P=q) | \[(?P<index>\d{1,6})\]""",
    re.VERBOSE,
)
_SIGN = re.compile(r"==|!=|<=|>=|<|>|=+|[A-Za-z]+")
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")
# `(a+)+`, `(a|b)*` and their like may take longer than the sun will shine, and nothing can interrupt them.
_ENDLESS = re.compile(r"(?:[+*|]|,\d*\})[^()]*\)[+*{]")
# Two of these, and a long body that nearly matches takes minutes, in which nothing else is looked at.
_WIDE = re.compile(r"(?:(?<!\\)\.|\[\^[^\]]*\]|\\[SDW])(?:[*+]|\{\d*,\})")
_DURATIONS = frozenset({"latency", "certificate"})
_NUMERIC = frozenset({"<", "<=", ">", ">="})
_BARE = frozenset({"status", "latency", "certificate", "rcode", "answers"})  # subjects without parts
_OF_COMPONENTS = ("value", "status", "output")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, ready to be asked. `text` is how it was written."""

    text: str
    subject: str
    path: tuple[str | int, ...]
    is_length: bool
    operator: str
    value: Any

    def failure(self, seen: Seen) -> str:
        """Return "" where it holds of what was seen, else the condition with the value that was seen."""
        found = seen.value(self.subject, self.path)
        if self.is_length and found is not MISSING:
            found = len(found) if isinstance(found, str | list | dict | tuple) else MISSING
        if OPERATORS[self.operator](found, self.value):
            return ""
        return f"{self.text}: {values.told(self.subject, found, is_length=self.is_length)}"


@lru_cache(maxsize=20_000)
def parse(text: str, subjects: tuple[str, ...] = values.SUBJECTS) -> Condition:
    """Return what a condition means; raises `ConfigurationError` that names the word it does not know.

    `subjects` are those that this kind of endpoint has.
    """
    if not text.strip() or len(text) > MAX_CHARACTERS:
        raise ConfigurationError(f"a condition has 1 to {MAX_CHARACTERS} characters")
    rest, is_length = text.strip(), False
    if length := _LENGTH.match(rest):
        rest, is_length = length[1].strip() + " " + rest[length.end() :], True
    subject, path, rest = _subject(rest, subjects)
    operator, rest = _operator(rest, text)
    known = "number" if is_length else "duration" if subject in _DURATIONS else "text"
    return Condition(text.strip(), subject, path, is_length, operator, _value(operator, rest.strip(), known))


def _subject(text: str, subjects: Iterable[str]) -> tuple[str, tuple[str | int, ...], str]:
    word = _WORD.match(text)
    if word is None:
        raise ConfigurationError(f"it begins with {_first(text)}, not with one of {', '.join(subjects)}")
    name, rest = word[0], text[word.end() :]
    if name not in subjects:
        known = "an endpoint of this kind has no" if name in values.SUBJECTS else "unknown word"
        raise ConfigurationError(f'{known} "{name}"{nearest(name, subjects)}')
    path: list[str | int] = []
    while step := _STEP.match(rest):
        found = step["word"] if step["word"] is not None else step["quoted"]
        path.append(found if step["index"] is None else int(step["index"]))
        rest = rest[step.end() :]
    if rest[:1] not in ("", " ", "=", "!", "<", ">"):
        raise ConfigurationError(f'after "{name}" it cannot be read from {_first(rest)} on; quote the name')
    _check_path(name, path)
    return name, tuple(path), rest.strip()


def _check_path(name: str, path: list[str | int]) -> None:
    if name in _BARE and path:
        raise ConfigurationError(f'"{name}" has no parts: write it alone, without ".{path[0]}"')
    if name == "header" and (len(path) != 1 or isinstance(path[0], int)):
        raise ConfigurationError('write a header as header.content-type, or header."X-Name"')
    if name != "components":
        return
    if len(path) != 2 or path[1] not in _OF_COMPONENTS:
        part = str(path[1]) if len(path) == 2 else ""
        said = nearest(part, _OF_COMPONENTS) if part else ""
        raise ConfigurationError(
            f'write a component as components."name:measurement".value, .status or .output{said}'
        )


def _operator(text: str, whole: str) -> tuple[str, str]:
    sign = _SIGN.match(text)
    if sign is None:
        raise ConfigurationError(
            f'"{whole.strip()[:60]}" has no comparison; write == 200, < 300ms, exists ...'
        )
    if sign[0] not in OPERATORS:
        said = '; did you mean "=="?' if sign[0] == "=" else nearest(sign[0], OPERATORS)
        raise ConfigurationError(f'unknown comparison "{sign[0]}"{said}')
    return sign[0], text[sign.end() :]


def _value(operator: str, text: str, known: str) -> Any:
    if operator in ("exists", "missing"):
        if text:
            raise ConfigurationError(f'after "{operator}" nothing follows, not {_first(text)}')
        return None
    if not text:
        raise ConfigurationError(f'after "{operator}" a value is missing')
    if operator == "matches":
        return _pattern(_unquoted(text))
    if operator == "in":
        return tuple(_one(each.strip(), known) for each in text.split(","))
    value = _one(text, known)
    if isinstance(value, Range):
        return Literal(text)
    if operator in _NUMERIC and value.number is None:
        raise ConfigurationError(f'after "{operator}" a number must follow, not {_first(text)}')
    return value


def _one(text: str, known: str) -> Literal | Range:
    if known == "duration":
        return Literal(text, number=_duration(text))
    if found := _RANGE.fullmatch(text):
        return Range(int(found[1]), int(found[2]))
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return Literal(quoted[2], is_quoted=True)
    if known == "number" and not text.isdigit():
        raise ConfigurationError(f"a length is a whole number, not {_first(text)}")
    return Literal(text, number=_number(text))


def _duration(text: str) -> float:
    if text.replace(".", "", 1).isdigit():
        raise ConfigurationError(f'"{text}" lacks a unit; write 300ms, 2s, 14d')
    return seconds(text, what="the value")


def _number(text: str) -> float | None:
    try:
        found = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _pattern(text: str) -> re.Pattern[str]:
    if _ENDLESS.search(text):
        raise ConfigurationError(
            "the pattern repeats what is repeated or has a choice in it, such as (a+)+, and may never end"
        )
    if len(_WIDE.findall(text)) > 1:
        raise ConfigurationError(
            "the pattern has several .* or their like, and may take very long; write one condition for each"
        )
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"the pattern cannot be read: {error}") from None


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else text


def _first(text: str) -> str:
    words = text.split()
    return f'"{words[0][:40]}"' if words else "nothing"
