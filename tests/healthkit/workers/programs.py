"""Real worker processes of any library, started and ended for the tests; and what they told the checker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.recording import RecordingServer
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@contextlib.contextmanager
def program(*command: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own; it is ended, and killed if it will not go. Its log is in `folder`."""
    environ = os.environ | {"HEALTHKIT_STATE_DIR": str(folder), "PYTHONPATH": str(ROOT), **settings}
    with (folder / "worker.log").open("ab") as out:
        process = subprocess.Popen(
            command, env=environ, cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def settings(url: str) -> dict[str, str]:
    """What makes a worker beat each second, and its jobs tell their runs."""
    return {
        "HEALTHKIT_PING_URL": f"{url}/ping/key/worker",
        "HEALTHKIT_PING_EVERY": "1",
        "HEALTHKIT_JOBS_URL": f"{url}/ping/key",
    }


def beats(checker: RecordingServer) -> list[dict[str, Any]]:
    """The figures of each beat."""
    return [request.json() for request in checker.requests if request.path == "/ping/key/worker"]


def pings(checker: RecordingServer, job: str) -> list[str]:
    """The suffixes of a job's pings, all made with `create=1`."""
    found = [request for request in checker.requests if request.path.startswith(f"/ping/key/{job}")]
    assert all(request.query["create"] == "1" for request in found)
    return [request.path.removeprefix(f"/ping/key/{job}") for request in found]


def wait_for_pings(checker: RecordingServer, job: str, *expected: str) -> None:
    """Wait until a job's pings are these."""
    wait_for(lambda: len(pings(checker, job)) >= len(expected), 30, f"pings of {job}")
    assert pings(checker, job) == list(expected)


def body(checker: RecordingServer, path: str) -> str:
    """The body of the last ping to a path."""
    return [request for request in checker.requests if request.path == f"/ping/key/{path}"][-1].body.decode()


def one_run(checker: RecordingServer, job: str) -> bool:
    """Whether all of a job's pings bear the same run id."""
    found = [request for request in checker.requests if request.path.startswith(f"/ping/key/{job}")]
    return len({request.query["rid"] for request in found}) == 1


def gaps(checker: RecordingServer) -> list[float]:
    """The seconds between beats."""
    times = [request.at for request in checker.requests if request.path == "/ping/key/worker"]
    return [after - before for before, after in pairwise(times)]
