"""Jobs for the real RQ workers of the tests."""

from __future__ import annotations

import os
import time
from pathlib import Path


def quick(secret: str = "") -> int:
    """Do nothing much."""
    return len(secret)


def wait_until(path: str) -> str:
    """Run until the file is there, as long as that takes; end at once where the worker is gone."""
    worker = os.getppid()
    while not Path(path).exists():
        if os.getppid() != worker:
            os._exit(1)  # a work-horse has a process group of its own: nobody else would end it
        time.sleep(0.02)
    return path


def never_ends(path: str) -> None:
    """Run until the file is there, and swallow the exception by which RQ ends a job at its timeout."""
    while not Path(path).exists():
        try:
            wait_until(path)
        except Exception:  # noqa: BLE001 - this is the misbehaviour that is played here
            time.sleep(0.02)


def breaks() -> None:
    """Fail, as a job does whose code has a bug."""
    raise LookupError("this job fails on purpose")
