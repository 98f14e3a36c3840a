"""Run an app's checks once, here, and say by the exit code how it is: 0 it works, 1 it does not, 2 wrong use.

For containers and CI: no server is needed, and none is asked.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from healthkit import formats
from healthkit.durations import seconds
from healthkit.engine import collect
from healthkit.errors import ConfigurationError, UnknownCheckError
from healthkit.health import Health
from healthkit.outcomes import where
from healthkit.runner import Runner
from healthkit.selection import ALL, Filters, Selection
from healthkit.status import Status


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "target",
        help="module:name of the Health, of a function that makes one, or of a Flask app that carries one",
    )
    parser.add_argument("--json", action="store_true", help="print the health document instead of lines")
    parser.add_argument("--group", default=ALL, help="all (default), live, ready or startup")
    for name, what in (("tag", "with this tag"), ("check", "of this name")):
        parser.add_argument(f"--{name}", action="append", default=[], help=f"only checks {what}; repeatable")
        parser.add_argument(
            f"--exclude-{name}", action="append", default=[], help=f"no checks {what}; repeatable"
        )
    parser.add_argument("--timeout", help='the most that any check may take, such as "10s"')
    parser.add_argument("--strict", action="store_true", help="a warning makes exit code 1 too")


def run(arguments: argparse.Namespace) -> int:
    """Run the checks; return 0 when no critical one fails, 1 when one does."""
    health = load(arguments.target)
    try:
        selection = _selection(health, arguments)
    except UnknownCheckError as error:
        raise ConfigurationError(str(error)) from None
    if arguments.timeout is not None:
        limit = seconds(arguments.timeout, what="--timeout")
        selection = replace(selection, runners=tuple(_within(runner, limit) for runner in selection))
    report = health.report_of(collect(selection), selection)
    write = formats.JSON.write if arguments.json else formats.TEXT.write
    sys.stdout.buffer.write(write(report).rstrip(b"\n") + b"\n")
    sys.stdout.flush()
    return int(report.status is Status.FAIL or (arguments.strict and report.status is Status.WARN))


def load(target: str) -> Health:
    """Return the `Health` at `module:name`. Raises `ConfigurationError`, saying what is there instead."""
    module_name, colon, name = target.partition(":")
    if not (module_name and colon and name):
        raise ConfigurationError(
            f"{target!r}: write where the Health is as module:name, such as shop.health:health"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    found: Any = _guarded(lambda: importlib.import_module(module_name), f"import {module_name}")
    for part in name.removesuffix("()").split("."):
        if not hasattr(found, part):
            raise ConfigurationError(
                f"{target}: {module_name} has no {part!r}; how is the Health named there?"
            )
        found = getattr(found, part)
    if _health_of(found) is None and callable(found) and not isinstance(found, type):
        found = _guarded(found, f"call {target}")
    health = _health_of(found)
    if health is None:
        kind = type(found).__name__
        raise ConfigurationError(
            f"{target} is a {kind}; name a healthkit.Health, or a function that returns one"
        )
    return health


def _health_of(found: Any) -> Health | None:
    """Return a `Health` itself, or the one that an app carries."""
    if isinstance(found, Health):
        return found
    extensions = getattr(found, "extensions", None)
    carried = extensions.get("healthkit") if isinstance(extensions, dict) else None
    return carried if isinstance(carried, Health) else None


def _guarded(work: Callable[[], Any], what: str) -> Any:
    """Do what runs the user's code; its error is told with its place: its author reads this."""
    try:
        return work()
    except Exception as error:
        raise ConfigurationError(f"could not {what}: {error} ({where(error)})") from error


def _selection(health: Health, arguments: argparse.Namespace) -> Selection:
    filters = Filters(
        tuple(arguments.tag), tuple(arguments.check),
        tuple(arguments.exclude_tag), tuple(arguments.exclude_check),
    )  # fmt: skip
    selection = health.group(arguments.group)
    return health.narrow(selection, filters) if filters else selection


def _within(runner: Runner, limit: float) -> Runner:
    if limit == 0:
        raise ConfigurationError("--timeout: 0 leaves no time to run")
    check = replace(runner.check, timeout=min(limit, runner.check.timeout))
    return Runner(check, surroundings=runner.surroundings)
