"""Signs of life that are shown and never judged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from healthkit.audit.handlers import Handler
from healthkit.audit.model import Scene, Spot
from healthkit.audit.source import Source, inside

_SIGN = re.compile(
    r"(last[_ -]?(seen|heartbeat|beat|run|sync|success|poll|ping|alive|active)|heartbeat)"
    r"([_ -]?(at|time|ts|timestamp))?$|\bseen[_ -]?at$",
    re.IGNORECASE,
)
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def never_tested(scene: Scene) -> Iterator[Spot]:
    """Find health functions that tell when something was last seen and would tell it of a dead one, too."""
    for handler in scene.handlers:
        line = _shown_at(handler)
        if line and not _judges(scene, handler):
            yield Spot(
                handler.source.path,
                line,
                f"{handler.function.name} shows when something was last seen and never tests how long ago: "
                "three hours of silence still count as well.",
                'health.add(WorkerHeartbeat("default", redis, max_silence="90s"))',
            )


def _shown_at(handler: Handler) -> int:
    """Return the line where a sign of life is read and becomes part of what is returned; 0 when none is."""
    returned = {
        part.id
        for node in inside(handler.function)
        if isinstance(node, ast.Return)
        for part in ast.walk(node)
        if isinstance(part, ast.Name)
    }
    for node in inside(handler.function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in returned and _reads_sign(node.value):
                return node.lineno
        elif isinstance(node, ast.Return) and node.value is not None and _reads_sign(node.value):
            return node.lineno
    return 0


def _reads_sign(value: ast.expr) -> bool:
    """Whether an expression asks for something that is named as a sign of life."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if node.func.attr in ("get", "hget", "get_value", "getitem") and any(
                _named(text) for text in asked
            ):
                return True
        elif (
            isinstance(node, ast.Attribute) and node.attr in ("last_heartbeat", "last_seen", "last_seen_at")
        ) or (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and _named(node.slice.value)
        ):
            return True
    return False


def _named(text: object) -> bool:
    return isinstance(text, str) and bool(_SIGN.search(text))


def _judges(scene: Scene, handler: Handler) -> bool:
    """Whether the function, or one of the project's that it calls, compares anything or can fail."""
    functions = [handler.function]
    for node in inside(handler.function):
        if isinstance(node, ast.Call):
            found = _called(scene, handler.source, node)
            if found is None:
                return True
            functions += found
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Compare) and any(isinstance(op, _ORDER) for op in node.ops))
        for function in functions
        for node in ast.walk(function)
    )


def _called(
    scene: Scene, source: Source, call: ast.Call
) -> list[ast.FunctionDef | ast.AsyncFunctionDef] | None:
    """Return the project's function that a call runs, [] for another's; None when it cannot be told."""
    if not isinstance(call.func, ast.Name):
        module, _, name = source.dotted(call.func).rpartition(".")
    else:
        module, _, name = source.imports.get(call.func.id, f"{source.module}.{call.func.id}").rpartition(".")
    home = scene.project.by_module.get(module)
    if home is None or name not in {function.name for function in home.functions}:
        return []
    function = home.function_named(name)
    return [function] if function else None
