"""A real checker process: how long its start takes, what it holds and what it spends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")
RELOAD_WITHIN = 120.0
_RELOADED = "configuration reloaded"


class Running:
    """`python -m checker run` in a folder. `channels`: name -> URL of a webhook."""

    def __init__(self, folder: Path, database: str, channels: Mapping[str, str], *, storm: int) -> None:
        self._folder = folder
        self._config, self._printed = folder / "checker.toml", folder / "checker.log"
        self._database, self._channels = database, channels
        self.write(storm)
        self.started = 0.0  # seconds from the start of the process until it listens
        self.url = ""

    def write(self, storm: int) -> None:
        """Write the configuration, with so many incidents at once as make a storm."""
        parts = [f'[server]\nlisten = "127.0.0.1:0"\ndatabase = "{self._database}"\nstorm = {storm}\n']
        parts += [
            f'[[channel]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n'
            for name, url in self._channels.items()
        ]
        self._config.write_text("\n".join(parts))

    def __enter__(self) -> Self:
        began = time.monotonic()
        with self._printed.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "checker", "--config", str(self._config), "run"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "listening" not in line:
            raise RuntimeError(f"the checker did not start: {self._log()[-2_000:]}")
        self.started = time.monotonic() - began
        self.url = line.split()[-1]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def reload(self, storm: int) -> None:
        """Change the limit of a storm in the configuration, as it runs; return once that holds."""
        before = self._log().count(_RELOADED)
        self.write(storm)
        self._process.send_signal(signal.SIGHUP)
        if not wait_until(lambda: self._log().count(_RELOADED) > before, RELOAD_WITHIN):
            raise RuntimeError(f"the checker did not take its new configuration: {self._log()[-2_000:]}")

    def _log(self) -> str:
        return self._printed.read_text()

    def memory(self) -> float:
        """Return what it holds now, in megabytes."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024

    def cpu(self) -> float:
        """Return the CPU seconds it has spent."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


def wait_until(holds: Callable[[], bool], timeout: float) -> bool:
    """Wait until something holds, at most so many seconds; tell whether it does."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def percentile(values: list[float], share: float) -> float:
    """Return the value that so many of the others are not above; infinity where there is none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(len(found) * share))] if found else float("inf")
