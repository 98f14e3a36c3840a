"""A ping and where it goes: the frozen nouns of the sending side, and their form on the wire and on disk.

The wire is that of Healthchecks (`<url>[/start|/fail|/log|/<exit code>]?rid=<uuid>`); a JSON body carries
what a plain one cannot: `processed`, `backlog`, and `at`, the true time of a ping that is delivered late.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from healthkit.errors import ConfigurationError

NO_FIGURES: Mapping[str, Any] = MappingProxyType({})
MAX_OUTPUT = 10_000  # bytes; what Healthchecks keeps of a body by default
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


class Target(NamedTuple):
    """A ping URL, taken apart. `shown` is what a log may say of it: its path holds a key."""

    url: str
    origin: str  # scheme://host:port
    path: str  # quoted, without a trailing slash
    query: str
    shown: str
    authorization: str = ""  # from user:password@ in the URL

    def __repr__(self) -> str:
        return f"Target({self.shown!r})"


class Ping(NamedTuple):
    """One sign of a job. `at` is when it happened (epoch seconds).

    `suffix` is "", "/start", "/fail", "/log" or "/<0-255>". `figures` holds `processed`, `backlog` and the
    like. A `fleeting` ping may be replaced by a later one of the same job before it is sent.
    """

    target: Target
    suffix: str
    at: float
    rid: str = ""
    output: str = ""
    figures: Mapping[str, Any] = NO_FIGURES
    fleeting: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What one ping of a run shares with the next."""
        return self.target.url, self.rid

    @property
    def expendable(self) -> bool:
        """Whether it may be dropped under pressure: notes and progress may, outcomes never."""
        return self.fleeting or self.suffix == "/log"


class Request(NamedTuple):
    """A ping as HTTP: `target` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


def target(url: object, *, what: str = "ping URL") -> Target:
    """Return a ping URL taken apart.

    Raises `ConfigurationError`, naming `what` and never the key in the URL's path, for anything that is not
    `http(s)://host/path`.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"{what}: expected text such as {_EXAMPLE!r}, got {type(url).__name__}")
    parts, port = _split(url.strip(), what)
    host = _host(parts.hostname or "", what)
    origin = f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Target(url.strip(), origin, path, query, f"{origin}{_shown(parts.path)}", basic(parts))


def _host(host: str, what: str) -> str:
    if ":" in host:
        return f"[{host}]"
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise ConfigurationError(f"{what}: host {host!r} cannot be a host's name") from None


_EXAMPLE = "https://checker.example/ping/<key>/<name>"


def _split(url: str, what: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{what}: cannot be read as a URL; expected {_EXAMPLE!r}") from None
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"{what}: scheme {parts.scheme[:20]!r} is not http or https; {_WRITE}")
    if not parts.hostname:
        raise ConfigurationError(f"{what}: names no host; {_WRITE}")
    where = f"{parts.scheme}://{parts.hostname}"
    if not parts.path.strip("/"):
        raise ConfigurationError(f"{what} at {where}: has no path, so it names no heartbeat; {_WRITE}")
    if _FORBIDDEN.search(url):
        raise ConfigurationError(f"{what} at {where}: holds a space or control character; {_WRITE}")
    return parts, port


_WRITE = f"write it like {_EXAMPLE!r}"


def _shown(path: str) -> str:
    """Return what is no secret in a path: the slug behind a key, and nothing of one that ends in a uuid."""
    parts = path.strip("/").split("/")
    if len(parts) >= 3 and not _UUID.fullmatch(parts[-1]):
        return f"/{parts[0]}/.../{parts[-1]}"
    return "/..."


def basic(parts: SplitResult) -> str:
    """Return the `Authorization` that a URL's user:password stands for, "" when it has none."""
    if parts.username is None:
        return ""
    import base64

    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def request(ping: Ping, *, late: bool) -> Request:
    """Return a ping as HTTP: plain where that says it all, JSON with its true time `at` when it is `late`."""
    headers = {"User-Agent": "healthkit", "Accept": "*/*"}
    if ping.target.authorization:
        headers["Authorization"] = ping.target.authorization
    query = "&".join(part for part in (ping.target.query, f"rid={ping.rid}" if ping.rid else "") if part)
    path = ping.target.path + ping.suffix + (f"?{query}" if query else "")
    body = _body(ping, late)
    if body is None:
        return Request("GET", path, headers, None)
    structured = late or bool(ping.figures)
    headers["Content-Type"] = "application/json" if structured else "text/plain; charset=utf-8"
    return Request("POST", path, headers, body)


def _body(ping: Ping, late: bool) -> bytes | None:
    if not late and not ping.figures:
        return ping.output.encode("utf-8", "replace") or None
    document = dict(ping.figures)
    if late:
        document["at"] = round(ping.at, 3)
    if ping.output:
        document["output"] = ping.output
    return json.dumps(document, default=str).encode()


def record(ping: Ping) -> dict[str, Any]:
    """Return a ping as the journal keeps it."""
    return {
        "url": ping.target.url,
        "suffix": ping.suffix,
        "at": ping.at,
        "rid": ping.rid,
        "output": ping.output,
        "figures": dict(ping.figures),
    }


def from_record(entry: Mapping[str, Any]) -> Ping:
    """Return the ping of a journal's entry; raises `LookupError`, `TypeError` or `ValueError` when it is
    none.
    """
    return Ping(
        target(entry["url"]),
        str(entry["suffix"]),
        float(entry["at"]),
        str(entry["rid"]),
        str(entry["output"]),
        dict(entry["figures"]),
    )


def tail(text: str, limit: int = MAX_OUTPUT) -> str:
    """Return the last `limit` bytes of a text, cut between characters and marked where it was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    mark = "...\n" if limit > 10 else ""
    return mark + raw[len(raw) - limit + len(mark) :].decode("utf-8", "ignore")


def new_rid() -> str:
    """Return a fresh run id (a random uuid)."""
    raw = bytearray(os.urandom(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80  # RFC 9562: version 4, variant 1
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
