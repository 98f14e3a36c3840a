"""The app's own health functions: handlers of health routes, and checks registered in a `Health`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from healthkit.audit.facts import Facts
from healthkit.audit.paths import is_health
from healthkit.audit.project import Project
from healthkit.audit.signs import function_behind
from healthkit.audit.source import Function, Source, argument

_ROUTES = frozenset({"route", "get", "api_route", "head"})
_NAMED = re.compile(
    r"_?(health|healthz|health_?check|readyz|readiness|ready_?check|livez|liveness)(_view|_handler)?"
)
_TO_PASS = {
    "add_url_rule": "view_func",
    "add_api_route": "endpoint",
    "add_route": "endpoint",
    "Route": "endpoint",
}


@dataclass(frozen=True)
class Handler:
    """A function that says how the app is. `path` is the route's; "" for a registered check."""

    source: Source
    function: Function
    path: str = ""

    @property
    def is_check(self) -> bool:
        """Whether a `Health` runs it; else it answers a request."""
        return not self.path

    @property
    def text(self) -> str:
        """Its source text, decorators included."""
        marks = [ast.unparse(mark) for mark in self.function.decorator_list]
        return "\n".join([*marks, ast.get_source_segment(self.source.text, self.function) or ""])


def find(project: Project, facts: Facts) -> tuple[Handler, ...]:
    """Return every health function of the project, each once."""
    found: dict[tuple[str, int], Handler] = {}
    for handler in [*_seen(project, facts), *_written(project), *_by_name(project, facts)]:
        found.setdefault((str(handler.source.path), handler.function.lineno), handler)
    return tuple(found.values())


def _seen(project: Project, facts: Facts) -> Iterator[Handler]:
    for route in facts.routes:
        source = project.source_at(route.file)
        function = source.function_at(route.line) if source and is_health(route.path) else None
        if source and function:
            yield Handler(source, function, route.path)


def _written(project: Project) -> Iterator[Handler]:
    for source in project.sources:
        for function in source.functions:
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute):
                    yield from _decorated(project, source, function, mark, mark.func)
        for call in source.calls:
            yield from _passed(project, source, call)


def _decorated(
    project: Project, source: Source, function: Function, mark: ast.Call, name: ast.Attribute
) -> Iterator[Handler]:
    text = project.text_of(source, argument(mark, 0, "path")) or ""
    if name.attr in _ROUTES and is_health(text):
        yield Handler(source, function, text)
    elif name.attr == "check" and _is_health_object(source, name.value):
        yield Handler(source, function)


def _passed(project: Project, source: Source, call: ast.Call) -> Iterator[Handler]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _TO_PASS:
        text = project.text_of(source, argument(call, 0, "path")) or ""
        position = 2 if name == "add_url_rule" else 1
        behind = function_behind(project, source, argument(call, position, _TO_PASS[name]))
        if behind and is_health(text):
            yield Handler(*behind, text)
    elif (
        name == "add" and isinstance(call.func, ast.Attribute) and _is_health_object(source, call.func.value)
    ):
        behind = function_behind(project, source, argument(call, 0, "probe"))
        if behind:
            yield Handler(*behind)


def _is_health_object(source: Source, node: ast.expr) -> bool:
    dotted = source.dotted(node)
    return dotted in ("healthkit.Health()", "healthkit.health.Health()") or (
        "health" in ast.unparse(node).lower()
        and any(n.startswith("healthkit") for n in source.imports.values())
    )


def _by_name(project: Project, facts: Facts) -> Iterator[Handler]:
    """Yield the health functions of an app that tells no routes: there only their names tell."""
    if facts.kind not in ("wsgi", "asgi"):
        return
    for file in facts.files:
        source = project.source_at(file)
        for function in source.functions if source else ():
            if source and _NAMED.fullmatch(function.name):
                yield Handler(source, function, _path_of(source, function))


def _path_of(source: Source, function: Function) -> str:
    """Return the health path that is compared with where the function is called; its name otherwise."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function.name:
            for around in source.enclosing(node):
                paths = [
                    part.value
                    for part in ast.walk(around.test if isinstance(around, ast.If) else ast.Pass())
                    if isinstance(part, ast.Constant)
                    and isinstance(part.value, str)
                    and is_health(part.value)
                ]
                if paths:
                    return paths[0]
    return "/" + function.name.strip("_")
