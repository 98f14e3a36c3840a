"""HTTP -> `Poll`: one look at an endpoint, within its limits."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit, urlunsplit

from checker.http import Http, HttpError, Request
from checker.model import MonitorSpec, Poll
from checker.reading import no_answer, read
from healthkit.wire import MAX_BYTES

ACCEPT = "application/health+json, application/json;q=0.9, */*;q=0.1"
MAX_REDIRECTS = 5


async def probe(
    http: Http,
    spec: MonitorSpec,
    *,
    clock: Callable[[], float],
    nonce: str | None = None,
    allow_private: bool = True,
) -> Poll:
    """Look at an endpoint once and return what was seen; an endpoint that does not answer is a `Poll` too.

    `nonce` is sent as `?nonce=` and must come back in the document; only for URLs known to be served by
    healthkit, since a stranger's query parameters are not ours to add.
    """
    request = Request(
        spec.url if nonce is None else with_nonce(spec.url, nonce),
        headers=_headers(spec),
        timeout=spec.timeout,
        max_bytes=MAX_BYTES,
        max_redirects=MAX_REDIRECTS,
        allow_private=allow_private,
    )
    try:
        response = await http.request(request)
    except HttpError as error:
        return no_answer(error, clock())
    return read(response, clock(), nonce=nonce)


def with_nonce(url: str, nonce: str) -> str:
    """Return the URL with `nonce=` added to its query."""
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}nonce={quote(nonce, safe='')}"))


def _headers(spec: MonitorSpec) -> dict[str, str]:
    given = {name.lower() for name in spec.headers}
    return dict(spec.headers) if "accept" in given else {"Accept": ACCEPT, **spec.headers}
