"""The fixture `fake_health`, which pytest finds by itself once this package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from healthkit.testing import Fakes


@pytest.fixture
def fake_health() -> Iterator[Fakes]:
    """Fake the outcome of checks until the test ends: `fake_health.fail(health, "database", "read-only")`."""
    from healthkit.testing import Fakes  # not before it is wanted: the plugin is loaded in every test run

    with ExitStack() as stack:
        yield Fakes(stack)
