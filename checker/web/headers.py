"""The headers every page carries: no script or style but our own, no framing, no sniffing, nothing cached."""

from __future__ import annotations

from checker.web.ping import App, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_UNCACHED = (b"cache-control", b"no-store")
_CACHED = (b"cache-control", b"no-cache")  # kept, and asked for again: a new version is seen at once


class SafeHeaders:
    """ASGI middleware: adds the headers, and keeps a `Cache-Control` that is there already."""

    def __init__(self, behind: App) -> None:
        self.behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app behind answer, with the headers on top."""
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        fresh = _CACHED if scope["path"].startswith("/static/") else _UNCACHED

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                headers += [pair for pair in (*_ALWAYS, fresh) if pair[0] not in names]
                message = {**message, "headers": headers}
            await send(message)

        await self.behind(scope, receive, with_headers)
