"""Checks of the machine: disk, inodes, memory, load, open files; clock and certificates in files of their
own.

health.add(DiskSpace("/var/lib/app", warn="15%", fail="2GB")) health.add(Memory()) Memory and load are context
and never the verdict: unless told otherwise they are not critical.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from healthkit.checks.certificate_file import CertificateFile
from healthkit.checks.clock import ClockSkew
from healthkit.checks.memory import NotMeasurableError, memory
from healthkit.checks.thresholds import Amount, Free, free, human, limit, over, under
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.model import Result

__all__ = ["CertificateFile", "ClockSkew", "DiskSpace", "FileDescriptors", "Inodes", "Load", "Memory"]

_LOADS = {"1m": 0, "5m": 1, "15m": 2}


class _Volume:
    """What `DiskSpace` and `Inodes` share: a path, and limits on what is free there."""

    measurement = "utilization"
    component_type = "system"
    kind = ""

    def __init__(
        self, path: str | os.PathLike[str], warn: Amount | None, fail: Amount | None, name: str | None
    ) -> None:
        self.path = os.fspath(path)
        self.name = name or _name_of(self.kind, self.path)
        self._warn, self._fail = (
            free(value, f"check {self.name!r}: {which}") for which, value in (("warn", warn), ("fail", fail))
        )

    def _stat(self) -> os.statvfs_result:
        try:
            return os.statvfs(self.path)
        except OSError as error:
            raise Fail(f"{self.path}: {error.strerror}", path=self.path) from None
        except AttributeError:
            raise Warn("cannot be measured: this platform has no statvfs") from None


class DiskSpace(_Volume):
    """Room on the file system of `path`, as `df` counts it: what a plain user may still write.

    `warn` and `fail` are what must be free: "10%", "5GB" or bytes. `writable=True` also fails where the file
    system is mounted read-only, as Linux does by itself after a disk error. The value is the share in use, in
    percent.
    """

    kind = "disk"

    def __init__(
        self, path: str | os.PathLike[str] = "/", *, warn: Amount | None = "10%", fail: Amount | None = "5%",
        writable: bool = False, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, warn, fail, name)
        self._writable = writable

    def __call__(self) -> Result:
        """Raises `Fail` when there is no such path."""
        found = self._stat()
        room = found.f_bavail * found.f_frsize
        total = room + (found.f_blocks - found.f_bfree) * found.f_frsize
        if self._writable and found.f_flag & os.ST_RDONLY:
            raise Fail(f"read-only: the file system of {self.path} is mounted read-only", path=self.path)
        status, least = under(room, total, self._warn, self._fail)
        output = f"{human(room)} of {human(total)} free on {self.path}, less than {least}" if least else ""
        details = {"path": self.path, "free_bytes": room, "total_bytes": total}
        return Result(_percent(total - room, total), "percent", status, output, None, details)


class Inodes(_Volume):
    """Inodes on the file system of `path`: with none left no file can be made, however much room there is.

    `warn` and `fail` are what must be free: "10%", or a number. A file system that makes them as needed
    passes.
    """

    kind = "inodes"

    def __init__(
        self, path: str | os.PathLike[str] = "/", *, warn: Amount | None = "10%", fail: Amount | None = "5%",
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, warn, fail, name)

    def __call__(self) -> Result:
        """Raises `Fail` when there is no such path."""
        found = self._stat()
        left, total = found.f_favail, found.f_favail + found.f_files - found.f_ffree
        if not found.f_files:
            return Result(None, details={"path": self.path, "fixed": False})
        status, least = under(left, total, self._warn, self._fail)
        output = f"{left:,} of {total:,} inodes free on {self.path}, less than {least}" if least else ""
        return Result(
            _percent(total - left, total), "percent", status, output, None, {"path": self.path, "free": left}
        )


class Memory:
    """Memory that is left before the kernel kills: the machine's, or the container's (cgroup) where that is
    less.

    `warn` and `fail` are what must be left: "10%", "500MB" or bytes. What can be reclaimed counts as left.
    """

    measurement = "utilization"
    component_type = "system"
    critical = False

    def __init__(
        self, *, warn: Amount | None = "10%", fail: Amount | None = "3%", name: str = "memory",
        root: str | os.PathLike[str] = "/",
    ) -> None:  # fmt: skip
        self.name = name
        self._warn: Free | None = free(warn, f"check {name!r}: warn")
        self._fail: Free | None = free(fail, f"check {name!r}: fail")
        self._root = Path(root)

    def __call__(self) -> Result:
        """Raises `Warn` where the platform does not tell."""
        try:
            found = memory(self._root)
        except NotMeasurableError as error:
            raise Warn(str(error)) from None
        judged = [
            (under(room, total, self._warn, self._fail), room, total, whose) for room, total, whose in found
        ]
        (status, least), left, total, whose = max(judged, key=lambda one: (one[0][0], -one[1]))
        output = f"{human(left)} of {human(total)} left in the {whose}, less than {least}" if least else ""
        details = {"available_bytes": left, "total_bytes": total, "limit_of": whose}
        return Result(_percent(total - left, total), "percent", status, output, None, details)


class Load:
    """Processes that want to run, for each processor, on average over `over` ("1m", "5m" or "15m").

    Inside a container it is the whole machine's. `fail` is off by default: a busy machine is no broken app.
    """

    measurement = "average"
    component_type = "system"
    critical = False

    def __init__(
        self, *, warn: float | None = 4.0, fail: float | None = None, over: str = "5m", name: str = "load"
    ) -> None:
        self.name = name
        self._warn, self._fail = limit(warn, f"check {name!r}: warn"), limit(fail, f"check {name!r}: fail")
        if over not in _LOADS:
            raise ConfigurationError(f'check {name!r}: over {over!r:.100} must be "1m", "5m" or "15m"')
        self._over = over

    def __call__(self) -> Result:
        """Raises `Warn` where the platform does not tell."""
        try:
            average = os.getloadavg()[_LOADS[self._over]]
        except (OSError, AttributeError):
            raise Warn("cannot be measured: this platform tells no load average") from None
        processors = os.cpu_count() or 1
        each = average / processors
        status, most = over(each, self._warn, self._fail)
        output = (
            f"load {average:.3g} on {processors} processors: {each:.3g} each (limit {most:g})" if most else ""
        )
        return Result(round(each, 3), "per processor", status, output, None, {"processors": processors})


class FileDescriptors:
    """Open files and sockets of this process against its own limit (RLIMIT_NOFILE); at it, every connect
    fails.

    `warn` and `fail` are shares of the limit.
    """

    measurement = "utilization"
    component_type = "system"

    def __init__(self, *, warn: float | None = 0.8, fail: float | None = 0.95, name: str = "files") -> None:
        self.name = name
        self._warn, self._fail = limit(warn, f"check {name!r}: warn"), limit(fail, f"check {name!r}: fail")

    def __call__(self) -> Result:
        """Raises `Warn` where the platform does not tell."""
        count, most = _open_files(), _most_files()
        if count is None or most is None:
            raise Warn("cannot be measured: this platform does not list a process's open files")
        status, share = over(count / most, self._warn, self._fail)
        output = f"{count} of {most} file descriptors in use (limit {share:.0%})" if share else ""
        return Result(_percent(count, most), "percent", status, output, None, {"open": count, "limit": most})


def _open_files() -> int | None:
    for folder in ("/proc/self/fd", "/dev/fd"):  # the second one is macOS's and the BSDs'
        try:
            return sum(1 for _ in os.scandir(folder)) - 1  # the listing has one open itself
        except OSError:
            continue
    return None


def _most_files() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _percent(used: float, total: float) -> float | None:
    return round(100 * used / total, 2) if total else None


def _name_of(kind: str, path: str) -> str:
    """Return `disk` for `/` and `disk-var-lib-app` for `/var/lib/app`."""
    words: Any = re.findall(r"[\w.@+~]+", path, re.ASCII)
    return "-".join([kind, *words])[:100]
