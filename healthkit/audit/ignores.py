"""Comments that silence a finding: `# healthkit: ignore[HK003] reason`, on its line or above it."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from healthkit.audit.model import Spot
from healthkit.audit.project import Project

_COMMENT = re.compile(r"#\s*healthkit:\s*ignore(?:\[([^\]]*)\])?(.*)$")


@dataclass(frozen=True, slots=True)
class Ignore:
    """One such comment. `target` is the line it speaks of."""

    path: Path
    line: int
    target: int
    codes: frozenset[str]
    reason: str


def find(project: Project) -> tuple[Ignore, ...]:
    """Return every such comment of a project."""
    found = []
    for source in project.sources:
        if "healthkit:" in source.text:
            found += _among(source.path, source.lines, _comments(source.text))
    for path, text in project.texts.items():
        if "healthkit:" in text:
            lines = text.splitlines()
            hashes = ((n, line[line.index("#") :]) for n, line in enumerate(lines, 1) if "#" in line)
            found += _among(path, lines, hashes)
    return tuple(found)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield comments with their lines; text in strings is none."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return


def _among(path: Path, lines: list[str], comments: Iterable[tuple[int, str]]) -> list[Ignore]:
    found = []
    for number, comment in comments:
        match = _COMMENT.search(comment)
        if match:
            alone = lines[number - 1].lstrip().startswith("#")
            target = _next_code(lines, number) if alone else number
            codes = frozenset(code.strip().upper() for code in (match[1] or "").split(",") if code.strip())
            found.append(Ignore(path, number, target, codes, match[2].strip(" \t-:—")))
    return found


def _next_code(lines: list[str], number: int) -> int:
    """Return the next line that is no comment."""
    for after in range(number + 1, len(lines) + 1):
        if lines[after - 1].strip() and not lines[after - 1].lstrip().startswith("#"):
            return after
    return number


def problems(ignores: tuple[Ignore, ...], codes: Collection[str]) -> Iterator[Spot]:
    """Yield what is wrong with the comments themselves."""
    for one in ignores:
        unknown = sorted(one.codes - set(codes))
        example = (
            "# healthkit: ignore[" + (", ".join(sorted(one.codes & set(codes))) or "HK003") + "] the reason"
        )
        if not one.codes:
            yield Spot(one.path, one.line, "this comment silences nothing: it names no code.", example)
        elif unknown:
            yield Spot(one.path, one.line, f"there is no rule {unknown[0]}.", example)
        elif not one.reason:
            yield Spot(
                one.path,
                one.line,
                "a finding is silenced without a reason: the next reader cannot tell whether it still holds.",
                example,
            )


def silences(ignores: tuple[Ignore, ...], path: Path, line: int, code: str) -> bool:
    """Whether a comment silences a code at a line."""
    return any(one.path == path and code in one.codes and line in (one.line, one.target) for one in ignores)
