"""Whether this process is one of several workers of a server, and what they can know each other by."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path


def family() -> str | None:
    """Return a name that the workers of one server share, or None for a process that is alone.

    Workers are told by their parent: it runs the same command line (a fork), or started them through
    multiprocessing. Its start time goes into the name, so that a process id used again is another family.
    """
    parent = os.getppid()
    multiprocessing = sys.modules.get("multiprocessing.process")
    is_spawned = multiprocessing is not None and multiprocessing.parent_process() is not None
    if not is_spawned and not _is_same_program(parent):
        return None
    return f"{parent} {_started(parent)}"


def file_name(kind: str, *parts: str) -> str:
    """Return a file name for what these parts say, whatever they say."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
    return f"{kind}-{digest}"


def _is_same_program(parent: int) -> bool:
    mine, theirs = _read("self", "cmdline"), _read(parent, "cmdline")
    return bool(mine) and mine == theirs


def _started(pid: int) -> str:
    """Return when a process started, as proc(5) tells: field 22 of its `stat`, 20th after the name."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 else ""


def _read(pid: int | str, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
