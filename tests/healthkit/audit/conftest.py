"""What the tests of the audit share."""

from __future__ import annotations

from pathlib import Path

import pytest

from healthkit.audit import observation
from tests.healthkit.audit import ready
from tests.healthkit.audit.samples import Sample


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """A project to be written in a folder that is this test's own."""
    return Sample(tmp_path, monkeypatch)


@pytest.fixture
def imports_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have apps looked at by a process with its imports done: what the command makes of it is the subject."""
    monkeypatch.setattr(observation, "_run", ready.look)
