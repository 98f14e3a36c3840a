"""The checker that workers tell: one that is there, and one that is in trouble."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recording import RecordingServer, black_hole


@pytest.fixture
def checker() -> Iterator[RecordingServer]:
    """A checker that takes every ping."""
    with RecordingServer() as server:
        yield server


@pytest.fixture(params=["black hole", "nonsense"])
def trouble(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a checker that never answers, and what is no URL at all."""
    with black_hole() as hole:
        yield hole if request.param == "black hole" else "nonsense"
