"""The project's own files: which they are, and constants that one takes from another."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from healthkit.audit.facts import Facts
from healthkit.audit.source import Source, argument

SKIPPED = frozenset(
    {"node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist", "migrations", "alembic",
     "tests", "test", "testing", "docs", "examples", "notebooks", "benchmarks", "vendor"}
)  # fmt: skip
MAX_FILES = 5_000
MAX_SIZE = 1_000_000  # bytes of one file
_DEPLOYMENT = re.compile(
    r"""(Procfile|Makefile|GNUmakefile|Dockerfile|Containerfile)([._-].*)?$ |
    .*\.(dockerfile|ya?ml|service|timer|conf|ini|cron|crontab|sh|env)$ |
    (.*[._-])?crontab(\.txt)?$ | \.env(\..*)?$""",
    re.VERBOSE | re.IGNORECASE,
)
_ENVIRON = ("os.environ.get", "os.getenv", "environ.get", "getenv")


@dataclass(frozen=True)
class Project:
    """Parsed Python files, and the text of the files that say how the app is run."""

    sources: tuple[Source, ...]
    texts: dict[Path, str]

    @cached_property
    def by_path(self) -> dict[str, Source]:
        """The Python files by their real path."""
        return {os.path.realpath(source.path): source for source in self.sources}

    @cached_property
    def by_module(self) -> dict[str, Source]:
        """The Python files by module."""
        return {source.module: source for source in self.sources}

    def source_at(self, file: str) -> Source | None:
        """Return the source of a file, None where it is not the project's."""
        return self.by_path.get(os.path.realpath(file)) if file else None

    def text_of(self, source: Source, node: ast.AST | None) -> str | None:
        """Return the text that an expression certainly is."""
        text, whole = self.prefix_of(source, node)
        return text if whole else None

    def prefix_of(self, source: Source, node: ast.AST | None, depth: int = 8) -> tuple[str, bool]:
        """Return the text that an expression certainly begins with, and whether that is all of it."""
        if node is None or depth == 0:
            return "", False
        if isinstance(node, ast.Constant):
            return (node.value, True) if isinstance(node.value, str) else ("", False)
        if isinstance(node, ast.JoinedStr):
            return self._joined(source, [*node.values], depth)
        if isinstance(node, ast.FormattedValue):
            plain = node.conversion == -1 and node.format_spec is None
            return self.prefix_of(source, node.value, depth - 1) if plain else ("", False)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined(source, [node.left, node.right], depth)
        if isinstance(node, ast.Call) and source.dotted(node.func) in _ENVIRON:
            return self.prefix_of(source, argument(node, 1, "default"), depth - 1)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(source, node, depth)
        return "", False

    def _joined(self, source: Source, parts: list[ast.expr], depth: int) -> tuple[str, bool]:
        text = ""
        for part in parts:
            more, whole = self.prefix_of(source, part, depth - 1)
            text += more
            if not whole:
                return text, False
        return text, True

    def _named(self, source: Source, node: ast.Name | ast.Attribute, depth: int) -> tuple[str, bool]:
        if isinstance(node, ast.Name) and node.id in source.constants and not _is_local(source, node):
            return self.prefix_of(source, source.constants[node.id], depth - 1)
        module, _, name = source.dotted(node).rpartition(".")
        home = self.by_module.get(module)
        if home is None or name not in home.constants:
            return "", False
        return self.prefix_of(home, home.constants[name], depth - 1)


def _is_local(source: Source, node: ast.Name) -> bool:
    """Whether the name is another one's here: an argument, or set inside the function."""
    function = source.function_of(node)
    if function is None:
        return False
    taken = [arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)]
    stored = [
        part.id
        for part in ast.walk(function)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    ]
    return node.id in taken or node.id in stored


def collect(facts: Facts, folder: Path | None) -> Project:
    """Return the project of an app: `folder` with all below it, or what its module's place tells.

    Without `folder`: the folder of the module and all below it, the app's own modules that were imported
    beside it, and the deployment files where its top-level package lies.
    """
    import_root = Path(facts.import_root)
    if folder is not None:
        files = list(_walk(folder))
    else:
        home = Path(facts.module_file).parent
        top = import_root / facts_package(facts)
        files = [*_walk(home), *(path for path in import_root.iterdir() if path.is_file())]
        beside = [Path(file) for file in facts.files if top != import_root and Path(file).is_relative_to(top)]
        files = [
            *(path for path in files if path.suffix != ".py" or path.is_relative_to(home)),
            *beside,
        ]
    unique = list(dict.fromkeys(path.resolve() for path in files))[:MAX_FILES]
    return Project(tuple(_sources(unique, import_root)), dict(_texts(unique)))


def facts_package(facts: Facts) -> str:
    """Return the name of the folder of the module's top-level package; "" for a module outside of any."""
    parts = Path(facts.module_file).relative_to(facts.import_root).parts
    return parts[0] if len(parts) > 1 else ""


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_skipped(Path(here) / name))
        yield from (Path(here) / name for name in sorted(files))


def _is_skipped(folder: Path) -> bool:
    hidden = folder.name.startswith(".")
    return hidden or folder.name.lower() in SKIPPED or (folder / "pyvenv.cfg").exists()


def _sources(files: list[Path], root: Path) -> Iterator[Source]:
    for path in files:
        text = _read(path) if path.suffix == ".py" and not _is_test(path) else None
        if text is None:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a bad escape in the project is not this audit's subject
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue  # it cannot be part of what runs
        yield Source(path, module_name(path, root), text, tree)


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name a file is imported by from `root`."""
    try:
        parts = path.resolve().relative_to(root.resolve()).with_suffix("").parts
    except ValueError:
        return path.stem
    return ".".join(parts).removesuffix(".__init__")


def _is_test(path: Path) -> bool:
    return path.name.startswith("test_") or path.name.endswith("_test.py") or path.name == "conftest.py"


def _texts(files: list[Path]) -> Iterator[tuple[Path, str]]:
    for path in files:
        if _DEPLOYMENT.match(path.name) or path.parent.name in ("cron.d", "crontabs"):
            text = _read(path)
            if text is not None:
                yield path, text


def _read(path: Path) -> str | None:
    try:
        if path.stat().st_size > MAX_SIZE:
            return None
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
