"""Prints a table, and where asked for keeps it among the results."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results"


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
        today = datetime.now(UTC).date().isoformat()
        kept = f"# {title}, {today}\n\n`python -m bench.{command or name}`\n\n{text}"
        (RESULTS / f"{name}-{today}.md").write_text(kept, "utf-8")
    return text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
