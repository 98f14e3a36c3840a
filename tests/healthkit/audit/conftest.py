"""What the tests of the audit share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.healthkit.audit.samples import Sample


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A project to be written in a folder that is this test's own."""
    return Sample(tmp_path, monkeypatch)
