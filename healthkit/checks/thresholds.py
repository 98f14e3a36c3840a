"""Limits as people write them for disks and memory: `"10%"`, `"5GB"`, `"512MiB"`, or a number of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from healthkit.errors import ConfigurationError
from healthkit.status import Status

_UNITS = {"": 1} | {f"{p}B": 1000**n for n, p in enumerate(("", "k", "M", "G", "T", "P"))}
_UNITS |= {f"{p}iB": 1024**n for n, p in enumerate(("K", "M", "G", "T", "P"), 1)}
_SIZES = {unit.lower(): size for unit, size in _UNITS.items()}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[a-z]*)", re.ASCII | re.IGNORECASE)

Amount = str | int


@dataclass(frozen=True, slots=True)
class Free:
    """A least amount that has to be free: `share` of the whole (0 to 1), or `size` in units."""

    text: str
    share: float | None = None
    size: float | None = None

    def is_under(self, free: float, total: float) -> bool:
        """Tell whether less than this is free of the total."""
        if self.share is not None:
            return total > 0 and free / total < self.share
        return free < (self.size or 0)


def free(value: Amount | None, what: str) -> Free | None:
    """Return a limit. Raises `ConfigurationError` naming `what`; None stays None: no limit."""
    if value is None:
        return None
    match = None if isinstance(value, bool) else _TEXT.fullmatch(str(value).strip())
    unit = match[2].lower() if match else ""
    if match and unit == "%" and float(match[1]) <= 100:
        return Free(f"{float(match[1]):g}%", share=float(match[1]) / 100)
    if match and unit in _SIZES:
        return Free(human(float(match[1]) * _SIZES[unit]), size=float(match[1]) * _SIZES[unit])
    raise ConfigurationError(f'{what}: {value!r:.100} is no amount; write "10%", "5GB", "512MiB" or bytes')


def under(amount: float, total: float, warn: Free | None, fail: Free | None) -> tuple[Status, str]:
    """Return the state of having `amount` free of `total`, and the limit it is under."""
    for status, limit in ((Status.FAIL, fail), (Status.WARN, warn)):
        if limit is not None and limit.is_under(amount, total):
            return status, limit.text
    return Status.PASS, ""


def human(size: float) -> str:
    """Return bytes as a person says them: `812 B`, `5.4 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} PB"


def limit(value: float | None, what: str, *, above: float = 0.0) -> float | None:
    """Return a number over `above`. Raises `ConfigurationError` naming `what`; None stays None: no limit."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not value > above
    ):
        raise ConfigurationError(
            f"{what}: {value!r:.100} must be a number above {above:g}, or None for no limit"
        )
    return value


def over(value: float, warn: float | None, fail: float | None) -> tuple[Status, float]:
    """Return the state of a value that should stay below its limits, and the limit it reached."""
    for status, most in ((Status.FAIL, fail), (Status.WARN, warn)):
        if most is not None and value >= most:
            return status, most
    return Status.PASS, 0.0
