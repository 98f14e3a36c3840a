"""A ping's address, read: `/ping/<uuid>`, `/ping/<key>/<slug>` and their suffixes. Pure, and it never raises.

The grammar, statuses and texts are those of Healthchecks (hc/api/urls.py and views.py of that project), so
that its clients work unchanged. `/ping/<token>` with any other token is QuietPulse's shape, and
`/api/ping/<slug>` is PulseMon's, for servers that allow open slugs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from checker.announced import said
from checker.model import PingKind

SLUG_LIMIT = 100  # longer ones make Healthchecks answer 500; here they are no valid url
_REMEMBERED = 200  # characters of an address that is remembered as parsed
QUERY_LIMIT = 4096  # characters; more than any client sends

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SUFFIX = r"(?:/(?P<word>start|fail|log)|/(?P<code>[0-9]+))?"
_BY_TOKEN = re.compile(rf"/ping/(?P<token>{_UUID})(?:/|{_SUFFIX})", re.ASCII)
_BY_SLUG = re.compile(rf"/ping/(?P<key>[-a-zA-Z0-9_]+)/(?P<slug>[-a-zA-Z0-9_]+){_SUFFIX}", re.ASCII)
_OPAQUE = re.compile(r"/ping/(?P<token>[-a-zA-Z0-9_]{8,200})/?", re.ASCII)
_RID = re.compile(_UUID, re.ASCII | re.IGNORECASE)
_OPEN = re.compile(rf"/api/ping/(?P<slug>[-a-zA-Z0-9_]+){_SUFFIX}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """What a ping's address means: by `token`, by `key` and `slug`, or by `slug` alone (`open`).

    `rid` is empty or a lower-case uuid with dashes; `fault` is a text that must be answered with 400, but
    only once the monitor is known to exist (Healthchecks says 404 first).
    """

    kind: PingKind
    token: str = ""
    key: str = ""
    slug: str = ""
    open: bool = False
    exit_code: int | None = None
    rid: str = ""
    create: bool = False
    announced: str = ""  # what a job with a key says of itself beside `create=1`
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An address that is none: the status and the exact text (JSON where it says so) to answer with."""

    status: int
    text: str
    json: bool = False


NOT_FOUND = Refusal(404, "not found")
BAD_URL = Refusal(400, "invalid url format")
BAD_RID = Refusal(400, "invalid uuid format")


def parse_ping(path: str, query: bytes) -> Target | Refusal:
    """Return the target that a decoded path and a raw query string address, or why they address none."""
    if query or len(path) > _REMEMBERED:
        return _parse(path, query)
    return _parse_again(path)


@lru_cache(maxsize=4096)  # jobs ping the same address for years
def _parse_again(path: str) -> Target | Refusal:
    return _parse(path, b"")


def _parse(path: str, query: bytes) -> Target | Refusal:
    match = (
        _BY_TOKEN.fullmatch(path)
        or _BY_SLUG.fullmatch(path)
        or _OPEN.fullmatch(path)
        or _OPAQUE.fullmatch(path)
    )
    if match is None:
        return NOT_FOUND
    found = match.groupdict()
    slug = found.get("slug") or ""
    kind, exit_code, fault = _sign(found.get("word"), found.get("code"))
    if slug != slug.lower() or len(slug) > SLUG_LIMIT:
        return BAD_URL
    rid, create, announced = "", False, ""
    if query:
        asked = query_fields(query)
        create = bool(slug) and asked.get("create") == "1"
        announced = said(asked) if create and found.get("key") else ""
        if "rid" in asked:
            rid = asked["rid"].lower() if _RID.fullmatch(asked["rid"]) else ""
            fault = fault or ("" if rid else BAD_RID.text)
    return Target(
        kind=kind,
        token=found.get("token") or "",
        key=found.get("key") or "",
        slug=slug,
        open=path.startswith("/api/"),
        exit_code=exit_code,
        rid=rid,
        create=create,
        announced=announced,
        fault=fault,
    )


def _sign(word: str | None, code: str | None) -> tuple[PingKind, int | None, str]:
    """Return the sign, the exit code and the fault of a suffix; leading zeros are fine, above 255 is not."""
    if code is not None:
        digits = code.lstrip("0") or "0"
        if len(digits) > 3 or int(digits) > 255:
            return PingKind.FAIL, None, BAD_URL.text
        return (PingKind.FAIL if int(digits) else PingKind.SUCCESS), int(digits), ""
    return PingKind(word or "success"), None, ""


def query_fields(query: bytes) -> dict[str, str]:
    """Return the query's fields, the last of each name, as Django does."""
    text = query[:QUERY_LIMIT].decode("latin-1")
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
