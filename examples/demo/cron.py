"""This demo's cron: `python -m examples.demo.cron SECONDS COMMAND...`, one run at a time."""

from __future__ import annotations

import subprocess
import sys
import time


def main(every: float, command: list[str]) -> None:
    """Run the command now and then every `every` seconds; a run that takes longer delays the next."""
    while True:
        started = time.monotonic()
        subprocess.run(command, check=False)
        time.sleep(max(0.0, every - (time.monotonic() - started)))


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
