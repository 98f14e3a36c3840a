"""blackbox_exporter as a poller: a probe an HTTP request, asked for at an even pace; it stores nothing."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from bench._polling.plan import Measured, Plan, percentile, urls
from checker.http import Http, HttpError, Request

NAMES = ("prometheus-blackbox-exporter", "blackbox_exporter")
RATE = 300.0  # probes a second: what it can surely do, since only the cost of one is asked for
_CONFIG = "modules: {http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}\n"


HOW = (
    "it is not installed; install Debian's prometheus-blackbox-exporter, or name the program in "
    "BLACKBOX_EXPORTER=/path/to/it"
)


def found() -> str | None:
    """Return the program, where it is installed; exit where `BLACKBOX_EXPORTER` names none that can run."""
    given = os.environ.get("BLACKBOX_EXPORTER")
    if given and shutil.which(given) is None:
        raise SystemExit(f"BLACKBOX_EXPORTER={given}: no program that can be run")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


def measure(program: str, plan: Plan) -> Measured:
    """Let it probe the plan's endpoints in turn, and count its own CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with TemporaryDirectory(prefix="healthkit-bench-") as folder:
        config = Path(folder) / "blackbox.yml"
        config.write_text(_CONFIG, encoding="utf-8")
        command = [program, f"--config.file={config}", f"--web.listen-address={place}", "--log.level=error"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                return asyncio.run(_drive(process.pid, f"http://{place}", plan))
            finally:
                process.terminate()
                process.wait(10)


async def _drive(pid: int, base: str, plan: Plan) -> Measured:
    async with Http() as http:
        await _until_up(http, base)
        targets = urls(plan)
        began, cpu, late, good = time.monotonic(), _cpu(pid), [], 0
        waiting: list[asyncio.Task[bool]] = []
        for number in range(int(plan.seconds * RATE)):
            planned = began + number / RATE
            await asyncio.sleep(max(0.0, planned - time.monotonic()))
            late.append(max(0.0, time.monotonic() - planned))
            url = f"{base}/probe?module=http_2xx&target={quote(targets[number % len(targets)], safe='')}"
            waiting.append(asyncio.create_task(_probe(http, url)))
        good = sum(await asyncio.gather(*waiting))
        cpu = _cpu(pid) - cpu
    late.sort()
    return Measured(
        polls=max(1, good),
        expected=plan.seconds * RATE,
        rows=0,
        cpu=cpu,
        drift_p50=percentile(late, 50),
        drift_p99=percentile(late, 99),
        peak_mb=_peak_mb(pid),
    )


async def _probe(http: Http, url: str) -> bool:
    try:
        return b"\nprobe_success 1" in (await http.request(Request(url))).body
    except HttpError:
        return False


async def _until_up(http: Http, base: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            await http.request(Request(f"{base}/-/healthy", timeout=1))
        except HttpError:
            await asyncio.sleep(0.1)
        else:
            return
    raise TimeoutError("blackbox_exporter did not start within 20 s")


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process, from its fields in /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20
