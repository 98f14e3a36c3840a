"""`aiohttp`: `ClientSession._request`, which follows redirects itself."""

from __future__ import annotations

from typing import Any

from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords, host_of, host_of_url, status


def _host(args: Arguments, kwargs: Keywords) -> str:
    url = str(args[2] if len(args) > 2 else kwargs["str_or_url"])
    return host_of_url(url if "://" in url else str(getattr(args[0], "_base_url", None) or ""))


def _moved(response: Any) -> str:
    url = response.url
    return host_of(url.scheme, url.host or "", url.port)


CLIENTS = (
    Client(
        "aiohttp",
        "ClientSession",
        "_request",
        host=_host,
        status=status,
        failures=frozenset({"ClientError", "TimeoutError", "OSError"}),
        spared=frozenset({"InvalidURL", "NonHttpUrlClientError", "UploadAbortedError"}),
        moved=_moved,
        is_async=True,
    ),
)
