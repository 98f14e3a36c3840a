"""The house's floors: imports point downward, and the app side starts on the standard library alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the ground up; a name stands for a module or a whole package. A module may import from floors below its
# own; within one floor only a package's own modules may import each other.
APP_FLOORS: list[set[str]] = [
    {"errors", "status", "bounds", "proxies", "journal", "tee", "forks", "family", "retry_after", "witness"},
    {"durations", "model", "pings", "child", "carriers"},
    {"registration", "outcomes", "wire", "exchange", "snapshot", "flight"},
    {"isolation", "formats", "sender", "checks", "mailbox", "scheduler", "discovery"},
    {"runner", "watching", "negotiation", "transport"},
    {"announcing"},
    {"engine", "selection", "settings"},
    {"catalogue", "query", "heartbeat"},
    {"health"},
    {"endpoint", "workers", "audit", "testing"},
    {"asgi", "wsgi", "commands", "pytest_plugin"},
    {"cli"},
]
CHECKER_FLOORS: list[set[str]] = [
    {"http", "moments", "probe_spec", "schedule", "slugs", "supervisor", "toml_lines", "log", "config_text"},
    {"config_source", "clock", "process"},
    {"model", "maintenance", "config_section", "proof"},
    {"rules", "components", "crowd", "conditions", "documents", "routes", "config_values"},
    {"reading", "looks", "memory", "kept"},
    {"config_components"},
    {"config_endpoint", "config_heartbeat", "config_alerting", "config_files"},
    {"state", "incidents", "channels", "probe", "config_one", "config_checks", "sight"},
    {"store", "config", "prove"},
    {"config_diff", "config_blocks", "announced", "imports"},
    {"registry", "export", "dispatcher", "reload", "share", "agreement", "own_health", "verdict"},
    {"fold"},
    {"record", "announcements", "news", "assembler", "retention", "roller", "status_text", "dead_man"},
    {"tally", "watcher", "web", "commands", "importing", "init"},
    {"poller"},
    {"server", "drills"},
    {"app"},
    {"cli"},
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


def imports(path: Path) -> set[str]:
    """Every module a file imports; those under `if TYPE_CHECKING:` too, since a floor is a floor."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
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


@pytest.mark.parametrize(
    ("package", "floors"),
    [("healthkit", APP_FLOORS), ("checker", CHECKER_FLOORS)],
    ids=["healthkit", "checker"],
)
def test_imports_point_downward(package: str, floors: list[set[str]]) -> None:
    height = {f"{package}.{name}": level for level, names in enumerate(floors) for name in names}
    known = dict(modules(package))
    rooms = {name: ".".join(name.split(".")[:2]) for name in known if "." in name and "__main__" not in name}
    assert set(rooms.values()) == set(height), "the floors name a module that is gone, or miss a new one"
    wrong = [
        f"{name} imports {target}"
        for name, room in rooms.items()
        for target in sorted(imports(known[name]) & set(rooms))
        if rooms[target] != room and height[rooms[target]] >= height[room]
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = dict(pair for package in MAY_IMPORT for pair in modules(package))
    packages = {name for name, path in known.items() if path.name == "__init__.py"}  # they only gather
    graph = {
        name: (imports(path) & set(known)) - packages for name, path in known.items() if name not in packages
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


TECHNOLOGIES = {"sqlalchemy", "rq", "redis", "http", "outbound", "system", "net", "status_page"}


def test_siblings_do_not_import_each_other() -> None:
    families = {
        "healthkit.checks": TECHNOLOGIES,
        "healthkit.workers": {path.stem for path in (ROOT / "healthkit/workers").glob("[!_]*.py")},
        "checker.channels": {path.stem for path in (ROOT / "checker/channels").glob("[!_]*.py")}
        - {"base", "posts", "story"},
    }
    wrong = [
        f"{folder}.{name} imports {folder}.{sibling}"
        for folder, names in families.items()
        for name in sorted(names)
        for sibling in sorted(names - {name})
        if (path := ROOT / folder.replace(".", "/") / f"{name}.py").exists()
        and f"{folder}.{sibling}" in imports(path)
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
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert printed.strip() == "[]"
