"""Jobs for real RQ workers in the tests."""

from __future__ import annotations

import time

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
