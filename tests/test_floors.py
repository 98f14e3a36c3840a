"""The house's floors: imports point downward, and the app side starts on the standard library alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the ground up. A module may import from floors below its own, never from its own floor or above
# (packages that are one thing in several files may import within themselves).
APP_FLOORS: list[set[str]] = [
    {"healthkit.errors", "healthkit.status"},
    {"healthkit.durations", "healthkit.model"},
    {"healthkit.engine", "healthkit.wire"},
    {"healthkit.formats", "healthkit.health"},
    {"healthkit.endpoint"},
    {"healthkit.asgi", "healthkit.wsgi"},
]

# What each package may import of the others.
MAY_IMPORT = {
    "healthkit": {"healthkit"},
    "healthkit_flask": {"healthkit", "healthkit_flask"},
    "healthkit_fastapi": {"healthkit", "healthkit_fastapi"},
    "checker": {"checker", "healthkit", "healthkit_fastapi"},
}
OURS = set(MAY_IMPORT)


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Every module a file imports; those under `if TYPE_CHECKING:` too, since a floor is a floor."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules(package)
        for target in sorted(imports(path))
        if target.split(".")[0] in OURS - MAY_IMPORT[package]
    ]
    assert not wrong


def test_the_core_of_the_app_side_has_no_import_upward_or_sideways() -> None:
    floor_of = {name: height for height, names in enumerate(APP_FLOORS) for name in names}
    known = dict(modules("healthkit"))
    assert set(floor_of) <= set(known), "APP_FLOORS names a module that is gone"
    wrong = [
        f"{name} imports {target}"
        for name, height in floor_of.items()
        for target in sorted(imports(known[name]) & set(known))
        if target not in ("healthkit", name) and floor_of.get(target, 99) >= height
    ]
    assert not wrong


def test_ready_made_checks_do_not_import_each_other() -> None:
    wrong = [
        f"{name} imports {target}"
        for folder in ("healthkit.checks", "healthkit.workers", "checker.channels")
        for name, path in modules(folder.replace(".", "/"))
        if not path.name.startswith(("_", "base"))
        for target in sorted(imports(path))
        if target.startswith(folder + ".")
        and target != name
        and not target.removeprefix(folder + ".").startswith(("_", "base"))
    ]
    assert not wrong


def test_the_pure_parts_of_the_checker_read_no_clock_and_do_no_io() -> None:
    forbidden = {"time", "asyncio", "sqlalchemy", "socket", "threading", "random", "requests", "pycurl"}
    pure = ["model", "schedule", "state", "incidents", "maintenance", "slugs"]
    known = dict(modules("checker"))
    wrong = [
        f"checker.{name} imports {target}"
        for name in pure
        for target in sorted(imports(known[f"checker.{name}"]))
        if target.split(".")[0] in forbidden
    ]
    assert not wrong


def test_import_healthkit_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import healthkit; healthkit.Health('x');"
        "new = {m.split('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'healthkit'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert printed.strip() == "[]"
