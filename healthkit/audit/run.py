"""The audit itself: observe, read, apply the rules, leave out what is silenced."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from healthkit.audit import handlers, ignores, processes, project
from healthkit.audit.facts import Facts
from healthkit.audit.model import Finding, Scene, Spot
from healthkit.audit.observation import observe
from healthkit.audit.rules.table import CODES, IGNORES, RULES
from healthkit.errors import ConfigurationError

TIMEOUT = 60.0  # seconds for the app to be imported, built and asked


def audit(target: str, *, folder: Path | None = None, timeout: float = TIMEOUT) -> tuple[Finding, ...]:
    """Return all findings about the app `target` (`module:app`), sorted by file and line.

    `folder` bounds the files that are read. Raises `ConfigurationError` when the app cannot be had.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"--project: {folder} is not a folder")
    return findings(observe(target, timeout), folder)


def findings(facts: Facts, folder: Path | None = None) -> tuple[Finding, ...]:
    """Return all findings about an app of which these facts were seen."""
    return tuple(sorted(set(_findings(_scene(facts, folder)))))


def _scene(facts: Facts, folder: Path | None) -> Scene:
    found = project.collect(facts, folder)
    return Scene(found, facts, processes.read(found), handlers.find(found, facts))


def _findings(scene: Scene) -> Iterator[Finding]:
    comments = ignores.find(scene.project)
    for rule in RULES:
        for spot in rule.find(scene):
            if not ignores.silences(comments, spot.path, spot.line, rule.code):
                yield _finding(rule.code, spot)
    for spot in ignores.problems(comments, CODES):
        yield _finding(IGNORES, spot)


def _finding(code: str, spot: Spot) -> Finding:
    return Finding(shown(spot.path), spot.line, code, spot.why, spot.fix)


def shown(path: Path) -> str:
    """Return a path as it is shown: relative to where the audit was started when it lies below."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def chosen(
    found: tuple[Finding, ...], select: Collection[str], ignore: Collection[str]
) -> tuple[Finding, ...]:
    """Return the findings whose code is selected (all, where none is named) and not ignored.

    Raises `ConfigurationError` for a code that does not exist.
    """
    for code in [*select, *ignore]:
        if code not in CODES:
            raise ConfigurationError(f"there is no rule {code!r}; there are {', '.join(sorted(CODES))}")
    return tuple(one for one in found if (not select or one.code in select) and one.code not in ignore)
