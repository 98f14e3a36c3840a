"""`tls://host:port`: a handshake, and how long the certificate is still valid."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from urllib.parse import SplitResult

from checker.conditions import Seen
from checker.conditions.judge import Outcome
from checker.http import Http
from checker.looks.connection import connected
from checker.model import Cause, MonitorSpec, Verdict


async def look(http: Http, spec: MonitorSpec, target: SplitResult) -> tuple[Seen, Outcome]:
    """Shake hands; `certificate` of what is returned is the moment of its end, in epoch seconds."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with connected(http, spec, target, tls=True) as (_, writer):
        latency = loop.time() - start
        certificate = writer.get_extra_info("peercert") or {}
        ends = certificate.get("notAfter")
        seen = Seen(latency=latency, certificate=float(ssl.cert_time_to_seconds(ends)) if ends else None)
        return seen, (Verdict.PASS, Cause.NONE, "")


def left(seen: Seen, at: float) -> Seen:
    """Return what was seen with the time that is left, in the place of the moment."""
    return seen if seen.certificate is None else replace(seen, certificate=seen.certificate - at)
