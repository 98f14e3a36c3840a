"""On which line a key of a TOML document stands: `tomllib` does not tell.

The text is one that `tomllib` has accepted; on any other the answer may be incomplete, and nothing is raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

KeyPath = tuple[str | int, ...]
_PART = r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'"""
_KEY = re.compile(rf"\s*(?:{_PART})(?:[ \t]*\.[ \t]*(?:{_PART}))*[ \t]*")
_PARTS = re.compile(_PART)
_BLANK = re.compile(r"(?:\s+|#[^\n]*)+")
_HEADER = re.compile(rf"(\[\[?)({_KEY.pattern})\]\]?")
# What a value is made of: strings (whole), brackets, comments, the end of the line, anything else.
_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|[\[{]|[\]}]|#[^\n]*|\n|[^\"'\[\]{}#\n]+|.",
    re.DOTALL,
)


class Lines(Mapping[KeyPath, int]):
    """The line (from 1) of every table and key: `("endpoint", 0, "every")`."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._arrays: dict[KeyPath, int] = {}
        self._scan(text)

    def __getitem__(self, path: KeyPath) -> int:
        return self._lines[path]

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def nearest(self, path: KeyPath) -> int:
        """Return the line of a path, or of the nearest table around it; 1 when nothing is known."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _scan(self, text: str) -> None:
        position, counted, line = 0, 0, 1
        table: KeyPath = ()
        while position < len(text):
            if blank := _BLANK.match(text, position):
                position = blank.end()
                continue
            line, counted = line + text.count("\n", counted, position), position
            if header := _HEADER.match(text, position):
                table = self._table(_split(header[2]), array=header[1] == "[[")
                self._lines.setdefault(table, line)
                position = header.end()
            elif (key := _KEY.match(text, position)) and text[key.end() : key.end() + 1] == "=":
                self._note(table, _split(key[0]), line)
                position = _after_value(text, key.end() + 1)
            else:
                position += 1

    def _table(self, parts: list[str], *, array: bool) -> KeyPath:
        path: KeyPath = ()
        for index, part in enumerate(parts):
            path += (part,)
            if array and index == len(parts) - 1:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path += (self._arrays[path],)
        return path

    def _note(self, table: KeyPath, parts: list[str], line: int) -> None:
        for length in range(1, len(parts) + 1):
            self._lines.setdefault((*table, *parts[:length]), line)


def _split(key: str) -> list[str]:
    return [_unquoted(part) for part in _PARTS.findall(key)]


def _unquoted(part: str) -> str:
    if part.startswith("'"):
        return part[1:-1]
    if not part.startswith('"'):
        return part
    try:
        return str(json.loads(part))  # TOML's escapes of a basic string are those of JSON, but \U
    except ValueError:
        return part[1:-1]


def _after_value(text: str, position: int) -> int:
    """Return where the value that begins here has ended: at the end of a line outside all brackets."""
    depth = 0
    while position < len(text) and (token := _VALUE.match(text, position)):
        position = token.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth <= 0:
            break
    return position
