"""`tcp://host:port`: a connection, and where a condition asks for the body, what is said on it."""

from __future__ import annotations

import asyncio
from urllib.parse import SplitResult

from checker.conditions import Seen
from checker.conditions.judge import Outcome, asks_for, judged
from checker.http import Http
from checker.looks.connection import connected, translated
from checker.model import Cause, MonitorSpec, Verdict

MAX_BYTES = 65_536
_FINE: Outcome = (Verdict.PASS, Cause.NONE, "")


async def look(http: Http, spec: MonitorSpec, target: SplitResult) -> tuple[Seen, Outcome]:
    """Connect, send what is to be sent, and listen until the conditions hold, as long as there is time."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with connected(http, spec, target) as (reader, writer):
        heard: bytes | None = None
        try:
            if spec.probe.body:
                writer.write(spec.probe.body.encode())
                await writer.drain()
            if asks_for(spec.probe.all_conditions, "body"):
                heard = await _listen(reader, spec, start + 0.95 * spec.timeout)
        except OSError as problem:
            raise translated(problem, target.netloc) from None
        return Seen(latency=loop.time() - start, body=heard), _FINE


async def _listen(reader: asyncio.StreamReader, spec: MonitorSpec, until: float) -> bytes:
    """Return what was said before it was enough, too much, or too late."""
    heard = b""
    try:
        async with asyncio.timeout_at(until):
            while len(heard) < MAX_BYTES and (more := await reader.read(MAX_BYTES - len(heard))):
                heard += more
                if judged(spec.probe, Seen(latency=0.0, body=heard), _FINE) == _FINE:
                    break
    except TimeoutError:
        pass  # the conditions tell what is missing
    return heard
