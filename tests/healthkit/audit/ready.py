"""Audits in copies of one process that has the imports done, which take longer than all the rest.

`test_command.py` and `test_apps.py` audit as the command does: in a new process each.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOOKING = Path(__file__).with_name("looking.py")


def look(command: list[str], _target: str, _timeout: float) -> None:
    """Stand for the start of a process in `healthkit.audit.observation`: have the facts written."""
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    request = {"words": command[-2:], "folder": str(Path.cwd()), "environment": dict(os.environ)}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"done\n", "the process that is ready has ended"


@cache
def _process() -> subprocess.Popen[bytes]:
    text = LOOKING.read_text(
        "utf-8"
    )  # not by its name: a file of the project would pass for one of the app's
    process = subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(process.communicate)
    return process
