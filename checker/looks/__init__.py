"""Looks at what has no HTTP: a TCP port, a certificate, a name. One short file a scheme."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from checker.conditions import Seen
from checker.conditions.judge import Outcome, judged
from checker.http import ErrorKind, Http, HttpError
from checker.looks import certificate, dns, tcp
from checker.model import MonitorSpec, Poll
from healthkit.bounds import clean
from healthkit.durations import humanize

MAX_REASON = 500

# Each returns what it saw, and what it makes of it before any condition is asked.
SCHEMES: Mapping[str, Callable[[Http, MonitorSpec, SplitResult], Awaitable[tuple[Seen, Outcome]]]] = {
    "tcp": tcp.look,
    "tls": certificate.look,
    "dns": dns.look,
}


async def look(http: Http, spec: MonitorSpec, *, clock: Callable[[], float]) -> Poll:
    """Look once, within the endpoint's timeout; raise `HttpError` when nothing answered."""
    target = urlsplit(spec.url)
    try:
        async with asyncio.timeout(spec.timeout):
            seen, outcome = await SCHEMES[target.scheme](http, spec, target)
    except TimeoutError:
        place = target.netloc.rpartition("@")[2]
        reason = f"{place} gave no answer within {humanize(spec.timeout)}"
        raise HttpError(ErrorKind.TIMEOUT, reason) from None
    at = clock()
    if seen.certificate is not None:
        seen = certificate.left(seen, at)
    verdict, cause, reason = judged(spec.probe, seen, outcome)
    return Poll(verdict, at, cause, clean(reason, MAX_REASON), latency=seen.latency)
