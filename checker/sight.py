"""Whether the checker itself can reach anything: an outage of its own network is no fault of what it watches.

An endpoint that gives no answer is believed to be down as long as something else answers: another endpoint a
moment ago, or else a reference that is asked at once. References are those of the configuration, or where it
names none, other endpoints on other hosts, if there are more than three. When none of them answers, the
checker is blind: nothing is counted against anybody until something answers again.

Endpoints on this very machine prove nothing about the network, and are believed always; unless a configured
reference is on this machine, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from urllib.parse import urlsplit

from checker.config_values import is_local
from checker.model import Cause, MonitorSpec, Poll

_log = logging.getLogger(__name__)

FRESH = 1.0  # seconds in which an answer of another endpoint proves that the network is there
ASK_EVERY = 3.0  # seconds between two rounds of asking, while blind or in doubt
LEAST = 4  # endpoints elsewhere, on as many hosts, from which they may vouch for each other
ASKED = 3  # endpoints that are asked at once, fewer than `LEAST`

Ask = Callable[[MonitorSpec], Awaitable[bool]]


class Sight:
    """What is known of the checker's own network. `since` is when it was lost; None while it is there.

    `ask` looks at a URL and tells whether anything answered. `endpoints` gives those watched now, by id.
    """

    def __init__(
        self,
        ask: Ask,
        endpoints: Callable[[], Mapping[int, MonitorSpec]],
        references: Sequence[MonitorSpec] = (),
    ) -> None:
        self.since: float | None = None
        self._ask = ask
        self._endpoints = endpoints
        self.refer_to(references)
        self._answered: float | None = None
        self._asked: float | None = None
        self._hosts: dict[str, MonitorSpec] = {}  # an endpoint each, of those elsewhere
        self._gathered: float | None = None
        self._lock = asyncio.Lock()

    def refer_to(self, references: Sequence[MonitorSpec]) -> None:
        """Ask these from now on, in the place of those before."""
        self._references = tuple(references)
        self._local = any(is_local(_host(each)) for each in references)

    async def believes(self, spec: MonitorSpec, poll: Poll) -> bool:
        """Tell whether a look speaks of the endpoint; if not, it speaks of our own network, and is void."""
        if not self._local and _is_here(spec.url):
            return True
        if poll.cause is not Cause.UNREACHABLE:
            self._see(poll.at)
            return True
        if self._is_fresh(poll.at):
            return True  # the common case in an outage of many, so nothing is gathered for it
        others = self._references or self._others(spec, poll.at)
        if not others:
            return True
        async with self._lock:
            if not self._is_fresh(poll.at) and not self._was_asked(poll.at):
                await self._ask_all(others, poll.at)
        return self.since is None

    async def run(self, clock: Callable[[], float]) -> None:
        """While blind, ask every few seconds, for ever: also where others look at our endpoints meanwhile."""
        while True:
            await asyncio.sleep(ASK_EVERY)
            if self.since is not None and (others := self._references or self._others(None, clock())):
                async with self._lock:
                    await self._ask_all(others, clock())

    async def _ask_all(self, others: Sequence[MonitorSpec], at: float) -> None:
        answers = await asyncio.gather(*(self._ask(each) for each in others))
        self._asked = at
        if any(answers):
            self._see(at)
        elif self.since is None:
            _log.error("the checker cannot reach anything: %d references gave no answer", len(answers))
            self.since = at

    def _see(self, at: float) -> None:
        self._answered = at
        if self.since is not None:
            _log.warning("the checker can see again after %.0f s", at - self.since)
            self.since = None

    def _is_fresh(self, at: float) -> bool:
        return self._answered is not None and abs(at - self._answered) <= FRESH

    def _was_asked(self, at: float) -> bool:
        return self.since is not None and self._asked is not None and 0 <= at - self._asked < ASK_EVERY

    def _others(self, spec: MonitorSpec | None, at: float) -> list[MonitorSpec]:
        """Return a few endpoints on other hosts; none where there are too few."""
        if self._gathered is None or not 0 <= at - self._gathered <= ASK_EVERY:
            self._gathered, self._hosts = at, self._gather()
        own = _host(spec) if spec is not None else ""
        few = list(islice((each for host, each in self._hosts.items() if host != own), LEAST - 1))
        return few[:ASKED] if len(few) + 1 >= LEAST else []

    def _gather(self) -> dict[str, MonitorSpec]:
        """Return an endpoint for each host elsewhere."""
        hosts: dict[str, MonitorSpec] = {}
        for each in self._endpoints().values():
            if not _is_here(each.url):
                hosts.setdefault(_host(each), each)
        return hosts


def _host(spec: MonitorSpec) -> str:
    return _host_of(spec.url)


@lru_cache(maxsize=20_000)
def _is_here(url: str) -> bool:
    return is_local(_host_of(url))


@lru_cache(maxsize=20_000)
def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
