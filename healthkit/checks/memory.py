"""How much memory is left: the machine's from /proc/meminfo, a container's from its cgroups (v2 or v1)."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 1 << 60  # cgroup v1 writes a number near 2^63 for "no limit"


class NotMeasurableError(Exception):
    """This platform does not tell; the text says what is missing."""


def memory(root: Path = Path("/")) -> list[tuple[int, int, str]]:
    """Return the bytes left, the bytes of the whole, and whose they are, for the machine and each cgroup's
    limit.

    Raises `NotMeasurableError`. `root` is where proc and sys are found.
    """
    return [(*_machine(root), "machine"), *((*group, "container") for group in _groups(root))]


def _machine(root: Path) -> tuple[int, int]:
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _read(root / "proc/meminfo") or "", re.MULTILINE))
    if "MemAvailable" not in found:
        raise NotMeasurableError(f"cannot be measured: {sys.platform} has no /proc/meminfo with MemAvailable")
    return int(found["MemAvailable"]) * 1024, int(found["MemTotal"]) * 1024


def _groups(root: Path) -> Iterator[tuple[int, int]]:
    """Yield what is left of each limit that the process is under: an outer one binds the inner ones too."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            names = ("memory.max", "memory.current", "inactive_file")
            yield from _along(root / "sys/fs/cgroup", path, names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _along(root / "sys/fs/cgroup/memory", path, names)


def _along(top: Path, path: str, names: tuple[str, str, str]) -> Iterator[tuple[int, int]]:
    inner = top.joinpath(*(part for part in path.split("/") if part not in ("", "..")))
    for folder in (inner, *inner.parents):
        if folder == top.parent:
            return
        most, used = (_number(_read(folder / name)) for name in names[:2])
        if most is not None and used is not None and most < UNLIMITED:
            yield max(0, most - used + _reclaimable(folder, names[2])), most


def _reclaimable(folder: Path, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", _read(folder / "memory.stat") or "", re.MULTILINE)
    return int(found[1]) if found else 0


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
