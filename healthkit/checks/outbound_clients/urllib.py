"""`urllib.request`, on which SendGrid's client stands: `AbstractHTTPHandler.do_open`."""

from __future__ import annotations

from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords, host_of_url, status


def _host(args: Arguments, kwargs: Keywords) -> str:
    request = args[2] if len(args) > 2 else kwargs["req"]
    return host_of_url(request.full_url)


CLIENTS = (
    Client(
        "urllib.request",
        "AbstractHTTPHandler",
        "do_open",
        host=_host,
        status=status,
        failures=frozenset({"OSError", "HTTPException"}),
        spared=frozenset({"InvalidURL"}),
    ),
)
