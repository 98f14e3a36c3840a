"""A real checker process: how long its start takes, what it holds and what it spends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")
START_WITHIN = 300.0


class Running:
    """`python -m checker run` in a folder. `channels`: name -> URL of a webhook."""

    def __init__(self, folder: Path, database: str, channels: Mapping[str, str], *, storm: int) -> None:
        self._folder = folder
        self._config = folder / "checker.toml"
        self._database, self._channels = database, channels
        self.write(storm)
        self.started = 0.0  # seconds from the start of the process until it listens

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
        with (self._folder / "checker.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "checker", "--config", str(self._config), "run"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "listening" not in line:
            said = (self._folder / "checker.log").read_text()[-2_000:]
            raise RuntimeError(f"the checker did not start: {said}")
        self.started = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def reload(self, storm: int) -> None:
        """Change the limit of a storm in the configuration, as it runs."""
        self.write(storm)
        self._process.send_signal(signal.SIGHUP)

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
