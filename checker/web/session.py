"""Who is signed in on the pages: a cookie that the admin_token signs, and forms that only our pages can send.

The cookie says until when it holds, signed with a key made of the token: a changed token ends every session.
A form carries a token of its own, made of the cookie; another site knows neither, and `SameSite=Lax` keeps
the cookie out of what it posts.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response

from checker.config import ServerConfig

COOKIE = "healthkit"
LASTS = 12 * 3_600  # seconds


def sign_in(server: ServerConfig, request: Request, response: Response, now: float) -> None:
    """Let this browser act for the next twelve hours."""
    until = str(int(now) + LASTS)
    response.set_cookie(
        COOKIE,
        f"{until}.{_mac(server, 'session', until)}",
        max_age=LASTS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" or (server.public_url or "").startswith("https:"),
    )


def sign_out(response: Response) -> None:
    """Forget this browser."""
    response.delete_cookie(COOKIE)


def form_token(server: ServerConfig, request: Request, now: float) -> str:
    """Return what a form of this browser must carry; empty where nobody is signed in."""
    value = request.cookies.get(COOKIE, "")
    until, _, mac = value.partition(".")
    if not server.admin_token or not until.isascii() or not until.isdigit() or len(until) > 12:
        return ""
    if int(until) <= now or not _same(mac, _mac(server, "session", until)):
        return ""
    return _mac(server, "form", value)


def may_act(server: ServerConfig, request: Request, token: str, now: float) -> bool:
    """Tell whether a form came from a page of ours, by somebody who is signed in."""
    wanted = form_token(server, request, now)
    return bool(wanted) and _same(token, wanted)


def _mac(server: ServerConfig, use: str, text: str) -> str:
    key = sha256(f"healthkit {use}\0{server.admin_token}".encode()).digest()
    return hmac.new(key, text.encode("utf-8", "replace"), sha256).hexdigest()


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
