"""The files of a configuration while they are read: where each key stands, and all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checker.toml_lines import KeyPath, Lines
from healthkit.errors import ConfigurationError

Place = tuple[int, int]  # the number of a file, and a line


class ConfigError(ConfigurationError):
    """A configuration that cannot be used; `problems` holds all that is wrong, in the files' order."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a configuration, read: its name for messages, where its keys stand, and its tables."""

    name: str
    lines: Lines
    tables: Mapping[str, Any]


@dataclass(slots=True)
class Source:
    """The files being read as one: where each key stands, what the environment holds, and what is wrong.

    The tables of an array are counted through all files: `("endpoint", 3)` may be the first of the second.
    """

    parts: list[Part]
    environ: Mapping[str, str]
    problems: list[tuple[Place, str]] = field(default_factory=list)
    warnings: list[tuple[Place, str]] = field(default_factory=list)

    def problem(self, path: KeyPath, text: str, part: int | None = None) -> None:
        """Write down what is wrong, and where; `part` is the file, where the path does not tell."""
        self._note(self.problems, path, text, part)

    def warn(self, path: KeyPath, text: str) -> None:
        """Write down what is doubtful, and where."""
        self._note(self.warnings, path, text, None)

    def where(self, path: KeyPath, near: KeyPath) -> str:
        """Return where a path stands, for one who reads at `near`: "line 3", or file and line elsewhere."""
        (number, line), (here, _) = self.place(path), self.place(near)
        return f"line {line}" if number == here else f"{self.parts[number].name}:{line}"

    def place(self, path: KeyPath) -> Place:
        """Return the number of the file and the line of a path, or of the nearest table around it."""
        table = path[0] if path else ""
        if len(path) < 2 or not isinstance(path[1], int):
            number = next((n for n, part in enumerate(self.parts) if table in part.tables), 0)
            return number, self.parts[number].lines.nearest(path)
        index = path[1]
        for number, part in enumerate(self.parts):
            found = part.tables.get(str(table), ())
            count = len(found) if isinstance(found, list) else 0
            if index < count:
                return number, part.lines.nearest((table, index, *path[2:]))
            index -= count
        return 0, 1

    def _note(self, into: list[tuple[Place, str]], path: KeyPath, text: str, part: int | None) -> None:
        place = self.place(path) if part is None else (part, self.parts[part].lines.nearest(path))
        into.append((place, f"{self.parts[place[0]].name}:{place[1]}: {text}"))
