"""Loops that call their monitor in a way that can end or stop them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from healthkit.audit.model import Scene, Spot
from healthkit.audit.source import SCOPES, Source, argument, keyword

_CALL = re.compile(
    r"^(requests(\.api)?|httpx2?|requests\.[sS]ession\(\))\.(get|post|head)$|^urllib\.request\.urlopen$"
)
_PING = re.compile(
    r"(?<![a-z])ping(?![a-z])|heart_?beat|hc-ping|healthchecks\.io|cronitor|deadmanssnitch|nosnch|monitor(?!ed)|snitch|/api/push/",
    re.IGNORECASE,
)
_WIDE = frozenset(
    {"Exception", "BaseException", "requests.RequestException", "requests.exceptions.RequestException",
     "httpx.HTTPError", "httpx.RequestError", "OSError", "urllib.error.URLError"}
)  # fmt: skip


def unguarded(scene: Scene) -> Iterator[Spot]:
    """Find calls of a monitor, within a loop, without a `try` or a time limit."""
    for source in scene.project.sources:
        for call in source.calls:
            if is_ping(scene, source, call) and _loops(source, call):
                danger = _danger(source, call)
                if danger:
                    yield _spot(source, call, danger)


def _spot(source: Source, call: ast.Call, danger: str) -> Spot:
    address = argument(call, 0, "url")
    shown = ast.unparse(address) if address is not None else "PING_URL"
    return Spot(source.path, call.lineno, danger, f"Heartbeat({shown}).ping()".replace("'", '"'))


def is_ping(scene: Scene, source: Source, call: ast.Call) -> bool:
    """Whether a call asks a monitor's address: one that says so, or is named so."""
    if not _CALL.match(source.dotted(call.func)):
        return False
    address = argument(call, 0, "url")
    if address is None:
        return False
    text, _ = scene.project.prefix_of(source, address)
    return bool(_PING.search(f"{ast.unparse(address)} {text}"))


def _loops(source: Source, call: ast.Call) -> bool:
    """Whether it stands in an endless loop of its own function."""
    for around in source.enclosing(call):
        if isinstance(around, SCOPES):
            return False
        if isinstance(around, ast.While) and not isinstance(around.test, ast.Compare):
            return True
    return False


def _danger(source: Source, call: ast.Call) -> str:
    if not _is_caught(source, call):
        return "this loop calls its monitor without a try: when the monitor is down, the worker dies with it."
    if keyword(call, "timeout") is None and "httpx" not in source.dotted(call.func):
        return (
            "this loop calls its monitor without a timeout: when the monitor hangs, the worker hangs with it."
        )
    return ""


def _is_caught(source: Source, call: ast.Call) -> bool:
    below: ast.AST = call
    for around in source.enclosing(call):
        if isinstance(around, ast.While | ast.For):
            return False
        if isinstance(around, ast.Try) and below in around.body:
            return any(_catches(source, caught) for caught in around.handlers)
        if isinstance(around, ast.With):
            text = " ".join(ast.unparse(item.context_expr) for item in around.items)
            if "suppress" in text:
                return True
        below = around
    return False


def _catches(source: Source, caught: ast.ExceptHandler) -> bool:
    if caught.type is None:
        return True
    kinds = caught.type.elts if isinstance(caught.type, ast.Tuple) else [caught.type]
    return any(ast.unparse(kind) in _WIDE or source.dotted(kind) in _WIDE for kind in kinds)
