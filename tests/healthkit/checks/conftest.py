"""A third party, and the check that watches the calls to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from healthkit.checks.outbound import OutboundCalls
from tests.recording import RecordingServer


@pytest.fixture
def calls() -> Iterator[OutboundCalls]:
    """One that judges from two calls on, for as long as the test lasts."""
    with OutboundCalls(min_calls=2) as watching:
        yield watching


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A server of somebody else's."""
    with RecordingServer() as running:
        yield running
