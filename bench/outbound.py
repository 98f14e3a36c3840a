"""What does it cost a call to be watched by `OutboundCalls`? Bare and watched in turn, the network left out.

`python -m bench.outbound [--quick] [--write]`. The method that each library's calls pass through is replaced
by one that answers at once, with the library's own request objects; the difference is what watching adds. It
is processor time, so that what else the machine does counts little. Exits with 1 when a library that is
installed pays more than the limit.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from bench import _page
from healthkit.checks.outbound import OutboundCalls
from healthkit.checks.outbound_clients import CLIENTS
from healthkit.checks.outbound_clients.model import Client

LIMIT = 5e-6  # seconds a call
URL = "https://api.stripe.example/v1/charges?expand=1"


@dataclass(frozen=True, slots=True)
class Row:
    """One library: seconds a call, bare and watched."""

    library: str
    bare: float
    watched: float

    @property
    def cost(self) -> float:
        """What watching adds to a call, in seconds."""
        return self.watched - self.bare

    def cells(self) -> tuple[str, ...]:
        """Return its row of the table."""
        missed = " (missed)" if self.cost > LIMIT else ""
        bare, watched, cost = (f"{part * 1e6:.2f}" for part in (self.bare, self.watched, self.cost))
        return self.library, bare, watched, cost + missed


def request_of(client: Client) -> tuple[Any, ...]:
    """Return the arguments that the library itself would pass, after `self`."""
    if client.module == "requests.adapters":
        return (importlib.import_module("requests").Request("GET", URL).prepare(),)
    if client.module in ("httpx", "httpx2"):
        return (importlib.import_module(client.module).Request("GET", URL),)
    if client.module == "urllib.request":
        return (None, importlib.import_module("urllib.request").Request(URL))
    return ("GET", URL)


def answer_of(client: Client) -> Any:
    """Return a response that answers what is asked of it."""
    url: Any = SimpleNamespace(scheme="https", host="api.stripe.example", port=443)
    if client.module == "aiohttp":
        url = importlib.import_module("yarl").URL(URL)
    return SimpleNamespace(status=200, status_code=200, url=url)


def instant(client: Client) -> type:
    """Return the library's class with its method replaced by one that answers at once."""
    answer = answer_of(client)

    def at_once(*_args: Any, **_kwargs: Any) -> Any:
        return answer

    async def at_once_async(*_args: Any, **_kwargs: Any) -> Any:
        return answer

    owner: type = getattr(importlib.import_module(client.module), client.owner)
    setattr(owner, client.method, at_once_async if client.is_async else at_once)
    return owner


def caller(owner: type, client: Client) -> Callable[[int], float]:
    """Return what makes `count` calls and tells the seconds a call took."""
    target: Any = object.__new__(owner)
    args = request_of(client)
    if client.module == "urllib3.connectionpool":
        target.scheme, target.host, target.port = "https", "api.stripe.example", 443
    if client.module == "aiohttp":
        target._base_url = None
        target._connector = None  # or its __del__ complains

    def many(count: int) -> float:
        call = getattr(target, client.method)
        started = time.thread_time()
        for _ in range(count):
            call(*args)
        return (time.thread_time() - started) / count

    async def many_async(count: int) -> float:
        call = getattr(target, client.method)
        started = time.thread_time()
        for _ in range(count):
            await call(*args)
        return (time.thread_time() - started) / count

    return (lambda count: asyncio.run(many_async(count))) if client.is_async else many


def measure(client: Client, count: int, rounds: int) -> Row:
    """Return the best of alternating rounds: what else the machine does only ever adds."""
    run = caller(instant(client), client)
    bare, watched = [], []
    for _ in range(rounds):
        bare.append(run(count))
        with OutboundCalls():
            watched.append(run(count))
    name = f"{client.module.split('.')[0]}{' async' if client.is_async else ''}"
    return Row(name, min(bare), min(watched))


def main(argv: list[str] | None = None) -> int:
    """Measure every installed library; return 1 when one pays more than the limit."""
    chosen = _page.arguments("outbound", __doc__).parse_args(argv)
    installed = [client for client in CLIENTS if importlib.util.find_spec(client.module.split(".")[0])]
    count, rounds = (2_000, 5) if chosen.quick else (20_000, 15)
    rows = [measure(client, count, rounds) for client in installed]
    lines = [
        *_page.title("outbound", "What it costs a call to be watched", quick=chosen.quick),
        f"{_page.machine()}. CPU time, the network left out; at most {LIMIT * 1e6:g} us a call may be added.",
        "",
        *_page.table(("library", "bare us", "watched us", "cost us a call"), [row.cells() for row in rows]),
    ]
    _page.publish("outbound", lines, write=chosen.write)
    return int(any(row.cost > LIMIT for row in rows))


if __name__ == "__main__":
    sys.exit(main())
