"""One libcurl handle with its callbacks, used for one hop after another."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache

import pycurl

from checker.http import failures
from checker.http.addresses import refusal
from checker.http.model import ErrorKind, HttpError, Phases, Request, Response
from checker.http.target import Target

MAX_HEADER_BYTES = 65_536
CONNECTION_LIFETIME = 60  # seconds: then DNS, connect and certificate are proven anew
_STOP = -1  # what a libcurl callback returns to end the transfer
_USUAL_LINE = 200  # bytes of a header that is remembered


class _Socket(socket.socket):
    """A socket that libcurl has duplicated: our copy is closed as soon as it is let go."""

    def __del__(self) -> None:
        self.close()


class Transfer:
    """A reusable easy handle. `prepare`, let the multi handle run `curl`, then `finish` or `failure`."""

    def __init__(self, *, user_agent: str, ca_file: str | None, proxy: str, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._target: Target
        self._request: Request
        self._header_lines: list[bytes] = []
        self._header_bytes = 0
        self._chunks: list[bytes] = []
        self._received = 0
        self._truncated = False
        self._refused = ""
        self._is_resolved = False
        self._is_plain = False
        self.curl = curl = pycurl.Curl()
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (
                pycurl.FOLLOWLOCATION,
                0,
            ),  # hops are ours: libcurl would send X-Api-Key and its like to other hosts
            # One request a connection: over HTTP/2 several endpoints of a host would share a stalled one.
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.PROXY, proxy),  # "" also switches off the proxies of the environment
            (pycurl.NOPROXY, "" if proxy else "*"),
            (pycurl.MAXLIFETIME_CONN, CONNECTION_LIFETIME),
            (pycurl.USERAGENT, user_agent),
            (pycurl.OPT_CERTINFO, 1),
            (pycurl.HEADERFUNCTION, self._on_header),
            (pycurl.WRITEFUNCTION, self._on_body),
            (pycurl.OPENSOCKETFUNCTION, self._on_open_socket),
        ):
            curl.setopt(option, value)
        if ca_file is not None:
            curl.setopt(pycurl.CAINFO, ca_file)

    def prepare(self, request: Request, target: Target, addresses: Sequence[str], timeout: float) -> None:
        """Set the handle up for one hop of `request`; raise `HttpError` when it cannot be meant."""
        self._target, self._request = target, request
        self._header_lines, self._header_bytes = [], 0
        self._chunks, self._received, self._truncated, self._refused = [], 0, False, ""
        curl = self.curl
        curl.setopt(pycurl.URL, target.url)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, round(timeout * 1000)))
        if addresses or self._is_resolved:
            curl.setopt(pycurl.RESOLVE, [_resolved(target, addresses)] if addresses else [])
            self._is_resolved = bool(addresses)
        is_plain = request.method == "GET" and request.body is None
        if not (is_plain and self._is_plain):  # what it was for the hop before serves a plain GET again
            self._is_plain = False  # also if what follows raises
            _set_method(curl, request.method, request.body)
            self._is_plain = is_plain
        lines = header_lines(tuple(request.headers.items()), has_body=request.body is not None)
        curl.setopt(pycurl.HTTPHEADER, lines)

    def finish(self, dns: float) -> Response:
        """Return what the hop answered; `dns` is how long the name took, in seconds."""
        status, headers = _parse_headers(self._header_lines)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        unread = ""
        if encoding not in ("identity", ""):
            unread = f"the body came with Content-Encoding {encoding[:40]!r}, which was not asked for"
        info = self.curl.getinfo
        return Response(
            status=status,
            headers=headers,
            body=b"" if unread else b"".join(self._chunks),
            url=self._target.url,
            phases=self._phases(dns),
            truncated=self._truncated,
            unread=unread,
            address=info(pycurl.PRIMARY_IP) or "",
            certificate_expires=self._certificate_end(),
        )

    def failure(self, code: int, message: str) -> HttpError | None:
        """Return what went wrong; None when we ended the transfer with the answer in hand (a body cut)."""
        place = self._target.place
        if code == pycurl.E_WRITE_ERROR and self._truncated:
            return None
        if code == pycurl.E_WRITE_ERROR:
            reason = f"{place} sent more than {MAX_HEADER_BYTES // 1024} KiB of headers"
            return HttpError(ErrorKind.TOO_LARGE, reason)
        if code == pycurl.E_COULDNT_CONNECT and self._refused:
            return HttpError(ErrorKind.ADDRESS, f"{place} was not asked: {self._refused}")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return failures.timed_out(
                place,
                self._request.timeout,
                connected=self.curl.getinfo(pycurl.REQUEST_SIZE) > 0,
                answered=bool(self._header_lines),
                received=self._received,
            )
        return failures.translate(code, message, int(self.curl.getinfo(pycurl.OS_ERRNO)), place)

    def release(self) -> None:
        """Let go of what the last hop held, its body and its secrets: a handle at rest keeps neither."""
        self._header_lines, self._chunks = [], []
        self.curl.setopt(pycurl.HTTPHEADER, [])

    def _on_header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            return _STOP
        self._header_lines.append(line)
        return None

    def _on_body(self, chunk: bytes) -> int | None:
        room = self._request.max_bytes - self._received
        self._received += len(chunk)
        if len(chunk) <= room:
            self._chunks.append(chunk)
            return None
        self._truncated = True
        self._chunks.append(chunk[:room])
        return _STOP

    def _on_open_socket(self, _purpose: int, address: pycurl.CurlSockAddr) -> socket.socket | int:
        host = address.addr[0]
        reason = refusal(host if isinstance(host, str) else "", allow_private=self._allow_private)
        if reason:
            self._refused = f"{host} is {reason}"
            return pycurl.SOCKET_BAD
        return _Socket(address.family, address.socktype, address.protocol)

    def _phases(self, dns: float) -> Phases:
        info = self.curl.getinfo
        connect, tls = info(pycurl.CONNECT_TIME), info(pycurl.APPCONNECT_TIME)
        total = info(pycurl.TOTAL_TIME)
        return Phases(
            dns=dns,
            connect=connect,
            tls=max(0.0, tls - connect),
            first_byte=max(0.0, info(pycurl.STARTTRANSFER_TIME) - info(pycurl.PRETRANSFER_TIME)),
            total=dns + total,
        )

    def _certificate_end(self) -> float | None:
        if self._target.scheme != "https":
            return None
        chain = self.curl.getinfo_raw(pycurl.INFO_CERTINFO)
        for key, value in chain[0] if chain else ():
            if key == b"Expire date":
                return float(ssl.cert_time_to_seconds(value.decode("ascii")))
        return None


@lru_cache(maxsize=2_000)
def header_lines(headers: tuple[tuple[str, str], ...], *, has_body: bool) -> tuple[bytes, ...]:
    """Return the lines libcurl is given; raise `HttpError` for a header that could smuggle another."""
    lines = [b"Accept-Encoding: identity", b"Expect:"]
    names = set()
    for name, value in headers:
        lower = name.lower()
        names.add(lower)
        if not name or any(c in name for c in " :\r\n\0") or any(c in value for c in "\r\n\0"):
            raise HttpError(
                ErrorKind.PROTOCOL, f"the request header {name[:40]!r} holds a line break or a blank"
            )
        if lower != "accept-encoding":
            # libcurl takes "Name:" as the wish to leave a header out, and "Name;" as one without a value.
            lines.append(f"{name}: {value}".encode() if value.strip() else f"{name};".encode())
    if has_body and "content-type" not in names:
        lines.append(b"Content-Type:")  # not libcurl's guess, application/x-www-form-urlencoded
    return tuple(lines)


def _resolved(target: Target, addresses: Sequence[str]) -> str:
    listed = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
    return f"+{target.host}:{target.port}:{listed}"


def _set_method(curl: pycurl.Curl, method: str, body: bytes | None) -> None:
    if not method.isascii() or not method.isalpha():
        raise HttpError(ErrorKind.PROTOCOL, f"{method[:20]!r} is not a method of HTTP")
    curl.unsetopt(pycurl.CUSTOMREQUEST)
    curl.setopt(pycurl.HTTPGET, 1)  # also undoes POST and NOBODY of the hop before
    if body is not None:
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        curl.setopt(pycurl.POST, 1)
    elif method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    if method not in ("GET", "HEAD") or body is not None:
        curl.setopt(pycurl.CUSTOMREQUEST, method)


def _parse_headers(lines: Sequence[bytes]) -> tuple[int, dict[str, str]]:
    """Return the status and headers of the last answer in `lines` (an interim 1xx comes before it)."""
    status = 0
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            status = int(line.split(None, 2)[1])
            headers = {}
            continue
        key, text = _known_header(line) if len(line) <= _USUAL_LINE else _header(line)
        if key:
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return status, headers


def _header(line: bytes) -> tuple[str, str]:
    """Return a header's name and value, ("", "") for a line that is none."""
    name, colon, value = line.decode("latin-1").partition(":")
    return (name.strip().lower(), value.strip()) if colon else ("", "")


_known_header = lru_cache(maxsize=4_000)(_header)  # nearly every line was seen before
