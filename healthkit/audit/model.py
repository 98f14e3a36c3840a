"""The frozen nouns of the audit: a spot in a file, a finding, a rule, and the scene that rules look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from healthkit.audit.facts import Facts
from healthkit.audit.handlers import Handler
from healthkit.audit.processes import Process
from healthkit.audit.project import Project


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is wrong, why it matters, and the line that puts it right."""

    path: Path
    line: int
    why: str
    fix: str


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One spot under its rule's code; `path` as it is shown: relative to where the audit was started."""

    path: str
    line: int
    code: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known of an app: its files, its processes, and what was seen when it was built."""

    project: Project
    facts: Facts
    processes: tuple[Process, ...] = ()
    handlers: tuple[Handler, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for."""

    code: str
    summary: str
    find: Callable[[Scene], Iterable[Spot]]
