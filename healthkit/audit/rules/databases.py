"""Databases that nothing writes to as a proof."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from healthkit.audit.model import Scene, Spot
from healthkit.audit.source import Source

MAKERS = frozenset({"create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config"})
WHY = (
    "nothing proves that {label} takes writes: a read-only, full or promoted database answers every read, "
    "and no one is told."
)
_TO_READ = re.compile(r"replica|read_?only|reader|standby", re.IGNORECASE)
_WRITES = re.compile(r"\.commit\(|\.begin\(|insert\(|INSERT |UPDATE ", re.IGNORECASE)


def without_write(scene: Scene) -> Iterator[Spot]:
    """Find SQLAlchemy engines without a `DatabaseWrite`, one finding a database."""
    if _own_proof(scene):
        return
    proved = {check.database for check in scene.facts.checks if check.kind == "DatabaseWrite"}
    if "" in proved:
        return
    proved |= set(scene.facts.written)
    for engine in scene.facts.engines:
        source = scene.project.source_at(engine.file)
        if source is None or engine.database in proved or engine.read_only:
            continue
        if not _TO_READ.search(_statement(source, engine.line)):
            proved.add(engine.database)
            yield _spot(source, engine.line, f"this database ({engine.label})")
    if not scene.facts.engines and not any("DatabaseWrite(" in s.text for s in scene.project.sources):
        yield from _later(scene)


def _own_proof(scene: Scene) -> bool:
    """Whether the project writes for proof in a way of its own, or registers the check when it starts."""
    if any(handler.is_check and _WRITES.search(handler.text) for handler in scene.handlers):
        return True
    return not scene.facts.checks and any("DatabaseWrite(" in source.text for source in scene.project.sources)


def _later(scene: Scene) -> Iterator[Spot]:
    """Yield the first engine that the app's own modules make only once it has started."""
    for file in scene.facts.files:
        source = scene.project.source_at(file)
        for call in source.calls if source else ():
            if source and _is_maker(source, call) and not _TO_READ.search(_statement(source, call.lineno)):
                yield _spot(source, call.lineno, "this database")
                return


def _is_maker(source: Source, call: ast.Call) -> bool:
    module, _, name = source.dotted(call.func).rpartition(".")
    return name in MAKERS and module.split(".")[0] in ("sqlalchemy", "sqlmodel")


def _spot(source: Source, line: int, label: str) -> Spot:
    return Spot(
        Path(source.path),
        line,
        WHY.format(label=label),
        f'health.add(DatabaseWrite({_name(source, line)}), tags={{"ready"}}, timeout=2)',
    )


def _statement(source: Source, line: int) -> str:
    """Return the text of the statement at a line, and of the function it stands in."""
    found = [
        node
        for node in source.nodes
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    simple = [node for node in found if not hasattr(node, "body")]
    function = next((node.name for node in found if isinstance(node, ast.FunctionDef)), "")
    return f"{function} {ast.unparse(simple[-1]) if simple else ''}"


def _name(source: Source, line: int) -> str:
    """Return what to call the engine made at a line."""
    for node in source.nodes:
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (node.end_lineno or 0):
            continue
        if isinstance(node, ast.Assign) and any(_is_maker(source, call) for call in _calls(node)):
            return ast.unparse(node.targets[0])
        if isinstance(node, ast.Return):
            function = source.function_of(node)
            return f"{function.name}()" if function and not function.args.args else "engine"
    flask = any(name.startswith("flask_sqlalchemy") for name in source.imports.values())
    return "db.engine" if flask else "engine"


def _calls(node: ast.AST) -> list[ast.Call]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Call)]
