"""`httpx` and `httpx2`, sync and async: the same names of separate classes."""

from __future__ import annotations

from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords, host_of, status_code


def _host(args: Arguments, kwargs: Keywords) -> str:
    url = (args[1] if len(args) > 1 else kwargs["request"]).url
    return host_of(url.scheme, url.host, url.port)


def _client(module: str, owner: str, method: str, *, is_async: bool) -> Client:
    return Client(
        module,
        owner,
        method,
        host=_host,
        status=status_code,
        failures=frozenset({"TransportError"}),
        spared=frozenset({"PoolTimeout", "UnsupportedProtocol", "LocalProtocolError"}),
        is_async=is_async,
    )


CLIENTS = tuple(
    _client(module, owner, method, is_async=is_async)
    for module in ("httpx", "httpx2")
    for owner, method, is_async in (
        ("HTTPTransport", "handle_request", False),
        ("AsyncHTTPTransport", "handle_async_request", True),
    )
)
