"""Ends one server when the process that started it is gone, even by kill -9; run as a script of its own.

Usage: `watchdog.py SERVER_PID FOLDER`, with a pipe as standard input. A byte on the pipe means "not needed
any more". End of file, or another parent, means that the starter died: then the server is killed and FOLDER
removed. It imports the standard library only, so it starts without the environment's site packages.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable

PATIENCE = (
    0.5  # seconds between looks at the parent: a forked child may hold the pipe open after the parent's end
)


def orphaned(parent: int) -> bool:
    """Wait until the starter is gone (True) or says that it needs no watching any more (False)."""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], PATIENCE)
        if readable:
            return os.read(0, 1) == b""
    return True


def killer(pid: int) -> Callable[[], None]:
    """Return what kills `pid`; bound to the process rather than its number where the system can do so."""
    with contextlib.suppress(AttributeError, OSError):
        handle = os.pidfd_open(pid)
        return lambda: signal.pidfd_send_signal(handle, signal.SIGKILL)
    return lambda: os.kill(pid, signal.SIGKILL)


def main(pid: int, folder: str) -> None:
    """Watch until one of the two is gone."""
    parent, kill = os.getppid(), killer(pid)
    if orphaned(parent):
        with contextlib.suppress(ProcessLookupError):
            kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
