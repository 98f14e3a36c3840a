"""A real `healthkit-checker run` in a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
PING_KEY = "e2e0123456789abcdefgh"

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
database = "sqlite:///{folder}/checker.db"
ping_key = "{ping_key}"

[[channel]]
name = "alerts"
kind = "webhook"
url = "{webhook}"

"""


class RunningChecker:
    """A checker process; the port stays the same over `kill()` and `start()`."""

    def __init__(self, folder: Path, webhook: str, monitors: str, port: int) -> None:
        self.folder, self.port = folder, port
        self.config = folder / "checker.toml"
        head = CONFIG.format(port=port, folder=folder, ping_key=PING_KEY, webhook=webhook)
        self.config.write_text(head + monitors)
        self.printed = folder / "checker.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def ping_url(self, slug: str) -> str:
        """A heartbeat's ping URL."""
        return f"{self.url}/ping/{PING_KEY}/{slug}"

    def start(self) -> Self:
        """Start it and wait until it listens."""
        before = len(self.output)
        with self.printed.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "checker", "run", "--config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        wait_for(lambda: "listening on" in self.output[before:] or self.ended, 30, "the checker's start")
        assert not self.ended, self.output
        return self

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process is not None and self.process.poll() is not None

    @property
    def output(self) -> str:
        """All it has printed."""
        return self.printed.read_text() if self.printed.exists() else ""

    def kill(self) -> None:
        """End it as kill -9 does."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it in order and return its exit code."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def status(self) -> dict[str, Any]:
        """What `healthkit-checker status --json` prints, the monitors by name."""
        command = [sys.executable, "-m", "checker", "status", "--json", "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode in (0, 1), done.stderr
        return {monitor["name"]: monitor for monitor in json.loads(done.stdout)["monitors"]}

    def pings(self, slug: str) -> int:
        """How many pings of a heartbeat are in the store."""
        store = sqlite3.connect(self.folder / "checker.db")
        query = "SELECT count(*) FROM ping JOIN monitor ON monitor.id = ping.monitor_id WHERE slug = ?"
        with contextlib.closing(store):
            return int(store.execute(query, (slug,)).fetchone()[0])

    def state(self, name: str) -> str:
        """One monitor's state."""
        return str(self.status()[name]["state"])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.stop()
        if error is None:
            assert code in (0, -signal.SIGKILL), f"exit code {code}\n{self.output}"
            assert not re.search(r"Traceback", self.output), self.output


def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m COMMAND` from the project's root."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
