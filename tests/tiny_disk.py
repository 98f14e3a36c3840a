"""A disk small enough to be filled: a tmpfs of a few MB that one process and its children see, without root.

Linux lets an ordinary user mount one inside a user and a mount namespace of the process's own.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.mariadb import MariaDBServer
from examples.servers import PostgresServer

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # sched.h
PR_SET_DUMPABLE = 4  # prctl.h; a process that changed its user may write its own maps only when dumpable


def mounting(folder: Path, megabytes: int, user: int | None = None) -> Callable[[], None]:
    """Return what a child calls before its program starts (`preexec_fn`): it mounts the disk at `folder`."""
    owner = os.geteuid() if user is None else user
    group = os.getegid() if user is None else user
    options = f"size={megabytes}m,mode=700,uid={owner},gid={group}".encode()
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{owner} {owner} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, options):
            raise OSError(ctypes.get_errno(), "mount")

    return enter


def is_possible(folder: Path) -> bool:
    """Tell whether this kernel lets us mount."""
    if sys.platform != "linux":
        return False
    try:
        subprocess.run([sys.executable, "-c", ""], check=True, preexec_fn=mounting(folder, 1))
    except subprocess.SubprocessError:
        return False
    return True


class TinyDiskPostgres(PostgresServer):
    """A PostgreSQL with an empty folder `tiny` on a disk of 16 MB, for a tablespace."""

    @property
    def tiny(self) -> Path:
        """The folder on the small disk."""
        return self.folder / "tiny"

    def _fill_data(self) -> None:
        _empty(self.tiny, self._user)
        super()._fill_data()

    def _as_user(self) -> dict[str, Any]:
        return {**super()._as_user(), "preexec_fn": mounting(self.tiny, 16, self._user)}


class TinyDiskMariaDB(MariaDBServer):
    """A MariaDB whose database `healthkit` lies on a disk of 16 MB."""

    def _prepare(self) -> None:
        super()._prepare()
        _empty(self.folder / "data" / "healthkit", self._user)

    def _as_user(self) -> dict[str, Any]:
        database = self.folder / "data" / "healthkit"
        same = super()._as_user()
        return {**same, "preexec_fn": mounting(database, 16, self._user)} if database.is_dir() else same


def _empty(folder: Path, user: int | None) -> None:
    folder.mkdir(mode=0o700)
    if user is not None:
        os.chown(folder, user, user)
