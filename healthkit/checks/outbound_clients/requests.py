"""`requests`: every hop of a call passes `HTTPAdapter.send`, and goes through urllib3 below."""

from __future__ import annotations

from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords, host_of_url, status_code


def _host(args: Arguments, kwargs: Keywords) -> str:
    request = args[1] if len(args) > 1 else kwargs["request"]
    return host_of_url(request.url)


CLIENTS = (
    Client(
        "requests.adapters",
        "HTTPAdapter",
        "send",
        host=_host,
        status=status_code,
        failures=frozenset({"RequestException"}),
        spared=frozenset({"ValueError"}),  # InvalidURL, InvalidHeader, ...
        carries=True,
    ),
)
