"""`urllib3`, alone or under botocore and others: `HTTPConnectionPool.urlopen`, which recurses."""

from __future__ import annotations

from healthkit.checks.outbound_clients.model import Arguments, Client, Keywords, host_of, status


def _host(args: Arguments, _kwargs: Keywords) -> str:
    pool = args[0]
    return host_of(pool.scheme, pool.host, pool.port)


CLIENTS = (
    Client(
        "urllib3.connectionpool",
        "HTTPConnectionPool",
        "urlopen",
        host=_host,
        status=status,
        failures=frozenset({"HTTPError"}),
        spared=frozenset({"ValueError", "ClosedPoolError", "EmptyPoolError", "FullPoolError"}),
        carries=True,
        carried=True,
    ),
)
