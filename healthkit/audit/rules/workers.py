"""Workers that could die or hang without a word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from healthkit.audit import signs
from healthkit.audit.commands import celery_app, celery_queues, other_worker, python_module, rq_queues
from healthkit.audit.model import Scene, Spot
from healthkit.audit.processes import Process
from healthkit.audit.project import Project
from healthkit.audit.rules.fixes import URL, of_rq_worker, of_worker
from healthkit.audit.rules.loops import is_ping
from healthkit.audit.rules.queues import CELERY_CHECKS, RQ_WORKERS, worker_queues
from healthkit.audit.source import Source, argument, inside, keyword

_NAMES = {"celery": "Celery", "dramatiq": "Dramatiq", "huey": "Huey"}
_TAKES = re.compile(
    r"\.(blpop|brpop|brpoplpush|blmove|xreadgroup|xread|basic_consume|start_consuming|receive_message|get_message)\("
)
_SERVES = re.compile(r"\.run\(.*(host|port)|uvicorn\.run|serve_forever|app\.run\(|web\.run_app")


def without_heartbeat(scene: Scene) -> Iterator[Spot]:
    """Find workers that tell nobody that they live: those of a library, and loops of one's own."""
    watched = _watched_queues(scene)
    ours = {
        source.path: spot for source in scene.project.sources for spot in _in_python(scene, source, watched)
    }
    yield from ours.values()
    seen: set[str] = set()
    for process in scene.processes:
        if process.scheduled or signs.in_text(f"{process.command}\n{process.around}"):
            continue
        spot = _of(scene, process, watched, set(ours))
        if spot is not None and spot.why not in seen:
            seen.add(spot.why)
            yield spot


def _watched_queues(scene: Scene) -> set[str]:
    """Return the queues whose workers are looked at from inside the app; "*" when that cannot be told."""
    found = {check.queue for check in scene.facts.checks if "Heartbeat" in check.kind and check.queue}
    if any(check.module == CELERY_CHECKS and "Worker" in check.kind for check in scene.facts.checks):
        found.add(CELERY_CHECKS)
    for source in scene.project.sources:
        for call in source.calls:
            dotted = source.dotted(call.func)
            if dotted == f"{CELERY_CHECKS}.WorkerHeartbeat":
                found.add(CELERY_CHECKS)
            elif dotted.startswith("healthkit.checks") and "Worker" in dotted:
                found.add(scene.project.text_of(source, argument(call, 0, "queue")) or "*")
    return found


def _is_watched(queues: Iterable[str], watched: set[str]) -> bool:
    return "*" in watched or set(queues) <= watched


def _of(scene: Scene, process: Process, watched: set[str], told: set[object]) -> Spot | None:
    queues = rq_queues(process.command)
    if queues is not None:
        if not queues or _is_watched(queues, watched) or "healthkit.workers" in process.command:
            return None
        return _rq_spot(process, queues)
    if celery_queues(process.command) is not None:
        looked_after = _beats(scene, "celery") or watched & {CELERY_CHECKS, "*"}
        return None if looked_after else _library_spot(process, "celery", celery_app(process.command))
    if other := other_worker(process.command):
        library, app = other
        is_told = _beats(scene, library) or _is_looked_at(scene, library)
        return None if is_told else _library_spot(process, library, app)
    source = _script(scene.project, process)
    if source is None or source.path in told or _tells(scene, source) or not _is_loop(source):
        return None
    return Spot(
        process.path,
        process.line,
        f"the worker {source.path.name} gives no sign of life: it can die or hang, and nobody is told.",
        f'Heartbeat("{URL}{source.path.stem}").ping()  # at the end of each turn of its loop',
    )


def _rq_spot(process: Process, queues: list[str]) -> Spot:
    shown = ", ".join(queues)
    return Spot(
        process.path,
        process.line,
        f"the RQ worker of {shown} gives no sign of life: it can die, freeze or hang, and nobody is told.",
        of_rq_worker(process.form, f"worker-{queues[0]}", process.command),
    )


def _library_spot(process: Process, library: str, app: str) -> Spot:
    return Spot(
        process.path,
        process.line,
        f"the {_NAMES.get(library, library)} worker gives no sign of life: "
        "it can die, freeze or hang, and nobody is told.",
        of_worker(library, app),
    )


def _beats(scene: Scene, library: str) -> bool:
    """Whether a file of the project tells somebody that a library's workers live."""
    told = re.compile(
        rf"healthkit\.workers(\.| import ){library}|heartbeat_sent|worker_heartbeat|celery_?beat_?ping",
        re.IGNORECASE,
    )
    return any(told.search(source.text) for source in scene.project.sources)


def _is_looked_at(scene: Scene, library: str) -> bool:
    """Whether a check of the app tells of a library's workers: of Huey's by what stands still."""
    checks = {f"healthkit.checks.{library}.WorkerHeartbeat", f"healthkit.checks.{library}.QueueDepth"}
    return any(
        source.dotted(call.func) in checks
        and (library != "huey" or keyword(call, "stalled_after") is not None)
        and (library == "huey" or source.dotted(call.func).endswith("WorkerHeartbeat"))
        for source in scene.project.sources
        for call in source.calls
    )


def _script(project: Project, process: Process) -> Source | None:
    module = python_module(process.command)
    if module is None:
        return None
    for name in (module, f"{module}.__main__"):
        found = [s for s in project.sources if s.module == name or s.module.endswith(f".{name}")]
        if len(found) == 1:
            return found[0]
    return None


def _tells(scene: Scene, source: Source) -> bool:
    return signs.in_source(source) or any(is_ping(scene, source, call) for call in source.calls)


def _is_loop(source: Source) -> bool:
    """Whether a program works in a loop without end and takes its work from a queue, or sleeps in between."""
    if _SERVES.search(source.text):
        return False
    endless = [
        node
        for node in source.nodes
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value
    ]
    texts = [ast.unparse(node) for node in endless]
    return any(_TAKES.search(text) or "sleep(" in text for text in texts) or "start_consuming(" in source.text


def _in_python(scene: Scene, source: Source, watched: set[str]) -> Iterator[Spot]:
    """Yield the first RQ worker that a file starts by itself without heartbeats."""
    if _tells(scene, source):
        return
    for call in source.calls:
        found = RQ_WORKERS.match(source.dotted(call.func))
        if found is None or "healthkit" in found[1] or not _works(source, call):
            continue
        queues = worker_queues(scene, source, call)
        if not _is_watched(queues, watched) or not (queues or watched):
            shown = ", ".join(queues) or "these queues"
            yield Spot(
                source.path,
                call.lineno,
                f"the RQ worker of {shown} gives no sign of life: "
                "it can die, freeze or hang, and nobody is told.",
                f"{_heartbeat_class(found[2])}({', '.join(map(ast.unparse, [*call.args, *call.keywords]))})"
                "  # from healthkit.workers.rq, and HEALTHKIT_PING_URL in its environment",
            )
            return


def _works(source: Source, call: ast.Call) -> bool:
    """Whether the worker made here is set to work in the same file."""
    around = source.function_of(call) or source.tree
    return any(isinstance(node, ast.Attribute) and node.attr == "work" for node in inside(around))


def _heartbeat_class(name: str) -> str:
    return {"SimpleWorker": "HeartbeatSimpleWorker", "SpawnWorker": "HeartbeatSpawnWorker"}.get(
        name, "HeartbeatWorker"
    )
