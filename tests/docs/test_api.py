"""Whatever a user may import from the app side stands on a page, and the list of it is true."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import healthkit

ROOT = Path(__file__).parents[2]
INDEX = (ROOT / "docs" / "app" / "README.md").read_text("utf-8")
PAGES = "\n".join(page.read_text("utf-8") for page in sorted((ROOT / "docs" / "app").glob("*.md")))


def listed() -> dict[str, set[str]]:
    """Return the modules that the index names, each with its names."""
    found: dict[str, set[str]] = {}
    for modules, names in re.findall(r"^\| (`healthkit[^|]*) \| ([^|]*) \|$", INDEX, re.MULTILINE):
        first, *more = re.findall(r"`([\w.]+)`", modules)
        package = first.rpartition(".")[0]
        for module in (first, *(f"{package}{one}" if one[0] == "." else one for one in more)):
            found.setdefault(module, set()).update(re.findall(r"`(\w+)`", names))
    return found


def checks_of(module: str) -> set[str]:
    """Return the ready-made checks of a module: what can be called and says what it measures."""
    home = importlib.import_module(module)
    names = getattr(home, "__all__", None) or [name for name in vars(home) if name[0] != "_"]
    found = {name: getattr(home, name) for name in names}
    return {
        name
        for name, value in found.items()
        if inspect.isclass(value)
        and hasattr(value, "measurement")
        and "__init__" in vars(value)
        and not name.startswith("Async")
        and (hasattr(home, "__all__") or value.__module__ == module)
    }


def test_every_name_of_the_list_can_be_imported() -> None:
    found = listed()
    assert len(found) > 20
    missing = [
        f"{module}.{name}"
        for module, names in found.items()
        for name in names - {"fake_health"}
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def test_all_of_healthkit_is_in_the_list() -> None:
    assert set(healthkit.__all__) <= listed()["healthkit"]


@pytest.mark.parametrize(
    "module", sorted(path.stem for path in (ROOT / "healthkit" / "checks").glob("[a-z]*.py"))
)
def test_every_ready_made_check_is_in_the_list(module: str) -> None:
    name = f"healthkit.checks.{module}"
    shown = set().union(*(names for home, names in listed().items() if home.startswith("healthkit.checks")))
    assert checks_of(name) - shown - {"Rows"} == set()


@pytest.mark.parametrize("name", sorted(set().union(*listed().values())))
def test_every_name_of_the_list_stands_on_a_page_of_its_own(name: str) -> None:
    told = PAGES.replace(INDEX, "")
    inside = {"HealthkitError", "ConfigurationError", "UnknownCheckError", "DuplicateCheckError", "WireError"}
    inside |= {"Probe", "Check", "Reading", "Report", "Status", "Result", "HeartbeatMixin", "Fakes"}
    assert name in inside or re.search(rf"\b{name}\b", told), f"{name} is on no page but the list"
