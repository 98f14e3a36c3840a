"""Liveness that depends on something outside the process: its outage restarts healthy processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from healthkit.audit.model import Scene, Spot
from healthkit.audit.paths import is_live

WHY = "liveness depends on {what}: while it is down, the platform restarts healthy processes again and again."
_PROBE = re.compile(r"^(\s*)livenessProbe:")
_OUTSIDE = frozenset({"datastore"})


def depends(scene: Scene) -> Iterator[Spot]:
    """Find checks tagged `live`, live routes, and livenessProbes that touch a dependency."""
    yield from _tagged(scene)
    touching = _touching(scene)
    for handler in scene.handlers:
        if is_live(handler.path) and handler.path in touching:
            yield Spot(
                handler.source.path,
                handler.function.lineno,
                WHY.format(what=touching[handler.path]),
                "HealthKit(app, health)  # /health/live touches no dependency, /health/ready does"
                if scene.facts.kind == "flask"
                else "mount_health(app, health)  # /health/live touches no dependency, /health/ready does",
            )
    for path, text in scene.project.texts.items():
        if path.suffix in (".yml", ".yaml"):
            yield from _probes(scene, path, text, touching)


def _tagged(scene: Scene) -> Iterator[Spot]:
    for check in scene.facts.checks:
        source = scene.project.source_at(check.file)
        outside = check.component_type in _OUTSIDE or check.queue or check.hosts
        if source is not None and "live" in check.tags and outside:
            yield Spot(
                source.path, check.line, WHY.format(what=check.key), 'tags={"ready"}  # in place of "live"'
            )


def _touching(scene: Scene) -> dict[str, str]:
    """Return the app's own routes that touch a dependency, with what it is."""
    found = {}
    for trial in scene.facts.trials:
        if trial.databases:
            found[trial.path] = "the database"
        elif "redis" in trial.others:
            found[trial.path] = "Redis"
        elif trial.others:
            found[trial.path] = "another service"
    return found


def _probes(scene: Scene, path: Path, text: str, touching: dict[str, str]) -> Iterator[Spot]:
    lines = text.splitlines()
    for index, line in enumerate(lines):
        found = _PROBE.match(line)
        if found is None:
            continue
        asked, at = _asked(lines, index, len(found[1]))
        what = touching.get(asked) or _mounted(scene, asked)
        if what:
            live = "/health/live" if _mounted(scene, asked) else "/livez"
            yield Spot(path, at, WHY.format(what=what), f"path: {live}")


def _asked(lines: list[str], index: int, indent: int) -> tuple[str, int]:
    for number, line in enumerate(lines[index + 1 :], index + 2):
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        found = re.search(r"\bpath:\s*[\"']?(/[^\s\"',}]*)", line)
        if found:
            return found[1].rstrip("/"), number
    return "", index + 1


def _mounted(scene: Scene, path: str) -> str:
    """Return a dependency that healthkit's whole or ready report asks at this path; "" when there is none."""
    mounts = {
        route.path.rstrip("/") for route in scene.facts.routes if route.mounted and "{" not in route.path
    }
    if not any(path in (mount, f"{mount}/ready") for mount in mounts):
        return ""
    outside = [check.key for check in scene.facts.checks if check.component_type in _OUTSIDE or check.queue]
    return outside[0] if outside else ""
