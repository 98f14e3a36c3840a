"""Asks the health routes of an app while watching what they touch, and once more with the database broken."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable

from healthkit.audit.asking import Answer
from healthkit.audit.facts import Route, Trial
from healthkit.audit.paths import USUAL, is_health
from healthkit.audit.watching import Watch

FINE = frozenset({"pass", "passing", "ok", "okay", "up", "healthy", "alive", "ready", "green", "true"})


def candidates(routes: tuple[Route, ...] | None, mounts: Iterable[Route]) -> list[str]:
    """Return the paths to ask: health-like, the app's own; those that are usual where it tells no routes."""
    ours = [mount.path for mount in mounts]
    if routes is None:
        return [path for path in USUAL if not any(path == m or path.startswith(f"{m}/") for m in ours)]
    paths = dict.fromkeys(route.path for route in routes if not route.mounted and is_health(route.path))
    return [path for path in paths if path not in ours]


def answers_everything(ask: Callable[[str], Answer]) -> bool:
    """Whether the app has a page for any path at all, so that a 200 proves no route."""
    return ask(f"/{secrets.token_hex(8)}")[0] == 200


def run(ask: Callable[[str], Answer], paths: Iterable[str], watch: Watch) -> tuple[Trial, ...]:
    """Ask for each path."""
    return tuple(_try(ask, path, watch) for path in paths)


def _try(ask: Callable[[str], Answer], path: str, watch: Watch) -> Trial:
    watch.begin()
    status, _ = ask(path)
    databases, others = tuple(sorted(watch.databases)), tuple(sorted(watch.others))
    watch.end()
    if status != 200 or not databases:
        return Trial(path, status, databases, others)
    watch.begin(breaking=True)
    broken, body = ask(path)
    watch.end()
    return Trial(path, status, databases, others, broken, _says_broken(body))


def _says_broken(body: bytes) -> bool:
    """Whether a document's own status is other than fine: who reads it is told, whatever the code."""
    try:
        document = json.loads(body)
    except ValueError:
        return False
    status = document.get("status") if isinstance(document, dict) else None
    return isinstance(status, str) and status.lower() not in FINE
