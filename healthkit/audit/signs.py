"""Signs that something is watched already: by healthkit, or by another service for heartbeats."""

from __future__ import annotations

import ast
import re

from healthkit.audit.project import Project
from healthkit.audit.source import Function, Source

_TEXT = re.compile(
    r"""healthkit\s+(exec|ping)\b | healthkit\.workers | HEALTHKIT_PING | \bhealthkit\.heartbeat\b |
    /ping/ | hc-ping\.com | healthchecks\.io | cronitor | cronhub | deadmanssnitch | nosnch\.in |
    uptime[\w./-]*/heartbeat | /api/push/ | sentry-cli\s+monitors | sentry_sdk\.crons |
    \b\w*(PING|HEARTBEAT|SNITCH)_?\w*URL\b | \$\{?\w*(PING|HEARTBEAT|SNITCH)""",
    re.VERBOSE,
)
_NAMES = re.compile(r"heartbeat|\bhb\b|ping_url|ping_monitor|healthcheck_ping", re.IGNORECASE)


def in_text(text: str) -> bool:
    """Whether a command, or the text around it, tells somebody how it goes."""
    return bool(_TEXT.search(text))


def in_source(source: Source) -> bool:
    """Whether a file's code tells somebody that it is alive."""
    return in_text(source.text) or any(
        name.startswith(("healthkit.Heartbeat", "healthkit.heartbeat")) for name in source.imports.values()
    )


def in_function(source: Source, function: Function) -> bool:
    """Whether a function, its decorators included, tells of its runs."""
    text = ast.get_source_segment(source.text, function) or ""
    marks = " ".join(ast.unparse(mark) for mark in function.decorator_list)
    heartbeats = [name for name, kind in source.made.items() if kind.endswith("Heartbeat()")]
    named = any(re.search(rf"\b{re.escape(name)}\b", f"{marks} {text}") for name in heartbeats)
    return named or in_text(f"{marks} {text}") or bool(_NAMES.search(f"{marks} {text}"))


def function_behind(project: Project, source: Source, node: ast.AST | None) -> tuple[Source, Function] | None:
    """Return the project's function that an expression names, here or in another file; text works as well."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _by_name(project, node.value.replace(":", "."))
    if isinstance(node, ast.Call) and source.dotted(node.func) in ("functools.partial",) and node.args:
        return function_behind(project, source, node.args[0])
    if isinstance(node, ast.Name) and node.id not in source.imports:
        function = source.function_named(node.id)
        return (source, function) if function else None
    return _by_name(project, source.dotted(node)) if node is not None else None


def _by_name(project: Project, dotted: str) -> tuple[Source, Function] | None:
    module, _, name = dotted.rpartition(".")
    home = project.by_module.get(module)
    function = home.function_named(name) if home else None
    return (home, function) if home and function else None
