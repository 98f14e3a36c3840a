"""Starts the process that builds the app, and returns what it saw there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from healthkit.audit.facts import Facts, load
from healthkit.durations import humanize
from healthkit.errors import ConfigurationError


def observe(target: str, timeout: float) -> Facts:
    """Return what was seen of the app within `timeout` seconds.

    Raises `ConfigurationError` when it cannot be imported or built.
    """
    with tempfile.TemporaryDirectory(prefix="healthkit-audit-") as folder:
        out = Path(folder) / "facts.json"
        _run([sys.executable, "-m", "healthkit.audit.inside", target, str(out)], target, timeout)
        try:
            seen = json.loads(out.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ConfigurationError(
                f"{target}: the process that imported it ended before the app was there; "
                f"try `python -c 'import {target.partition(':')[0]}'`"
            ) from None
    if "error" in seen:
        raise ConfigurationError(seen["error"])
    return load(seen)


def _run(command: list[str], target: str, timeout: float) -> None:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # what an app prints is no finding, and may hold a secret
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{target}: not imported within {humanize(timeout)}; give it longer with --timeout, or look for "
            "what its module does on import"
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # and whatever the app started
        process.wait()
