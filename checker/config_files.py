"""The files of a configuration: the one that is named, `conf.d/*.toml` beside it, and what it includes."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from checker.config_section import Section
from checker.config_source import ConfigError, Part, Source
from checker.toml_lines import Lines

FOLDER = "conf.d"
LARGEST = 10_000_000  # bytes
MOST = 10_000  # files
_AT = re.compile(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)")


def gather(path: Path, environ: Mapping[str, str]) -> tuple[Source, tuple[str, ...]]:
    """Read all files of a configuration; return them, and the patterns that more would match.

    Raises `ConfigError`, with what is wrong in every file, where one cannot be read at all.
    """
    source = Source([part(_read(path), path)], environ)
    patterns = (str(path.absolute().parent / FOLDER / "*.toml"), *_included(source, path))
    wrong: list[str] = []
    for each in matching(patterns, path):
        try:
            source.parts.append(part(_read(each), _shown(each, path)))
        except ConfigError as error:
            wrong += error.problems
    if wrong:
        raise ConfigError((*(text for _, text in source.problems), *wrong))
    return source, patterns


def part(text: str, path: Path) -> Part:
    """Return a file's text as tables; raises `ConfigError` for what is no TOML."""
    return Part(str(path), Lines(text), _document(text, path))


def matching(patterns: tuple[str, ...], path: Path) -> list[Path]:
    """Return the files that patterns match, sorted, each once, and without the one that is named."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        for name in sorted(glob.glob(pattern, recursive=True))[:MOST]:  # noqa: PTH207 - takes whole paths
            each = Path(name)
            if each.is_file() and each.absolute() != path.absolute():
                found[each] = None
    return list(found)


def _included(source: Source, path: Path) -> Iterator[str]:
    """Return the patterns of `include`, relative to the file; a plain name must exist."""
    section = Section(source, (), "include", source.parts[0].tables)
    for name in section.names("include") or ():
        pattern = str(path.absolute().parent / name)
        if not glob.has_magic(pattern) and not Path(pattern).is_file():
            section.problem(
                "include", '"include" names a file that is not there; give its path, or a pattern'
            )
        yield pattern


def _shown(each: Path, path: Path) -> Path:
    """Return a file's path as messages name it: beside the one that is named, as that one was given."""
    try:
        return path.parent / each.relative_to(path.absolute().parent)
    except ValueError:
        return each


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        hint = (
            "give the path of an existing file" if isinstance(error, FileNotFoundError) else "check the path"
        )
        raise ConfigError((f"{path}: cannot be read: {error.strerror}; {hint}",)) from None
    if len(raw) > LARGEST:
        raise ConfigError((f"{path}: is larger than {LARGEST // 1_000_000} MB, so it is no configuration",))
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path}:{line}: is not UTF-8; save the file in that encoding",)) from None


def _document(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = _AT.search(message)
        line = int(at[1]) if at and at[1] else text.rstrip("\n").count("\n") + 1
        column = f", column {at[2]}" if at and at[2] else ""
        said = _AT.sub("", message) if at else message
        raise ConfigError((f"{path}:{line}: not valid TOML: {said}{column}",)) from None
    except RecursionError:
        raise ConfigError((f"{path}: is nested too deeply",)) from None
