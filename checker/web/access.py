"""Who may read and who may write: by token, or by being on this very machine.

- `admin_token` reads and writes, `read_only_token` reads. They come as `Authorization: Bearer`, as
  `X-Api-Key` of the management API, and, for pages alone, as the password of HTTP Basic with any user name: a
  browser sends that by itself from any site, so it must never be enough to change something.
- Where neither token is configured, the API may be read from this machine: the server listens on a loopback
  address, and no proxy has forwarded the request. Nobody may write.
- Pages are open on this machine. From elsewhere they want a token; where none is configured, they are closed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from enum import IntEnum

from fastapi import HTTPException, Request

from checker.config import ServerConfig
from checker.config_values import is_local

_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host")
_BASIC = {"WWW-Authenticate": 'Basic realm="healthkit", charset="UTF-8"'}
_BEARER = {"WWW-Authenticate": "Bearer"}

NO_TOKEN = (
    'no token is configured: set "admin_token" under [server] in checker.toml to '
    "{verb} it, and send it as {header}"
)


class Right(IntEnum):
    """What a caller may do; each includes what comes before."""

    NONE = 0
    READ = 1
    WRITE = 2


def right_of(server: ServerConfig, token: str) -> Right:
    """Return what a token allows, in a time that does not tell how right it is."""
    if server.admin_token and _same(token, server.admin_token):
        return Right.WRITE
    if server.read_only_token and _same(token, server.read_only_token):
        return Right.READ
    return Right.NONE


def is_open(server: ServerConfig) -> bool:
    """Tell whether no token is configured at all."""
    return not server.admin_token and not server.read_only_token


def is_here(server: ServerConfig, request: Request) -> bool:
    """Tell whether a request comes from this machine: to a loopback address, and through no proxy."""
    return is_local(server.host) and not any(name in request.headers for name in _FORWARDED)


def may_read_api(server: ServerConfig, request: Request) -> None:
    """Let a caller read `/api`, or raise 401 or 403."""
    if right_of(server, bearer(request)) >= Right.READ:
        return
    if not is_open(server):
        raise HTTPException(401, "send the admin_token as Authorization: Bearer", _BEARER)
    if not is_here(server, request):
        raise HTTPException(403, NO_TOKEN.format(verb="read", header="Authorization: Bearer"))


def may_write_api(server: ServerConfig, request: Request) -> None:
    """Let a caller change something by `/api`, or raise 401 or 403."""
    right = right_of(server, bearer(request))
    if right is Right.WRITE:
        return
    if right is Right.READ:
        raise HTTPException(403, "the read_only_token may read only: send the admin_token")
    if not server.admin_token:
        raise HTTPException(403, NO_TOKEN.format(verb="change", header="Authorization: Bearer"))
    raise HTTPException(401, "send the admin_token as Authorization: Bearer", _BEARER)


def may_see_pages(server: ServerConfig, request: Request) -> None:
    """Let a caller see the dashboard, incidents and metrics, or raise 401 or 403."""
    if is_here(server, request) or right_of(server, _password(request) or bearer(request)) >= Right.READ:
        return
    if is_open(server):
        text = 'this page is closed to other machines: set "admin_token" under [server] in checker.toml, '
        raise HTTPException(403, f"{text}then log in with any user name and the token as the password")
    raise HTTPException(401, "log in with any user name and the admin_token as the password", _BASIC)


def bearer(request: Request) -> str:
    """Return the token of `Authorization: Bearer`, empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _password(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
