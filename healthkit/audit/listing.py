"""Lists the GET routes of a Flask, Starlette or FastAPI app. Runs inside the app's own process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from healthkit.audit.facts import Route
from healthkit.audit.places import is_healthkit

_DEPTH = 5  # of apps mounted in apps


def kind_of(app: Any) -> str:
    """Return "flask", "asgi" or "wsgi"; an app of another framework counts as what it speaks."""
    if hasattr(app, "url_map") and hasattr(app, "view_functions"):
        return "flask"
    if hasattr(app, "routes") and hasattr(app, "router"):
        return "starlette"
    call = app if inspect.isroutine(app) else type(app).__call__
    return "asgi" if inspect.iscoroutinefunction(inspect.unwrap(call)) else "wsgi"


def routes(app: Any, kind: str) -> tuple[Route, ...] | None:
    """Return the app's GET routes; None when it does not tell them."""
    if kind == "flask":
        return tuple(_flask(app))
    if kind == "starlette":
        return tuple(_starlette(app.routes, "", _DEPTH))
    return None


def in_front(app: Any) -> tuple[Route, ...]:
    """Return where healthkit answers in front of an app, without a route of the app's."""
    layers = [app, vars(app).get("wsgi_app") if hasattr(app, "__dict__") else None]
    found = [_mount(layer._path) for layer in layers if _is_ours(layer) and hasattr(layer, "_path")]
    found += [
        _mount(getattr(middleware, "kwargs", {}).get("path", "/health"))
        for middleware in getattr(app, "user_middleware", ())
        if getattr(middleware, "cls", type).__module__.startswith("healthkit")
    ]
    return tuple(found)


def _mount(path: str) -> Route:
    return Route(path, mounted=True)


def _is_ours(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] == "healthkit"


def _flask(app: Any) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint in app.view_functions:
            yield _route(str(rule.rule), app.view_functions[rule.endpoint])


def _starlette(found: Any, prefix: str, depth: int) -> Iterator[Route]:
    for route in _flat(found):
        endpoint, below = getattr(route, "endpoint", None), getattr(route, "routes", None)
        path = prefix + (getattr(route, "path", "") or "")
        if endpoint is not None and "GET" in (getattr(route, "methods", None) or {"GET"}):
            yield _route(path, endpoint)
        elif below and depth:
            yield from _starlette(below, path, depth - 1)
        elif _is_ours(getattr(route, "app", None)):
            yield _mount(path)


def _flat(found: Any) -> list[Any]:
    """Return routes with those of included routers; newer versions of FastAPI keep them apart."""
    try:
        from fastapi.routing import iter_route_contexts
    except ImportError:
        return list(found)
    return list(iter_route_contexts(found))


def _route(path: str, endpoint: Any) -> Route:
    function: Callable[..., Any] = inspect.unwrap(endpoint)
    while hasattr(function, "func"):
        function = function.func
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    if code is None:
        return Route(path, mounted=_is_ours(function))
    if is_healthkit(code.co_filename):
        return _mount(path)
    return Route(path, code.co_filename, code.co_firstlineno)
