"""What the tests of the checks share: running a probe as an app does, and addresses where nobody answers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from healthkit.health import Health
from healthkit.model import Reading
from healthkit.status import Status

SECRET = "hunter2-Zürich"
SECRET_IN_URL = "hunter2-Z%C3%BCrich"


class Watched:
    """A probe registered in a `Health` of its own; every call is a fresh reading through the real engine."""

    def __init__(self, probe: Any, **options: Any) -> None:
        self.probe = probe
        self.health = Health("test")
        self.check = self.health.add(probe, fresh_for=0, **options)

    def __call__(self) -> Reading:
        return self.health.report().readings[0]

    def passes(self) -> bool:
        """Read once; whether it passed."""
        return self().status is Status.PASS

    def reason(self) -> str:
        """Read once, insist that it failed, and return why."""
        reading = self()
        assert reading.status is Status.FAIL, reading
        return reading.output


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port whose connections are never answered: one that listens with a full backlog."""
    with socket.socket() as listener, contextlib.ExitStack() as kept:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(8):  # the first few are taken into the backlog, the rest hang in SYN
            filler = kept.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


@contextlib.contextmanager
def mute_listener() -> Iterator[int]:
    """Yield a port where connections are accepted and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def assert_no_secret(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    """Insist that the secret stands in no part of a reading and in no log line."""
    for secret in (SECRET, SECRET_IN_URL, "hunter2"):
        assert secret not in repr(reading)
        assert not any(secret in record.getMessage() for record in caplog.records)
        assert secret not in caplog.text
