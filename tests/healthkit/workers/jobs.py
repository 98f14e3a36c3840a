"""Jobs for real RQ workers in the tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from healthkit.heartbeat import Heartbeat


def add(one: int, two: int) -> int:
    return one + two


def fail() -> None:
    raise RuntimeError("as asked")


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def with_heartbeat(url: str) -> int:
    with Heartbeat(url).run():
        return 42


def flaky(path: str) -> None:
    """Fail the first time."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return
    raise RuntimeError("as asked")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
