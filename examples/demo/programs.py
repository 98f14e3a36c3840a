"""Starting real programs, and ending every one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE = 5.0


class Programs:
    """The demo's child processes by name; each is the head of a process group of its own and writes a log."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}

    def start(self, name: str, command: Sequence[str], **environment: str) -> None:
        """Start `python -m COMMAND` under a name, with more environment if given."""
        self._started[name] = command, environment
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def restart(self, name: str) -> None:
        """Start a program that has ended once more, as it was started before."""
        command, environment = self._started[name]
        self.start(name, command, **environment)

    def log(self, name: str) -> Path:
        """Return the file that a program writes to."""
        return self.folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """Return a running program's process id."""
        return self._running[name].pid

    def ended(self) -> dict[str, int]:
        """Return the programs that have ended by themselves, with their exit codes."""
        return {name: code for name, process in self._running.items() if (code := process.poll()) is not None}

    def signal(self, name: str, number: signal.Signals, *, alone: bool = False) -> None:
        """Send a signal to a program and all of its children, or to the program alone."""
        with contextlib.suppress(ProcessLookupError):
            (os.kill if alone else os.killpg)(self.pid(name), number)

    def stop_all(self) -> None:
        """End every program: SIGTERM, and SIGKILL for whoever is still there after five seconds."""
        for name in self._running:
            self.signal(name, signal.SIGCONT)
            self.signal(name, signal.SIGTERM)
        end = time.monotonic() + GRACE
        for name, process in self._running.items():
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.signal(name, signal.SIGKILL)
                process.wait()
            self.signal(name, signal.SIGKILL)  # a child that outlived its parent
