"""One table of the configuration, read key by key: a wrong value is a problem with file, line and key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from checker.config_source import Source
from checker.toml_lines import KeyPath
from healthkit.durations import seconds
from healthkit.errors import ConfigurationError

T = TypeVar("T")
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\{([^}]*)\}?)")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_FLAGS = {"true": True, "false": False}
WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class Section:
    """A table; it knows the keys that were asked for, so that `close` can name the ones nobody knows.

    Values stand in no message: any of them may be a secret, or hold one.
    """

    def __init__(self, source: Source, path: KeyPath, label: str, data: Mapping[str, Any]) -> None:
        self.source, self.path, self.label = source, path, label
        self._data = data
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def problem(self, key: str, text: str) -> None:
        """Write down what is wrong with a key of this table."""
        self.source.problem((*self.path, key), f"{self.label}: {text}")

    def warn(self, key: str, text: str) -> None:
        """Write down what is doubtful about a key of this table."""
        self.source.warn((*self.path, key), f"{self.label}: {text}")

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """Return a text with its variables expanded; an empty one counts as missing."""
        value = str(self._get(key, str, default))
        if required and not value.strip() and not self._is_wrong(key):
            self.problem(key, f'"{key}" is missing' if key not in self._data else f'"{key}" is empty')
        return value

    def written(self, key: str) -> str:
        """Return a text as it stands in the file: its variables are names, not values."""
        return str(self._data.get(key, ""))[:100]

    def number(self, key: str, default: int, *, least: int = 1, most: int = 1000) -> int:
        """Return a whole number within its bounds; a variable may hold it."""
        value = int(self._from_variable(key, int, _whole, default))
        if not least <= value <= most:
            self.problem(key, f'"{key}" must be from {least} to {most}')
            return default
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false; a variable may hold it."""
        return bool(self._from_variable(key, bool, _FLAGS.get, default))

    def duration(self, key: str, default: T, *, least: float = 0.0, most: float = 31_622_400.0) -> float | T:
        """Return seconds, from a number or text such as "90s"; `default` when it is not there, or wrong."""
        self._asked[key] = None
        if key not in self._data:
            return default
        raw = self._data[key]
        given = self._expanded(key, raw) if isinstance(raw, str) else raw
        if given is None:
            return default
        try:
            value = seconds(given, what=f'"{key}"')
        except ConfigurationError as error:
            self.problem(key, shown(str(error), given, raw))
            return default
        if not least <= value <= most:
            self.problem(key, f'"{key}" must be from {least:g} s to {most / 86_400:g} days')
            return default
        return value

    def names(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts; None when the key is not there."""
        values = self._get(key, list, None)
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            self.problem(key, f'"{key}" must be a list of texts')
            return None
        return tuple(each for value in values if (each := self._expanded(key, value)) is not None)

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of texts, expanded."""
        values: dict[str, Any] = self._get(key, dict, {})
        found = {}
        for name, value in values.items():
            if not isinstance(value, str):
                self.problem(key, f'"{key}": the value of "{name}" must be text')
            elif (expanded := self._expanded(key, value)) is not None:
                found[name] = expanded
        return found

    def sections(self, key: str) -> list[tuple[str, Section]]:
        """Return the tables in a table, by name."""
        found = []
        for name, data in self._get(key, dict, {}).items():
            if isinstance(data, dict):
                label = f'{self.label}: {key} "{name[:100]}"'
                found.append((name, Section(self.source, (*self.path, key, name), label, data)))
            else:
                self.problem(key, f'"{key}" must hold tables: write [{self.path[0]}.{key}."{name[:100]}"]')
        return found

    def anything(self, key: str) -> Any:
        """Return a value of any type, the texts in it expanded."""
        self._asked[key] = None
        return self._deep(key, self._data[key])

    def one_of(self, *keys: str) -> str | None:
        """Return which one of several keys is given; none or several are a problem."""
        given = [key for key in keys if key in self._data]
        self._asked.update(dict.fromkeys(keys))
        if len(given) == 1:
            return given[0]
        all_of = " or ".join(f'"{key}"' for key in keys)
        if given:
            both = " and ".join(f'"{key}"' for key in given)
            self.problem(given[-1], f"{both} exclude each other; keep one")
        else:
            self.problem("", f"when is it due? write {all_of}")
        return None

    def parsed(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return a text as `parse` reads it; what it raises becomes a problem."""
        raw, value = self._data.get(key), self.text(key)
        if self._is_wrong(key):
            return None
        try:
            return parse(value)
        except ConfigurationError as error:
            self.problem(key, shown(str(error), value, raw))
            return None

    def close(self, known: Iterable[str] = ()) -> None:
        """Write down every key that nobody asked for, with the nearest that exists."""
        self._asked.update(dict.fromkeys(known))
        for key in self._data:
            if key not in self._asked:
                self.problem(key, f'unknown key "{key}"{nearest(key, self._asked)}')

    def _get(self, key: str, kind: type, default: Any) -> Any:
        self._asked[key] = None
        value = self._data.get(key)
        if value is None:
            return default
        if self._is_wrong(key, kind):
            self.problem(key, f'"{key}" must be {WORDS[kind]}, not {_word(value)}')
            return default
        if isinstance(value, str):
            expanded = self._expanded(key, value)
            return default if expanded is None else expanded
        return value

    def _from_variable(self, key: str, kind: type, read: Callable[[str], Any], default: Any) -> Any:
        raw = self._data.get(key)
        if not isinstance(raw, str) or "${" not in raw:
            return self._get(key, kind, default)
        self._asked[key] = None
        text = self._expanded(key, raw)
        value = None if text is None else read(text.strip())
        if value is None and text is not None:
            self.problem(key, f'"{key}": what {raw[:100]} holds must be {WORDS[kind]}')
        return default if value is None else value

    def _is_wrong(self, key: str, kind: type = str) -> bool:
        value = self._data.get(key)
        return value is not None and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        )

    def _deep(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._expanded(key, value) or ""
        if isinstance(value, list):
            return [self._deep(key, each) for each in value]
        if isinstance(value, dict):
            return {name: self._deep(key, each) for name, each in value.items()}
        return value

    def _expanded(self, key: str, text: str) -> str | None:
        """Return the text with `${NAME}`, `${NAME:-default}` and `$$` replaced; None after a problem."""
        failed = False

        def value_of(match: re.Match[str]) -> str:
            nonlocal failed
            name, default, nonsense = match.groups()
            if match[0] == "$$":
                return "$"
            if nonsense is not None:
                self.problem(
                    key, f'"{key}": write a variable as ${{NAME}} or ${{NAME:-default}}, a dollar as $$'
                )
            elif default is not None:
                return self.source.environ.get(name) or default
            elif name in self.source.environ:
                return self.source.environ[name]
            else:
                self.problem(
                    key,
                    f'"{key}" wants the environment variable {name}, which is not set; '
                    f"set it, or write ${{{name}:-default}}",
                )
            failed = True
            return ""

        expanded = _VARIABLE.sub(value_of, text)
        return None if failed else expanded


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "every"?`, or what is known when nothing is near."""
    known = list(known)
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known are {', '.join(sorted(known))}" if known else ""


def shown(message: str, expanded: object, raw: object) -> str:
    """Return a message without what came from the environment: as it was written in the file instead."""
    if isinstance(expanded, str) and isinstance(raw, str) and expanded and expanded != raw:
        return message.replace(expanded, raw)
    return message


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _word(value: object) -> str:
    return WORDS.get(type(value), "a date or time")
