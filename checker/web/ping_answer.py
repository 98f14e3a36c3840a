"""What goes back to who pings: few answers, again and again, so each is written out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from checker.web.ping_request import AT_ONCE, BODY_LIMIT, Message, Scope, Send

RETRY_AFTER = 5  # seconds

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_HEADERS = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"max-age=0, no-cache, no-store, must-revalidate, private"),
    (b"x-content-type-options", b"nosniff"),
]
_LIMIT = (b"ping-body-limit", str(BODY_LIMIT).encode())
_CLOSE = (b"connection", b"close")
_RETRY = (b"retry-after", str(RETRY_AFTER).encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a text (JSON where it says so), and whether the connection ends with it."""

    status: int
    text: str
    close: bool = False
    json: bool = False
    note: str = ""  # what is wrong with what the job announced of itself


OK = Answer(200, "OK")
CREATED = Answer(201, "Created")
OVERLOADED = Answer(503, "overloaded, try again")


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Send an answer: at once where the server can do that, else as the two messages of ASGI."""
    start, body, whole = _written(answer)
    at_once = scope.get("extensions", {}).get(AT_ONCE)
    if answer.close or at_once is None or not at_once(answer.status, whole):
        await send(start)
        await send(body)


@lru_cache(maxsize=256)
def _written(answer: Answer) -> tuple[Message, Message, bytes]:
    """Return the two messages of ASGI, which servers read and leave as they are, and the same as bytes."""
    text = answer.text.encode()
    headers = [_JSON if answer.json else _TEXT, *_HEADERS, (b"content-length", str(len(text)).encode())]
    if answer.status < 300:
        headers.append(_LIMIT)
    if answer.status == 503:
        headers.append(_RETRY)
    if answer.close:
        headers.append(_CLOSE)
    if answer.note:
        headers.append((b"healthkit-announcement", b"left out: " + _visible(answer.note)))
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    whole = b"".join(b"%s: %s\r\n" % each for each in headers) + b"\r\n" + text
    return start, {"type": "http.response.body", "body": text}, whole


def _visible(text: str) -> bytes:
    """Return text that a header can hold."""
    return "".join(each if " " <= each <= "~" else "?" for each in text[:500]).encode()
