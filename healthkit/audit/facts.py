"""What was seen inside the app's own process, as plain data: it leaves that process as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Engine:
    """One SQLAlchemy engine of the app. `database` tells two engines on one database from two databases."""

    file: str
    line: int
    database: str
    label: str
    read_only: bool = False


@dataclass(frozen=True)
class Registered:
    """One check registered in a `Health`, at a place in the app's code. `timeout` in seconds."""

    key: str
    kind: str
    module: str
    file: str
    line: int
    timeout: float
    tags: tuple[str, ...] = ()
    component_type: str = ""
    queue: str = ""
    database: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """One GET route; `mounted` says that healthkit itself serves it."""

    path: str
    file: str = ""
    line: int = 0
    mounted: bool = False


@dataclass(frozen=True)
class Trial:
    """What one GET of a health route did; status 0: it raised, or did not answer in time.

    `broken_status` is what the same route answers while every database statement fails (0: not tried).
    """

    path: str
    status: int
    databases: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    broken_status: int = 0
    says_broken: bool = False


@dataclass(frozen=True)
class QueueMade:
    """One `rq.Queue` made while the app was built."""

    name: str
    file: str
    line: int


@dataclass(frozen=True)
class Facts:
    """All that was seen. `background`: a thread of the app's own used a database while no route was asked."""

    kind: str = ""
    module_file: str = ""
    import_root: str = ""
    files: tuple[str, ...] = ()
    engines: tuple[Engine, ...] = ()
    written: tuple[str, ...] = ()
    checks: tuple[Registered, ...] = ()
    routes: tuple[Route, ...] = ()
    trials: tuple[Trial, ...] = ()
    queues: tuple[QueueMade, ...] = ()
    background: bool = False


_ROWS: dict[str, Any] = {
    "engines": Engine,
    "checks": Registered,
    "routes": Route,
    "trials": Trial,
    "queues": QueueMade,
}


def dump(facts: Facts) -> dict[str, Any]:
    """Return facts as what JSON can carry."""
    return dataclasses.asdict(facts)


def load(data: Mapping[str, Any]) -> Facts:
    """Return facts from what `dump` made, after JSON turned its tuples into lists."""
    known: dict[str, Any] = {name: _tuples(value) for name, value in data.items() if name not in _ROWS}
    rows: dict[str, Any] = {
        name: tuple(kind(**_fields(row)) for row in data[name]) for name, kind in _ROWS.items()
    }
    return Facts(**known, **rows)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _tuples(value) for name, value in row.items()}


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
