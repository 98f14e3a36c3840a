"""One look at an endpoint, within its limits: an answer, or none, to a `Poll`."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_urlsafe
from urllib.parse import quote, urlsplit, urlunsplit

from checker.http import Http, HttpError, Request
from checker.kept import Kept
from checker.looks import look
from checker.model import MonitorSpec, Poll
from checker.reading import no_answer, read
from healthkit.wire import MAX_BYTES

ACCEPT = "application/health+json, application/json;q=0.9, */*;q=0.1"
MAX_REDIRECTS = 5
_SAFE = ("GET", "HEAD")


async def probe(
    http: Http,
    spec: MonitorSpec,
    *,
    clock: Callable[[], float],
    nonce: Callable[[], str] = token_urlsafe,
    kept: Kept | None = None,
) -> Poll:
    """Look at an endpoint once and return what was seen; an endpoint that does not answer is a `Poll` too.

    Where the endpoint is to prove that it answers now, a `nonce` is sent as `?nonce=` and must come back in
    the document; only where it is asked for, since a stranger's query is not ours to add to. With `kept`,
    what the endpoint answered last need not be sent again.
    """
    if spec.url[:4].lower() != "http":
        try:
            return await look(http, spec, clock=clock)
        except HttpError as error:
            return no_answer(error, clock())
    sent = nonce() if spec.probe.prove else None
    if sent is not None or spec.probe.stale_after is not None or spec.probe.method not in _SAFE:
        kept = None  # what was sent a while ago proves nothing
    headers = _headers(spec)
    request = Request(
        spec.url if sent is None else with_nonce(spec.url, sent),
        method=spec.probe.method,
        headers=kept.condition(headers, clock()) if kept is not None else headers,
        body=spec.probe.body.encode() if spec.probe.body else None,
        timeout=spec.timeout,
        max_bytes=MAX_BYTES,
        max_redirects=MAX_REDIRECTS if spec.probe.follow_redirects else 0,
        allow_private=spec.probe.allow_private,
    )
    try:
        response = await http.request(request)
    except HttpError as error:
        return no_answer(error, clock())
    if kept is None:
        return read(response, clock(), spec.probe, nonce=sent)
    response = kept.recall(response)
    poll = read(response, clock(), spec.probe)
    kept.keep(response, poll, poll.at)
    return poll


def with_nonce(url: str, nonce: str) -> str:
    """Return the URL with `nonce=` added to its query."""
    parts = urlsplit(url)
    query = f"{parts.query}&" if parts.query else ""
    return urlunsplit(parts._replace(query=f"{query}nonce={quote(nonce, safe='')}"))


def _headers(spec: MonitorSpec) -> dict[str, str]:
    given = {name.lower() for name in spec.headers}
    return dict(spec.headers) if "accept" in given else {"Accept": ACCEPT, **spec.headers}
