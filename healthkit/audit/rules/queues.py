"""Queues whose depth nobody looks at."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from healthkit.audit.commands import celery_queues, rq_queues
from healthkit.audit.model import Scene, Spot
from healthkit.audit.source import Source, argument, keyword

RQ_QUEUES = frozenset({"rq.Queue", "rq.queue.Queue", "django_rq.get_queue"})
RQ_WORKERS = re.compile(r"(rq|rq\.worker|healthkit\.workers\.rq)\.(\w*Worker)$")
CELERY = frozenset({"celery.Celery", "celery.app.Celery", "celery.app.base.Celery"})
CELERY_CHECKS = "healthkit.checks.celery"
_COUNTS = re.compile(r"\.count\b|llen|len\(|get_job_ids|message_count|queue_declare|\.reserved\(")
_CHECKS = re.compile(r"Queue|Depth|Canary|Celery|RedisList|RedisStream")


def without_depth(scene: Scene) -> Iterator[Spot]:
    """Find queues without a check on how many jobs wait, one finding a queue."""
    if _counts_itself(scene):
        return
    covered = depth_checked(scene)
    if covered is None:
        return
    for name, (path, line) in _rq(scene).items():
        if name not in covered:
            yield Spot(
                path, line, _why(name), f'health.add(QueueDepth("{name}", redis, fail=10_000, max_age="5m"))'
            )
    for name, (path, line, app) in _celery(scene).items():
        if name not in covered and CELERY_CHECKS not in covered:
            yield Spot(path, line, _why(name), _celery_fix(name, app))


def _counts_itself(scene: Scene) -> bool:
    """Whether a health function counts what waits in a way of its own."""
    queues = {"queue"}
    for source in scene.project.sources:
        queues |= {name.lower() for name, kind in source.made.items() if kind.removesuffix("()") in RQ_QUEUES}
    for handler in scene.handlers:
        text = handler.text.lower()
        if _COUNTS.search(text) and any(name in text for name in queues):
            return True
    return False


def _why(name: str) -> str:
    return (
        f'nobody looks at the queue "{name}": when its consumer stops, '
        "jobs pile up unseen while every page answers."
    )


def depth_checked(scene: Scene) -> set[str] | None:
    """Return the names of the queues that have a check; None: which they are cannot be told."""
    found = {check.queue for check in scene.facts.checks if _CHECKS.search(check.kind) and check.queue}
    if any(
        "celery" in f"{check.kind}{check.key}".lower() and not check.queue for check in scene.facts.checks
    ):
        found.add(CELERY_CHECKS)
    for source in scene.project.sources:
        for call in source.calls:
            dotted = source.dotted(call.func)
            kind = dotted.rpartition(".")[2]
            if dotted.startswith("healthkit.checks") and _CHECKS.search(kind):
                name = scene.project.text_of(source, argument(call, 0, "queue"))
                if name is None and not dotted.startswith(CELERY_CHECKS):
                    return None
                found.add(name or CELERY_CHECKS)
    return found


def _rq(scene: Scene) -> dict[str, tuple[Path, int]]:
    """Return the names of RQ queues, each with the first place where it is used."""
    found: dict[str, tuple[Path, int]] = {}
    for source in scene.project.sources:
        for call in source.calls:
            for name in _rq_names(scene, source, call):
                found.setdefault(name, (source.path, call.lineno))
    for queue in scene.facts.queues:
        home = scene.project.source_at(queue.file)
        if home is not None:
            found.setdefault(queue.name, (home.path, queue.line))
    for process in scene.processes:
        for name in rq_queues(process.command) or ():
            found.setdefault(name, (process.path, process.line))
    return found


def _rq_names(scene: Scene, source: Source, call: ast.Call) -> list[str]:
    dotted = source.dotted(call.func)
    if dotted in RQ_QUEUES:
        return _texts(scene, source, argument(call, 0, "name"), "default")
    if dotted == "rq.decorators.job":
        return _texts(scene, source, argument(call, 0, "queue"), "")
    if RQ_WORKERS.match(dotted):
        return worker_queues(scene, source, call)
    return []


def worker_queues(scene: Scene, source: Source, call: ast.Call) -> list[str]:
    """Return the names of the queues that a `Worker(...)` takes from, where they can be told."""
    given = argument(call, 0, "queues")
    parts = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
    return [name for part in parts if part is not None for name in _texts(scene, source, part, "")]


def _texts(scene: Scene, source: Source, node: ast.expr | None, default: str) -> list[str]:
    name = scene.project.text_of(source, node) if node is not None else default
    return [name] if name else []


def _celery(scene: Scene) -> dict[str, tuple[Path, int, str]]:
    """Return the names of Celery's queues, each with its place and the app's name."""
    found: dict[str, tuple[Path, int, str]] = {}
    apps = [
        (source, call)
        for source in scene.project.sources
        for call in source.calls
        if _is_celery(source, call)
    ]
    for source, call in apps:
        app = next((name for name, kind in source.made.items() if kind.removesuffix("()") in CELERY), "app")
        found.setdefault(_default_queue(scene, source), (source.path, call.lineno, app))
    for source in scene.project.sources if apps else ():
        for call in source.calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in ("apply_async", "send_task", "task"):
                queue = scene.project.text_of(source, keyword(call, "queue"))
                if queue:
                    found.setdefault(queue, (source.path, call.lineno, "app"))
    for process in scene.processes if apps else ():
        for queue in celery_queues(process.command) or ():
            if queue != "celery":
                found.setdefault(queue, (process.path, process.line, "app"))
    return found


def _is_celery(source: Source, call: ast.Call) -> bool:
    return source.dotted(call.func) in CELERY


def _default_queue(scene: Scene, source: Source) -> str:
    for node in source.nodes:
        if isinstance(node, ast.keyword) and node.arg == "task_default_queue":
            return scene.project.text_of(source, node.value) or "celery"
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".task_default_queue"):
            return scene.project.text_of(source, node.value) or "celery"
    return "celery"


def _celery_fix(name: str, app: str) -> str:
    line = f'health.add(QueueDepth("{name}", {app}, fail=10_000, max_age="5m"))'
    return f"{line}  # from {CELERY_CHECKS}"
