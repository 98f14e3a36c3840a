"""What every measurement's page has: a title with its date, the command, the machine, tables, a file."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("results")


def arguments(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return what reads the command line of a measurement; `about` is its module's docstring."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="the short form: less of everything")
    parser.add_argument("--write", action="store_true", help=f"write bench/results/{name}-<date>.md too")
    return parser


def machine() -> str:
    """Return what the numbers were taken on, and what else it had to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"Python {platform.python_version()}"
    return f"{cores} cores ({platform.machine()}), {python}, load {os.getloadavg()[0]:.1f}"


def title(name: str, words: str, *, quick: bool = False) -> list[str]:
    """Return the first lines of a page: what was measured and when, and by which command."""
    return headed(words, f"{name}{' --quick' if quick else ''}")


def headed(words: str, command: str) -> list[str]:
    """Return the same of `python -m bench.<command>`, with whatever options it was given."""
    return [f"# {words}, {datetime.now(UTC):%Y-%m-%d}", "", f"`python -m bench.{command}`", ""]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = (f"| {' | '.join(map(str, cells))} |" for cells in rows)
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *lines]


def publish(name: str, lines: Iterable[str], *, write: bool) -> None:
    """Print a page; with `write`, leave it among the results too."""
    text = "\n".join(lines) + "\n"
    print(text)
    if write:
        keep(name, text)


def keep(name: str, text: str) -> None:
    """Leave a whole page among the results, by its name and the date."""
    (RESULTS / f"{name}-{datetime.now(UTC):%Y-%m-%d}.md").write_text(text, "utf-8")


def keep_headed(name: str, words: str, command: str, text: str) -> None:
    """Leave a page among the results that has its tables and no first lines yet."""
    keep(name, "\n".join([*headed(words, command), text]))
