"""A TCP or TLS connection to an address that was looked up and judged first, as the HTTP client does it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from urllib.parse import SplitResult

from checker.http import ErrorKind, Http, HttpError
from checker.http.addresses import refusal
from checker.model import MonitorSpec

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(
    http: Http, spec: MonitorSpec, target: SplitResult, *, tls: bool = False
) -> AsyncIterator[Streams]:
    """Connect to the first of the host's addresses that answers; raise `HttpError` when none does."""
    host, port = target.hostname or "", target.port or 0
    context = trusting(http.ca_file) if tls else None
    streams = await _first(http, spec, host, port, context)
    try:
        yield streams
    finally:
        streams[1].transport.abort()


async def addresses(http: Http, spec: MonitorSpec, host: str) -> tuple[str, ...]:
    """Return the addresses of a host; raise `HttpError` for the first that may not be connected to."""
    found = (host,) if ":" in host or host.replace(".", "").isdigit() else await _looked_up(http, spec, host)
    for address in found:
        reason = refusal(address, allow_private=spec.probe.allow_private)
        if reason:
            raise HttpError(ErrorKind.ADDRESS, f"{host} was not asked: {address} is {reason}")
    return found


async def _looked_up(http: Http, spec: MonitorSpec, host: str) -> tuple[str, ...]:
    return await http.addresses(host, spec.timeout)


async def _first(
    http: Http, spec: MonitorSpec, host: str, port: int, context: ssl.SSLContext | None
) -> Streams:
    name = host if context else None
    failure = HttpError(ErrorKind.UNREACHABLE, f"{host} has no address")
    for address in await addresses(http, spec, host):
        try:
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
        except (OSError, ssl.SSLError) as problem:
            failure = translated(problem, f"{host}:{port}")
    raise failure


def translated(problem: OSError, place: str) -> HttpError:
    """Return what went wrong in plain words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        said = problem.verify_message or "it cannot be verified"
        return HttpError(ErrorKind.TLS, f"the certificate of {place} is not valid: {said}")
    if isinstance(problem, ssl.SSLError):
        return HttpError(ErrorKind.TLS, f"TLS with {place} failed: {problem.reason or 'no handshake'}")
    if isinstance(problem, ConnectionRefusedError):
        return HttpError(ErrorKind.REFUSED, f"connection refused by {place}")
    if isinstance(problem, ConnectionError):
        return HttpError(ErrorKind.RESET, f"{place} closed the connection")
    return HttpError(ErrorKind.UNREACHABLE, f"{place} cannot be reached: {problem.strerror or 'no route'}")


@lru_cache(maxsize=4)
def trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies by these certificates; made once, since loading them takes a while."""
    return ssl.create_default_context(cafile=ca_file)
