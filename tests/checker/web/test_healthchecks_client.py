"""The published client library of Healthchecks drives the checker unchanged, in every version of the API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checker.web.served import served
from tests.checker.web.site import ADMIN, PING_KEY, READER, Site

PROGRAM = Path(__file__).parents[1] / "programs" / "healthchecks_client.py"


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_the_published_client_drives_it(tmp_path: Path, version: str) -> None:
    site = Site(tmp_path)
    site.live = True
    with served(site.app) as url:
        command = [sys.executable, str(PROGRAM), url, ADMIN, READER, PING_KEY, version]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    site.close()
    assert done.stdout == "driven\n", done.stderr
