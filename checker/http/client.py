"""`Http`: requests over libcurl's multi handle, driven by the running asyncio loop."""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

import pycurl

from checker.http.model import NO_HEADERS, ErrorKind, HttpError, Phases, Request, Response
from checker.http.multi import multi
from checker.http.resolver import Resolver
from checker.http.target import Target, parse
from checker.http.transfer import Transfer

USER_AGENT = "healthkit-checker"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
IDLE_CONNECTIONS = 4_000  # kept open for the next request: a quarter of the files we may open, at most
_MAX_CERTIFICATES = 10_000


class Http:
    """An asyncio HTTP client, bound to one loop. Use `async with`, or `aclose()`.

    Connections are kept and reused for up to a minute. `proxy` is a proxy's URL, "" for none: the
    environment's are not used unless given here, and behind one the address guard sees only the proxy.
    `ca_file` names the trusted certificates, the system's by default.
    """

    def __init__(self, *, user_agent: str = USER_AGENT, proxy: str = "", ca_file: str | None = None) -> None:
        self._user_agent = user_agent
        self._proxy = proxy
        self._ca_file = ca_file or default_ca_file()
        self._resolver = Resolver()
        # A connection is judged when it is opened: one opened unguarded is never lent to a guarded request.
        self._lanes = {allow_private: _Lane() for allow_private in (True, False)}
        self._certificates: dict[tuple[str, int], float] = {}

    async def request(self, request: Request) -> Response:
        """Send `request`, follow its redirects, and return the answer; raise `HttpError` when none came."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.timeout
        hop, target, before = request, parse(request.url), Phases()
        for redirects in range(request.max_redirects + 1):
            response = await self._hop(hop, target, deadline - loop.time())
            location = response.headers.get("location", "")
            if response.status not in REDIRECTS or not location or not request.max_redirects:
                return (
                    replace(response, phases=before + response.phases, redirects=redirects)
                    if redirects
                    else response
                )
            before += response.phases
            following = target.follow(location)
            hop, target = _redirected(hop, target, following, response.status), following
        raise HttpError(
            ErrorKind.TOO_MANY_REDIRECTS,
            f"more than {request.max_redirects} redirects, the last to {target.place}",
        )

    @property
    def ca_file(self) -> str | None:
        """The file of the certificates that are trusted; None for what libcurl brings along."""
        return self._ca_file

    async def addresses(self, host: str, timeout: float) -> tuple[str, ...]:
        """Return the addresses of a name, remembered for a minute; raise `HttpError` when there is none."""
        known = self._resolver.cached(host, asyncio.get_running_loop().time())
        return known if known is not None else await self._resolver.resolve(host, timeout)

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return sum(len(lane.multi.futures()) for lane in self._lanes.values())

    async def aclose(self) -> None:
        """End what is under way and close every connection."""
        for lane in self._lanes.values():
            await lane.aclose()

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _hop(self, request: Request, target: Target, left: float) -> Response:
        loop = asyncio.get_running_loop()
        dns = 0.0
        addresses: tuple[str, ...] = ()
        if not target.is_literal and not self._proxy:
            known = self._resolver.cached(target.host, loop.time())
            if known is None:
                start = loop.time()
                known = await self._resolver.resolve(target.host, max(0.001, left))
                dns = loop.time() - start
            addresses = known
        lane = self._lanes[request.allow_private]
        transfer = lane.idle.pop() if lane.idle else self._new_transfer(request.allow_private)
        transfer.prepare(request, target, addresses, left - dns)
        try:
            await lane.multi.add_handle(transfer.curl)
        except pycurl.error as problem:
            failure = transfer.failure(*_code_and_message(problem))
            if failure is not None:
                lane.give_back(transfer)
                raise failure from None
        except asyncio.CancelledError:
            lane.multi.drop(transfer.curl)  # it is never used again
            raise
        response = self._with_certificate(transfer.finish(dns), target)
        lane.give_back(transfer)
        return response

    def _new_transfer(self, allow_private: bool) -> Transfer:
        return Transfer(
            user_agent=self._user_agent, ca_file=self._ca_file, proxy=self._proxy, allow_private=allow_private
        )

    def _with_certificate(self, response: Response, target: Target) -> Response:
        """Remember the certificate's end, which libcurl tells only when a connection is new."""
        if target.scheme != "https":
            return response
        place = (target.host, target.port)
        if response.certificate_expires is None:
            return replace(response, certificate_expires=self._certificates.get(place))
        if len(self._certificates) >= _MAX_CERTIFICATES and place not in self._certificates:
            del self._certificates[next(iter(self._certificates))]
        self._certificates[place] = response.certificate_expires
        return response


class _Lane:
    """A multi handle with its connections, and the easy handles at rest."""

    def __init__(self) -> None:
        self.multi = multi()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        kept = IDLE_CONNECTIONS if files == resource.RLIM_INFINITY else min(IDLE_CONNECTIONS, files // 4)
        self.multi.setopt(pycurl.M_MAXCONNECTS, kept)
        self.idle: list[Transfer] = []

    def give_back(self, transfer: Transfer) -> None:
        transfer.release()
        self.idle.append(transfer)

    async def aclose(self) -> None:
        await self.multi.aclose()
        for transfer in self.idle:
            transfer.curl.close()
        self.idle.clear()


def default_ca_file() -> str | None:
    """Return the system's file of trusted certificates (`SSL_CERT_FILE` first), None for libcurl's own."""
    given = os.environ.get("SSL_CERT_FILE")
    return given or ssl.get_default_verify_paths().cafile


def _redirected(request: Request, source: Target, target: Target, status: int) -> Request:
    """Return the next hop's request: no headers to another origin, a GET where browsers make it one."""
    headers: Mapping[str, str] = request.headers if source.keeps_headers(target) else NO_HEADERS
    method, body = request.method, request.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
    if body is not None and not source.keeps_headers(target):
        raise HttpError(
            ErrorKind.PROTOCOL,
            f"{source.place} redirects what was sent to it to {target.place}: not followed",
        )
    return replace(request, headers=headers, method=method, body=body)


def _code_and_message(problem: pycurl.error) -> tuple[int, str]:
    if len(problem.args) == 2:
        return problem.args
    return pycurl.E_FAILED_INIT, str(problem.args[0])
