"""Pings that could not be delivered, kept on disk until their server can be reached again.

One file for each server, one JSON line for each ping, appended by a single write. A drainer marks a delivered
line by overwriting its first byte, so a kill -9 at any point loses nothing and repeats at most one ping.
Nothing is flushed to the platter: it outlives the process, not a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger(__name__)

MAX_BYTES = 1_000_000
MAX_AGE = 7 * 86_400.0
_MARK = b"#"
_SHARED = "healthkit-state-"

Record = dict[str, Any]


class Journal:
    """The undelivered pings of one server (`origin`) under `folder`; with None, nothing is kept.

    `max_bytes` bounds the file: when it is full the oldest half goes. Entries older than `max_age` seconds go
    unsent.
    """

    def __init__(
        self, folder: Path | None, origin: str, *, max_bytes: int = MAX_BYTES, max_age: float = MAX_AGE
    ) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", origin)[:100]
        self.path = folder / f"{name}.journal" if folder else None
        self._lock = folder / f"{name}.lock" if folder else None
        self._stamp = folder / f"{name}.vain" if folder else None
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._complained = False

    def append(self, record: Record) -> bool:
        """Keep one entry; return whether it is on disk. Never raises for what the disk does."""
        line = b"\n" + json.dumps(record, default=str).encode() + b"\n"  # a torn line before it stays apart
        try:
            return self._append(line)
        except OSError as error:
            self._complain(error)
            return False

    def pending(self) -> bool:
        """Whether there is anything to drain."""
        try:
            return self.path is not None and self.path.stat().st_size > 0
        except OSError:
            return False

    def drain(self, deliver: Callable[[Record], bool], *, now: float, limit: int = 50) -> bool:
        """Give the oldest `limit` entries to `deliver`; return whether to come back for more.

        `deliver` returns whether it is done with an entry; False ends the round. Another process that is
        draining already is left alone.
        """
        try:
            with self._draining() as file:
                return file is not None and self._drain(file, deliver, now, limit)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._complain(error)
            return False

    def wait_was_vain(self) -> None:
        """Remember, for the processes to come, that waiting for this server at exit brought nothing."""
        with contextlib.suppress(OSError):
            if self._stamp is not None:
                self._stamp.touch(mode=0o600)

    def wait_was_worth_it(self) -> None:
        """Forget that."""
        with contextlib.suppress(OSError):
            if self._stamp is not None:
                self._stamp.unlink()

    def last_vain_wait(self) -> float | None:
        """Return when waiting at exit last brought nothing (epoch seconds)."""
        try:
            return None if self._stamp is None else self._stamp.stat().st_mtime
        except OSError:
            return None

    def _append(self, line: bytes) -> bool:
        if self.path is None:
            return False
        for _ in range(5):
            fd = _open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                if not _locked(fd, shared=True):
                    return False
                if not _still_at(fd, self.path):  # a drainer was done with this file: take the new one
                    continue
                if os.fstat(fd).st_size + len(line) <= self._max_bytes:
                    return os.write(fd, line) == len(line)
            finally:
                os.close(fd)
            self._make_room()
        return False

    def _make_room(self) -> None:
        assert self.path is not None
        with open(_open(self.path, os.O_RDWR), "r+b") as file:
            if not _locked(file.fileno(), shared=False) or not _still_at(file.fileno(), self.path):
                return
            kept, size = [], 0
            for _, line in reversed(list(_entries(file.read()))):
                size += len(line) + 2
                if size > self._max_bytes // 2:
                    break
                kept.append(b"\n" + line + b"\n")
            fresh = self.path.with_suffix(f".{os.getpid()}.tmp")
            with open(_open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as out:
                out.write(b"".join(reversed(kept)))
            fresh.rename(self.path)
        log.warning("the journal of undelivered pings is full: the oldest were dropped")

    @contextlib.contextmanager
    def _draining(self) -> Iterator[BinaryIO | None]:
        """Yield the journal, opened for the only drainer; None when there is another."""
        if self.path is None or self._lock is None or not self.pending():
            yield None
            return
        lock = _open(self._lock, os.O_RDWR | os.O_CREAT)
        try:
            if not _locked(lock, shared=False, patience=0):
                yield None
                return
            with open(_open(self.path, os.O_RDWR), "r+b") as file:
                yield file
        finally:
            os.close(lock)

    def _drain(self, file: BinaryIO, deliver: Callable[[Record], bool], now: float, limit: int) -> bool:
        seen = self._read(file)
        for count, (offset, line) in enumerate(_entries(seen)):
            if count >= limit:
                return True
            entry = _parse(line)
            if entry is not None and now - entry["at"] < self._max_age and not deliver(entry):
                return False
            file.seek(offset)
            file.write(_MARK)
            file.flush()
        return self._retire(file, len(seen))

    def _read(self, file: BinaryIO) -> bytes:
        """Return all of it, at a moment when nobody is half-way through an append."""
        if not _locked(file.fileno(), shared=False):
            return b""
        try:
            return file.read()
        finally:
            fcntl.flock(file.fileno(), fcntl.LOCK_UN)

    def _retire(self, file: BinaryIO, seen: int) -> bool:
        """Remove the journal when nothing was appended meanwhile; return whether something was."""
        assert self.path is not None
        if not _locked(file.fileno(), shared=False) or not _still_at(file.fileno(), self.path):
            return True
        if os.fstat(file.fileno()).st_size > seen:
            return True
        self.path.unlink()
        return False

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "cannot keep undelivered pings on disk (%s: %s); going on without; "
                "set HEALTHKIT_STATE_DIR to a folder that can be written",
                self.path,
                error.strerror,
            )


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder for journals, made with mode 0700, or None when none can be used.

    `$HEALTHKIT_STATE_DIR`, else `$XDG_STATE_HOME/healthkit` or `~/.local/state/healthkit`, else one of this
    user's own in the temporary folder.
    """
    for folder in _candidates(environ):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(folder):
                return folder
        except OSError:
            continue
    log.warning("no folder to keep undelivered pings in; set HEALTHKIT_STATE_DIR to one that can be written")
    return None


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("HEALTHKIT_STATE_DIR"):
        yield Path(named)
        return
    if xdg := environ.get("XDG_STATE_HOME"):
        yield Path(xdg) / "healthkit"
    else:
        with contextlib.suppress(RuntimeError):  # no home
            yield Path.home() / ".local" / "state" / "healthkit"
    import tempfile  # slow to import, rarely needed

    yield Path(tempfile.gettempdir()) / f"{_SHARED}{os.getuid()}"


def _is_ours(folder: Path) -> bool:
    """Whether the folder can be used: in the shared temporary folder, another user may have made it."""
    if folder.name.startswith(_SHARED):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o600)


def _locked(fd: int, *, shared: bool, patience: int = 20) -> bool:
    """Take a lock within `patience` ms: it is held for microseconds, save by a process that was stopped."""
    for attempt in range(patience + 1):
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < patience:
                time.sleep(0.001)
        else:
            return True
    return False


def _still_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, line) of every entry that was not delivered yet, torn ones included."""
    offset = 0
    for line in data.split(b"\n"):
        if line and not line.startswith(_MARK):
            yield offset, line
        offset += len(line) + 1


def _parse(line: bytes) -> Record | None:
    try:
        entry = json.loads(line)
        float(entry["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        log.debug("skipped an entry of the journal that cannot be read")
        return None
    return entry if isinstance(entry, dict) else None
