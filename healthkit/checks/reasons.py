"""Why a call over the network failed: one line that names the class of reason, and quotes nothing.

A driver's own message may hold a DSN, so it is read to tell the class and never shown.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

REFUSED = "unreachable: connection refused"
LOST = "unreachable: the connection was lost"
NO_NAME = "unreachable: the host name is not known"
NO_ROUTE = "unreachable: no route to the host"
NO_SOCKET = "unreachable: no such socket, or no permission to use it"
TLS = "TLS: the certificate or the handshake was refused"
TIMED_OUT = "timed out: no answer within the limit"

_BY_NUMBER = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: LOST,
    errno.ECONNABORTED: LOST,
    errno.EPIPE: LOST,
    errno.ENETUNREACH: NO_ROUTE,
    errno.EHOSTUNREACH: NO_ROUTE,
    errno.EADDRNOTAVAIL: NO_ROUTE,
    errno.ETIMEDOUT: TIMED_OUT,
    errno.ENOENT: NO_SOCKET,
    errno.EACCES: NO_SOCKET,
}
_BY_TEXT = (  # libraries that keep only the text of the system's error
    ("connection refused", REFUSED),
    ("timed out", TIMED_OUT),
    ("timeout", TIMED_OUT),
    ("name or service not known", NO_NAME),
    ("could not translate host name", NO_NAME),
    ("failed to resolve", NO_NAME),
    ("name resolution", NO_NAME),
    ("nodename nor servname", NO_NAME),
    ("no route to host", NO_ROUTE),
    ("network is unreachable", NO_ROUTE),
    ("certificate", TLS),
    ("connection reset", LOST),
    ("connection closed", LOST),
    ("closed the connection", LOST),
    ("broken pipe", LOST),
)
_DEPTH = 8


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it wraps (SQLAlchemy's `orig`), and what caused it; eight at most."""
    waiting, seen = [error], 0
    while waiting and seen < _DEPTH:
        one = waiting.pop(0)
        seen += 1
        yield one
        below = (getattr(one, "orig", None), one.__cause__, one.__context__)
        waiting += [link for link in below if isinstance(link, BaseException) and link not in waiting]


def network_reason(error: BaseException) -> str | None:
    """Return the reason when an error came from the network, told by its type; None for any other error."""
    return next((reason for cause in causes(error) if (reason := _of(cause))), None)


def reason_in_text(error: BaseException) -> str | None:
    """Return the reason that an error's text tells, for libraries that keep no more than that."""
    text = str(error).lower()
    return next((reason for words, reason in _BY_TEXT if words in text), None)


def _of(error: BaseException) -> str | None:
    if isinstance(error, socket.gaierror):
        return NO_NAME
    if isinstance(error, ssl.SSLError):
        return TLS
    if isinstance(error, TimeoutError):  # asyncio's and socket's too
        return TIMED_OUT
    if isinstance(error, OSError):
        known = _BY_NUMBER.get(error.errno or 0) or reason_in_text(error)
        return known or (LOST if isinstance(error, ConnectionError) else None)
    return None
