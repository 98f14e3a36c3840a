"""Proof that an app's own health document reaches the checker: a nonce that nobody could have cached."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from checker.http import Http, HttpError, Request
from checker.model import MonitorSpec
from checker.probe import ACCEPT, MAX_REDIRECTS, with_nonce
from checker.reading import read
from healthkit.errors import WireError
from healthkit.wire import MAX_BYTES, parse


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether the app was seen: `at` is None where not. `pending`: it will show by itself."""

    at: float | None
    text: str
    pending: bool = False


async def prove(http: Http, endpoint: MonitorSpec, component: str, *, clock: Callable[[], float]) -> Seen:
    """Ask an endpoint with a nonce; proved when the document gives it back, and holds the component."""
    nonce = secrets.token_urlsafe(12)
    try:
        response = await http.request(_request(endpoint, nonce))
        document = parse(response.body)
    except HttpError as error:
        return Seen(None, f"not proved: {error.reason}")
    except WireError as error:
        return Seen(None, f"not proved: it answers, but with no health document: {error}")
    if document.nonce != nonce:
        return Seen(None, "not proved: the nonce did not come back, so a cache or a stub may have answered")
    at = clock()
    if component and component not in dict(read(response, at).components):
        return Seen(None, f"not proved: its document holds no {component}")
    return Seen(at, "proved: the app gave back this drill's nonce")


def _request(endpoint: MonitorSpec, nonce: str) -> Request:
    return Request(
        with_nonce(endpoint.url, nonce),
        headers={"Accept": ACCEPT, **endpoint.headers},
        timeout=endpoint.timeout,
        max_bytes=MAX_BYTES,
        max_redirects=MAX_REDIRECTS,
    )
