"""A configuration as text: blocks of keys to TOML, secrets to `${...}`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

WIDTH = 100  # characters of a list in one line
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(r"[^A-Z0-9]+")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is written as a variable; `name` is what that is called, unless the name is taken."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Block:
    """One table: its keys as the configuration has them, and what a reader should know of it."""

    table: str
    keys: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class Writer:
    """Writes blocks as TOML. `variables` gathers which ones have to be set, and to what.

    `known` are variables that the present configuration uses: where one's value is in a secret, that one is
    written. With `plain` every secret is written as it is.
    """

    def __init__(self, known: Mapping[str, str] | None = None, *, plain: bool = False) -> None:
        self.variables: dict[str, str] = {}
        self._known = {name: value for name, value in (known or {}).items() if len(value) >= 6}
        self._plain = plain

    def text(self, blocks: Iterable[Block]) -> str:
        """Return blocks as TOML, an empty line before each."""
        return "\n".join("\n".join(self.lines(each)) + "\n" for each in blocks)

    def lines(self, block: Block) -> Iterator[str]:
        """Return a block's lines: its notes, its header, its keys, and then the tables within it."""
        for note in block.notes:
            yield from comment(note)
        yield f"[{block.table}]" if block.table == "server" else f"[[{block.table}]]"
        tables = {key: value for key, value in block.keys.items() if _is_tables(value)}
        for key, value in block.keys.items():
            if key not in tables:
                yield f"{_key(key)} = {self._value(value)}"
        for key, value in tables.items():
            for name, inner in value.items():
                yield f"[{block.table}.{_key(key)}.{_key(name)}]"
                for each, given in inner.items():
                    yield f"{_key(each)} = {self._value(given)}"

    def _value(self, value: Any) -> str:
        if isinstance(value, Secret):
            return _quoted(self._secret(value))
        if isinstance(value, str):
            return _quoted(value.replace("$", "$$"))
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Mapping):
            inner = ", ".join(f"{_key(key)} = {self._value(each)}" for key, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        if isinstance(value, list | tuple | frozenset | set):
            return self._listed([self._value(each) for each in value])
        return repr(value)

    def _listed(self, parts: list[str]) -> str:
        line = f"[{', '.join(parts)}]"
        return line if len(line) <= WIDTH else "[\n" + "".join(f"    {each},\n" for each in parts) + "]"

    def _secret(self, secret: Secret) -> str:
        if self._plain or not secret.value:
            return secret.value.replace("$", "$$")
        found = secret.value.replace("$", "$$")
        for name, value in sorted(self._known.items(), key=lambda each: -len(each[1])):
            quoted = value.replace("$", "$$")
            if quoted in found and "${" not in found:
                found = found.replace(quoted, f"${{{name}}}")
                self.variables[name] = value
        if "${" in found:
            return found
        name = self._free(_OTHER.sub("_", secret.name.upper()).strip("_") or "SECRET", secret.value)
        self.variables[name] = secret.value
        return f"${{{name}}}"

    def _free(self, name: str, value: str) -> str:
        name = f"_{name}" if name[0].isdigit() else name
        taken = {**self._known, **self.variables}
        number, found = 1, name
        while taken.get(found, value) != value:
            number += 1
            found = f"{name}_{number}"
        return found


def comment(text: str) -> list[str]:
    """Return text as lines of comment: nothing in it can end one."""
    return [f"# {_visible(line)}".rstrip() for line in text.splitlines() or [""]]


def duration(seconds: float) -> str | float:
    """Return seconds as the configuration's readers write them, exactly: "1h30m", or a number."""
    left, parts = seconds, []
    if seconds != int(seconds) or seconds < 1:
        return seconds
    for size, unit in _UNITS:
        count, left = divmod(int(left), size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(each, Mapping) for each in value.values())
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _visible(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
