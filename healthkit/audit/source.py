"""One of the project's Python files: its tree, and what the names in it stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True)
class Source:
    """A parsed file. `module` is its dotted name as the project's other files import it."""

    path: Path
    module: str
    text: str
    tree: ast.Module = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines."""
        return self.text.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call, in the order of the lines."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return sorted(found, key=lambda call: (call.lineno, call.col_offset))

    @cached_property
    def functions(self) -> list[Function]:
        """Every function."""
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """Imported names, with what they stand for in full."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    found[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def imported(self) -> dict[str, int]:
        """Modules imported when the file runs (not for type checkers alone), with the first line of each."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if self._is_for_types(node):
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found.setdefault(alias.name, node.lineno)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.setdefault(node.module, node.lineno)
        return found

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What module-level names are set to, where it is done once."""
        found: dict[str, ast.expr] = {}
        twice: set[str] = set()
        for target, value in _assignments(self.tree.body):
            if isinstance(target, ast.Name):
                twice |= {target.id} & found.keys()
                found[target.id] = value
        return {name: value for name, value in found.items() if name not in twice}

    @cached_property
    def made(self) -> dict[str, str]:
        """Names and `self.` attributes that hold an object of one known class: `rq.Queue()`."""
        found: dict[str, set[str]] = {}
        for target, value in _assignments(self.nodes):
            key = _key(target)
            if key is not None:
                kind = self._class_of(value)
                found.setdefault(key, set()).add(kind or "?")
        for node in self.nodes:
            if isinstance(node, ast.arg) and node.annotation is not None:
                kind = self._resolve(node.annotation, made={})
                found.setdefault(node.arg, set()).add(f"{kind}()" if kind else "?")
        return {
            name: next(iter(kinds)) for name, kinds in found.items() if len(kinds) == 1 and "?" not in kinds
        }

    def dotted(self, node: ast.AST) -> str:
        """Return what an expression names, in full: `requests.get`, `rq.Queue().enqueue`; "" if unknown."""
        return self._resolve(node, self.made) or ""

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around a node, the nearest first."""
        around = self.parents.get(node)
        while around is not None:
            yield around
            around = self.parents.get(around)

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the function a node stands in."""
        return next(
            (up for up in self.enclosing(node) if isinstance(up, ast.FunctionDef | ast.AsyncFunctionDef)),
            None,
        )

    def function_at(self, line: int) -> Function | None:
        """Return the function whose definition, decorators included, begins at a line."""
        for function in self.functions:
            first = min([function.lineno, *(mark.lineno for mark in function.decorator_list)])
            if first <= line <= function.lineno:
                return function
        return None

    def function_named(self, name: str) -> Function | None:
        """Return the only function of this name, None where there is none or more than one."""
        found = [function for function in self.functions if function.name == name]
        return found[0] if len(found) == 1 else None

    def _class_of(self, value: ast.expr) -> str | None:
        if isinstance(value, ast.Await):
            value = value.value
        return self._resolve(value, made={}) if isinstance(value, ast.Call) else None

    def _resolve(self, node: ast.AST, made: dict[str, str]) -> str | None:
        if isinstance(node, ast.Name):
            return self.imports.get(node.id) or made.get(node.id)
        if isinstance(node, ast.Attribute):
            if _key(node) in made:
                return made[_key(node) or ""]
            base = self._resolve(node.value, made)
            return f"{base}.{node.attr}" if base else None
        if isinstance(node, ast.Call):
            base = self._resolve(node.func, made)
            return f"{base}()" if base else None
        return None

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.module.split(".")
        if self.path.name != "__init__.py":
            package = package[:-1]
        kept = package[: len(package) - (node.level - 1)]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def _is_for_types(self, node: ast.AST) -> bool:
        return any(
            isinstance(up, ast.If) and ast.unparse(up.test).endswith("TYPE_CHECKING")
            for up in self.enclosing(node)
        )


def _assignments(nodes: list[ast.stmt] | list[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield what is set to what, by `=`, by an annotated `=`, by `:=`, and by `with ... as`."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)
        elif isinstance(node, ast.NamedExpr):
            yield node.target, node.value
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                yield node.target, node.value
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.optional_vars, node.context_expr


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield `a = 1` and `b = 2` for `a, b = 1, 2`."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _key(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return a call's keyword argument."""
    return next((given.value for given in call.keywords if given.arg == name), None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return an argument given by position or by name."""
    if position < len(call.args) and not any(
        isinstance(arg, ast.Starred) for arg in call.args[: position + 1]
    ):
        return call.args[position]
    return keyword(call, name)


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs as part of a node: nested functions and classes left out."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, SCOPES):
            yield child
            yield from inside(child)
