"""Health routes that prove nothing, and apps without one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from healthkit.audit.handlers import Handler
from healthkit.audit.model import Scene, Spot
from healthkit.audit.paths import is_deep, is_health, last
from healthkit.audit.source import Source, inside

MOUNT = {
    "flask": "HealthKit(app, health)  # from healthkit_flask; in place of this route",
    "starlette": "mount_health(app, health)  # from healthkit_fastapi; in place of this route",
    "asgi": "app = healthkit.asgi.HealthMiddleware(app, health)  # in place of this route",
    "wsgi": "app = healthkit.wsgi.HealthMiddleware(app, health)  # in place of this route",
}
FRAMEWORKS = ("flask.Flask", "fastapi.FastAPI", "starlette.applications.Starlette")
# What a function may call and still always answer the same.
_IDLE_NAMES = """
    jsonify make_response Response JSONResponse PlainTextResponse HTMLResponse ORJSONResponse
    UJSONResponse dict str int start_response dumps encode now utcnow time isoformat
    getpid gethostname HTTPStatus timestamp strftime
"""
IDLE = frozenset(_IDLE_NAMES.split())
# What makes an answer depend on something.
_DECIDING = (
    ast.Raise,
    ast.With,
    ast.AsyncWith,
    ast.Await,
    ast.Yield,
    ast.If,
    ast.IfExp,
    ast.Compare,
    ast.BoolOp,
)
_MUTATORS = frozenset({"update", "append", "pop", "clear", "setdefault", "add", "set"})


def without_database(scene: Scene) -> Iterator[Spot]:
    """Find health routes that answer 200 while no database was touched, in an app that has one."""
    for handler in _hollow(scene):
        yield Spot(
            handler.source.path,
            handler.function.lineno,
            f"{handler.path} answers 200 and never touches the database: "
            "it says that all is well while nothing can be read or written.",
            MOUNT[scene.facts.kind],
        )


def _hollow(scene: Scene) -> list[Handler]:
    facts = scene.facts
    if not facts.engines or facts.background:
        return []
    answered = {trial.path for trial in facts.trials if trial.status == 200 and not trial.databases}
    return [
        handler
        for handler in scene.handlers
        if handler.path in answered
        and is_deep(handler.path)
        and not _is_shallow(scene, handler)
        and not _reads_state(scene, handler)
    ]


def _is_shallow(scene: Scene, handler: Handler) -> bool:
    """Whether a `/healthz` is the liveness beside a route that really asks."""
    deep = any(trial.databases for trial in scene.facts.trials)
    return last(handler.path) == "healthz" and (deep or any(route.mounted for route in scene.facts.routes))


def always_the_same(scene: Scene) -> Iterator[Spot]:
    """Find health functions that can only say that all is well."""
    known = {(handler.source.path, handler.function.lineno) for handler in _hollow(scene)}
    for handler in scene.handlers:
        place = (handler.source.path, handler.function.lineno)
        if place in known or not (handler.is_check or is_deep(handler.path)) or _is_shallow(scene, handler):
            continue
        if _is_constant(scene, handler):
            what = f"the check {handler.function.name}" if handler.is_check else handler.path
            yield Spot(
                *place,
                f"{what} is hard-coded: it looks at nothing, so it says that all is well whatever breaks.",
                'raise Fail("what is wrong")  # where what the check is named for does not hold'
                if handler.is_check
                else MOUNT[scene.facts.kind],
            )


def _is_constant(scene: Scene, handler: Handler) -> bool:
    function = handler.function
    if (
        any(isinstance(node, ast.Call) for node in ast.walk(function.args))
        or len(function.decorator_list) > 1
    ):
        return False  # dependencies, or a wrapper that may do the work
    nodes = list(inside(function))
    if any(isinstance(node, _DECIDING) for node in nodes):
        return False
    body = [node for statement in function.body for node in [statement, *inside(statement)]]
    calls = [node for node in body if isinstance(node, ast.Call)]
    if not all(_is_idle(call) for call in calls):
        return False
    return not _reads_state(scene, handler) and any(isinstance(node, ast.Return) for node in body)


def _is_idle(call: ast.Call) -> bool:
    if ast.unparse(call.func).startswith(("log.", "logger.", "logging.", "app.logger.")):
        return True
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in IDLE


def _reads_state(scene: Scene, handler: Handler) -> bool:
    """Whether a handler reads what some other code of the project keeps up to date."""
    source = handler.source
    for node in ast.walk(handler.function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            module, _, name = source.imports.get(node.id, f"{source.module}.{node.id}").rpartition(".")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, name = source.imports.get(node.value.id, ""), node.attr
        else:
            continue
        home = scene.project.by_module.get(module)
        if home is not None and _is_kept_up(home, name, handler.function):
            return True
    return False


def _is_kept_up(home: Source, name: str, reader: ast.AST) -> bool:
    own = set(ast.walk(reader))
    for node in home.nodes:
        if node in own:
            continue
        if isinstance(node, ast.Global) and name in node.names:
            return True
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if isinstance(node.value, ast.Name) and node.value.id == name:
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changed = node.func.attr in _MUTATORS and isinstance(node.func.value, ast.Name)
            if changed and ast.unparse(node.func.value) == name:
                return not _is_health_add(node)
    return False


def _is_health_add(call: ast.Call) -> bool:
    return "health" in ast.unparse(call.func).lower()


def no_route(scene: Scene) -> Iterator[Spot]:
    """Find an app that tells its routes and has none for its health."""
    facts = scene.facts
    if facts.kind not in ("flask", "starlette") or any(route.mounted for route in facts.routes):
        return
    if any(is_health(route.path) or "health" in route.path.lower() for route in facts.routes):
        return
    place = _made_at(scene)
    if place is not None:
        yield Spot(
            *place,
            "this app has no health route: nothing outside of it can ask whether it works.",
            MOUNT[facts.kind].partition(";")[0],
        )


def _made_at(scene: Scene) -> tuple[Path, int] | None:
    home = scene.project.source_at(scene.facts.module_file)
    for source in [*([home] if home else []), *scene.project.sources]:
        for call in source.calls:
            if source.dotted(call.func) in FRAMEWORKS:
                return source.path, call.lineno
    return (home.path, 1) if home else None
