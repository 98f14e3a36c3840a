"""What all readers of other products' configurations share: nothing is dropped in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from checker.config import ConfigError, parse
from checker.config_text import Block, Writer, comment
from checker.slugs import slug
from healthkit.errors import HealthkitError

_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f/]")
_NOTHING: tuple[Any, ...] = (None, "", "[]", "{}", 0, False, [], {}, ())


class ImportProblem(HealthkitError):
    """What was given cannot be read; says why and what next."""


@dataclass
class Found:
    """Blocks of ours, and what is said of the whole."""

    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Fields:
    """A mapping that is read key by key and knows what nobody asked for."""

    def __init__(self, data: object) -> None:
        self._data: dict[str, Any] = (
            {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}
        )
        self._asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value; `default` also where it is null."""
        self._asked.add(key)
        value = self._data.get(key)
        return default if value is None else value

    def peek(self, key: str) -> Any:
        """Return a value without taking it as read."""
        return self._data.get(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a value as text."""
        value = self.get(key, default)
        return value if isinstance(value, str) else str(value)

    def number(self, key: str, default: float = 0) -> float:
        """Return a number, also one that is written as text."""
        value = self.get(key, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            return default

    def listed(self, key: str) -> list[Any]:
        """Return a list; an empty one where it is none."""
        value = self.get(key)
        return value if isinstance(value, list) else []

    def table(self, key: str) -> dict[Any, Any]:
        """Return a mapping; an empty one where it is none."""
        value = self.get(key)
        return value if isinstance(value, dict) else {}

    def ignore(self, *keys: str) -> None:
        """Take keys as read: they say nothing of how it is watched."""
        self._asked.update(keys)

    def left(self, *usual: tuple[str, Any]) -> list[str]:
        """Return the keys that nobody asked for and that say something, but for those with a usual value."""
        defaults = dict(usual)
        return [
            key
            for key, value in self._data.items()
            if key not in self._asked and value not in _NOTHING and value != defaults.get(key, ())
        ]


def no_equivalent(keys: Iterable[str]) -> list[str]:
    """Return the note that names what has no equivalent; none where there is nothing to name."""
    found = ", ".join(keys)
    return [f"no equivalent here: {found}"] if found else []


def rendered(found: Found, origin: str) -> tuple[str, dict[str, str]]:
    """Return the file, and the variables that it wants with what they must hold.

    A block that the configuration would refuse is written as a comment, with the reason.
    """
    writer = Writer()
    lines = [
        *comment(f"Imported from {origin} by `healthkit-checker import`. Histories stay where they are.")
    ]
    blocks = list(named_apart(found.blocks))
    channels = [each for each in blocks if each.table == "channel" and not _problems(each, [])]
    names = {str(each.keys["name"]) for each in channels}
    body = [line for each in blocks for line in ("", *_lines(writer, _told(each, names), channels))]
    for note in found.notes:
        lines += comment(note)
    if writer.variables:
        lines += ["# To fill in, as variables of the environment:"]
        lines += [f"#   {name}" for name in writer.variables]
    return "\n".join([*lines, *body]) + "\n", writer.variables


def _told(block: Block, names: set[str]) -> Block:
    """Return a block that is told by no channel which the configuration refuses."""
    told = block.keys.get("channels") or ()
    lost = [each for each in told if each not in names]
    if not lost:
        return block
    keys = {**block.keys, "channels": [each for each in told if each in names]}
    return replace(
        block, keys=keys, notes=(*block.notes, f"told there by {', '.join(lost)}, which is left out here")
    )


def named_apart(blocks: Iterable[Block]) -> Iterator[Block]:
    """Return blocks with names that the configuration takes, each once."""
    taken: set[tuple[str, str]] = set()
    for block in blocks:
        if "name" not in block.keys:
            yield block
            continue
        kind = block.table if block.table in ("channel", "maintenance") else "monitor"
        given = str(block.keys["name"])
        base = _UNNAMEABLE.sub("-", given).strip()[:90] or block.table
        name, number = base, 1
        while (kind, slug(name)) in taken:
            number += 1
            name = f"{base} ({number})"
        taken.add((kind, slug(name)))
        note = () if name == given else (f'it was called "{given}" there',)
        yield replace(block, keys={**block.keys, "name": name}, notes=(*block.notes, *note))


def _lines(writer: Writer, block: Block, channels: list[Block]) -> list[str]:
    problems = _problems(block, channels)
    written = list(writer.lines(block))
    if not problems:
        return written
    return [
        *[line for each in problems for line in comment(f"left out: {each}")],
        *[line if line.startswith("#") else f"# {part}" for line in written for part in line.splitlines()],
    ]


def _problems(block: Block, channels: list[Block]) -> list[str]:
    """Return why the configuration refuses a block, if it does."""
    trial = Writer(plain=True)
    try:
        parse(trial.text([*(channels if "channels" in block.keys else ()), block]), Path("import.toml"), {})
    except ConfigError as error:
        return [each.partition(": ")[2] for each in error.problems]
    return []


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys without those that say nothing."""
    return {key: value for part in parts for key, value in part.items() if value not in (None, "", ())}
