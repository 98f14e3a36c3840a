"""Prints a table, and where asked for keeps it among the results."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence

from bench._page import keep_headed


def report(
    name: str,
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    write: bool,
    command: str = "",
) -> str:
    """Print the rows of `bench.<name>`, or of `command`, as they come; with `write`, keep them by date."""
    lines = [f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}.", ""]
    lines += [_row(head), "|---" * len(head) + "|"]
    print("\n".join(lines), flush=True)
    for row in rows:
        lines.append(_row(row))
        print(lines[-1], flush=True)
    text = "\n".join([*lines, ""])
    if write:
        keep_headed(name, title, command or name, text)
    return text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
