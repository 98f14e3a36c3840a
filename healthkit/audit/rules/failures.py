"""Health functions that turn a failure into "all is well"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from healthkit.audit.handlers import Handler
from healthkit.audit.model import Scene, Spot
from healthkit.audit.paths import SHALLOW, last
from healthkit.audit.source import inside

_BLANKET = frozenset({"", "Exception", "BaseException"})
_ASKS_NAMES = """
    execute scalar scalars scalar_one connect begin ping query first one get get_one post head request
    urlopen count llen info enqueue fetchone fetchall fetchval fetch commit cursor inspect control
    send_task exec_driver_sql hget keys lrange publish set
"""
_ASKS = frozenset(_ASKS_NAMES.split())
_SAYS_SO = re.compile(
    r"\b[45]\d\d\b|\bFail\b|\bWarn\b|\babort\(|HTTPException|HTTPStatus|\bFAIL\b|\bWARN\b|SERVICE_UNAVAILABLE"
)


def swallowed(scene: Scene) -> Iterator[Spot]:
    """Find blanket `except`s in health functions after which they still say that all is well."""
    for handler in scene.handlers:
        if not handler.is_check and last(handler.path) in SHALLOW:
            continue
        verdict = _tried(scene, handler)
        for caught in _blankets(handler):
            if verdict if verdict is not None else _certainly_fine(handler, caught):
                yield _spot(handler, caught)


def _spot(handler: Handler, caught: ast.ExceptHandler) -> Spot:
    end, name = "says pass" if handler.is_check else "answers 200", handler.function.name
    fix = 'raise Fail("...") from None  # or leave the exception alone: the check then fails by itself'
    return Spot(
        handler.source.path,
        caught.lineno,
        f"whatever breaks here is caught, and {name} still {end}: the failure is never seen.",
        fix if handler.is_check else _route_fix(handler),
    )


def _route_fix(handler: Handler) -> str:
    if any(isinstance(part, ast.Name) and part.id == "start_response" for part in ast.walk(handler.function)):
        return 'start_response("503 Service Unavailable", [("Content-Type", "text/plain")])'
    if any(name.split(".")[0] in ("fastapi", "starlette") for name in handler.source.imports.values()):
        return 'return JSONResponse({"status": "fail"}, status_code=503)'
    return 'return {"status": "fail"}, 503'


def _tried(scene: Scene, handler: Handler) -> bool | None:
    """Return whether the route answered 200 while its database was made to fail; None: it was not tried."""
    for trial in scene.facts.trials:
        if trial.path == handler.path and trial.broken_status:
            return trial.broken_status == 200 and not trial.says_broken
    return None


def _blankets(handler: Handler) -> Iterator[ast.ExceptHandler]:
    """Yield the blanket handlers of tries in which something is asked that can be down."""
    for node in inside(handler.function):
        if isinstance(node, ast.Try) and _asks(node):
            for caught in node.handlers:
                if (ast.unparse(caught.type) if caught.type else "") in _BLANKET and not _speaks(caught):
                    yield caught


def _asks(node: ast.Try) -> bool:
    calls = [part for statement in node.body for part in ast.walk(statement) if isinstance(part, ast.Call)]
    names = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    return bool(names & _ASKS)


def _speaks(caught: ast.ExceptHandler) -> bool:
    text = "\n".join(map(ast.unparse, caught.body))
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(caught))
    return raises or bool(_SAYS_SO.search(text)) or any(_is_false(node) for node in ast.walk(caught))


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value is False


def _certainly_fine(handler: Handler, caught: ast.ExceptHandler) -> bool:
    """Whether the function, having caught it, certainly goes on to say that all is well."""
    ends = [node for node in ast.walk(caught) if isinstance(node, ast.Return)]
    if ends:
        return all(_plain(node) for node in ends)
    rest = [
        node for node in inside(handler.function) if getattr(node, "lineno", 0) > (caught.end_lineno or 0)
    ]
    sets = {
        part.id
        for node in ast.walk(caught)
        if isinstance(node, ast.Assign | ast.AugAssign)
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
    if any(isinstance(node, ast.Raise | ast.If | ast.IfExp) for node in rest) or _keeps_elsewhere(caught):
        return False
    returned = [node for node in rest if isinstance(node, ast.Return)]
    return all(_plain(node) and not sets & _loaded_as_status(node) for node in returned) and not (
        handler.is_check and sets
    )


def _keeps_elsewhere(caught: ast.ExceptHandler) -> bool:
    """Whether it keeps what went wrong in something that may be judged later."""
    return any(
        (isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("append", "add", "update"))
        for node in ast.walk(caught)
    )


def _plain(node: ast.Return) -> bool:
    return not _SAYS_SO.search(ast.unparse(node)) and "status" not in {
        word.arg for word in ast.walk(node) if isinstance(word, ast.keyword)
    }


def _loaded_as_status(node: ast.Return) -> set[str]:
    """Return the names that may be the answer's status: the last of a tuple, and `status...=` arguments."""
    found = {
        word.value
        for word in ast.walk(node)
        if isinstance(word, ast.keyword) and "status" in (word.arg or "")
    }
    if isinstance(node.value, ast.Tuple):
        found |= {*node.value.elts[1:]}
    return {part.id for value in found for part in ast.walk(value) if isinstance(part, ast.Name)}
