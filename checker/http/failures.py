"""libcurl's error codes, said in plain words."""

from __future__ import annotations

import errno

import pycurl

from checker.http.model import ErrorKind, HttpError
from healthkit.durations import humanize

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_TLS = {
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_USE_SSL_FAILED,
}
_CUT = {
    pycurl.E_GOT_NOTHING: "closed the connection without an answer",
    pycurl.E_PARTIAL_FILE: "ended the connection before the answer was complete",
    pycurl.E_SEND_ERROR: "cut the connection while the request was being sent",
    pycurl.E_RECV_ERROR: "cut the connection before the answer was complete",
}
# What OpenSSL says, and what a person reads.
_TLS_WORDS = (
    ("certificate has expired", "its certificate has expired"),
    ("not yet valid", "its certificate is not valid yet"),
    (
        "self-signed certificate",
        "its certificate is self-signed, or signed by an authority that is not trusted here",
    ),
    (
        "self signed certificate",
        "its certificate is self-signed, or signed by an authority that is not trusted here",
    ),
    ("unable to get local issuer", "its certificate is signed by an authority that is not trusted here"),
    ("no alternative certificate subject name", "its certificate is for another name"),
    ("subject name", "its certificate is for another name"),
    ("wrong version number", "it does not speak TLS there"),
    ("packet length too long", "it does not speak TLS there"),
    ("unexpected eof", "it ended the connection during the TLS handshake"),
)


def timed_out(place: str, timeout: float, *, connected: bool, answered: bool, received: int) -> HttpError:
    """Say how far a request came that ran out of time."""
    limit = humanize(timeout)
    if answered:
        reason = f"the answer of {place} was not complete within {limit} ({received:,} bytes had come)"
    elif connected:
        reason = f"no answer from {place} within {limit}"
    else:
        reason = f"no connection to {place} within {limit}"
    return HttpError(ErrorKind.TIMEOUT, reason)


def translate(code: int, message: str, os_error: int, place: str) -> HttpError:
    """Turn a libcurl error code, its message and the system's errno into an `HttpError` about `place`."""
    if code == pycurl.E_COULDNT_CONNECT:
        return _not_connected(os_error, place)
    if code in _TLS:
        return HttpError(ErrorKind.TLS, f"no secure connection to {place}: {_tls_words(message)}")
    if code in _CUT:
        return HttpError(ErrorKind.RESET, f"{place} {_CUT[code]}")
    if code in (pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_RESOLVE_PROXY):
        return HttpError(ErrorKind.DNS, f"no such host: {place}")
    if code == _TOO_LARGE:
        return HttpError(ErrorKind.TOO_LARGE, f"{place} sent more headers than are read")
    return HttpError(
        ErrorKind.PROTOCOL, f"{place} did not answer as HTTP: {pycurl.easy_strerror(code).lower()}"
    )


_TOO_LARGE = 100  # CURLE_TOO_LARGE: libcurl's own limit on header bytes


def _not_connected(os_error: int, place: str) -> HttpError:
    if os_error in (0, errno.ECONNREFUSED):
        return HttpError(ErrorKind.REFUSED, f"connection refused by {place}")
    if os_error in _UNREACHABLE:
        return HttpError(ErrorKind.UNREACHABLE, f"no route to {place}")
    if os_error == errno.ETIMEDOUT:
        return HttpError(ErrorKind.TIMEOUT, f"no connection to {place}: it does not answer")
    return HttpError(
        ErrorKind.UNREACHABLE, f"no connection to {place}: {errno.errorcode.get(os_error, os_error)}"
    )


def _tls_words(message: str) -> str:
    lower = message.lower()
    for mark, words in _TLS_WORDS:
        if mark in lower:
            return words
    return message[:200]
