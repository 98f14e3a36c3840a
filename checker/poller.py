"""The loop that looks at endpoints: each on its own even schedule, none delayed by another."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from zlib import crc32

from checker.http import Http
from checker.kept import Kept
from checker.memory import Memory
from checker.model import Cause, Kind, MonitorSpec, Poll
from checker.probe import probe
from checker.record import Recorder
from checker.registry import Registry
from checker.share import Alone, Shared
from checker.sight import Sight
from checker.store import StoreUnavailable
from checker.tally import Tally

_log = logging.getLogger(__name__)

IN_FLIGHT = 500  # requests at once; a hanging endpoint holds one for its timeout
FIRST_WITHIN = 5.0  # seconds: a new endpoint is looked at soon, and not all new ones at once
NEW_EACH_SECOND = 500  # of few new ones, such as a lost node's, all are looked at sooner
RELOAD_EVERY = 5.0  # seconds between looks at which endpoints there are
REFERENCE_WITHIN = 5.0  # seconds that a reference is given to answer
TICK = 0.02  # seconds: what is due within one is started together, which costs a tenth less than one by one
SHORT = 0.05  # seconds for which it is not worth while to listen for a wake-up
PAUSED_WITHIN = 3.0  # seconds in which the store tells what is paused
_FREE = nullcontext()


@dataclass(slots=True, eq=False)
class _Endpoint:
    """An endpoint's place in the schedule. `due` is planned, in seconds of the monotonic clock."""

    id: int
    spec: MonitorSpec
    due: float
    phase: float  # of its slots, in [0, every)
    task: asyncio.Task[None] | None = None
    removed: bool = False
    is_silent: bool = False  # whether it gave no answer when it was last asked
    kept: Kept = field(default_factory=Kept)


@dataclass(slots=True)
class _Schedule:
    """What is due next: a heap, so that a poll costs the same among ten endpoints and among ten thousand.

    An entry whose endpoint was removed, or is due at another moment by now, is passed over.
    """

    heap: list[tuple[float, int, _Endpoint]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=itertools.count)

    def push(self, endpoint: _Endpoint) -> None:
        heapq.heappush(self.heap, (endpoint.due, next(self.order), endpoint))

    def pop_due(self, now: float) -> _Endpoint | None:
        while self.heap and (self.heap[0][2].removed or self.heap[0][0] <= now):
            due, _, endpoint = heapq.heappop(self.heap)
            if not endpoint.removed and due == endpoint.due:
                return endpoint
        return None

    @property
    def next_due(self) -> float:
        return self.heap[0][0] if self.heap else math.inf


class Poller:
    """Looks at every endpoint each `every` seconds, and records what was seen.

    `clock` gives epoch seconds, for what is recorded; `monotonic` gives the seconds the schedule runs by,
    which no change of the system's time moves.
    """

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        http: Http,
        clock: Callable[[], float],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        in_flight: int = IN_FLIGHT,
        references: Sequence[str] = (),
        share: Shared | None = None,
    ) -> None:
        self._memory = Memory(registry.components)
        self.latest: dict[int, Poll] = {}  # the last look at each endpoint, kept also while the store is away
        self._registry = registry
        self._tally = Tally(recorder, registry)
        self._http = http
        self._clock = clock
        self._monotonic = monotonic
        self._share = share or Alone()  # which endpoints are this node's
        self._slots = asyncio.Semaphore(in_flight)
        self._silent = asyncio.Semaphore(max(1, in_flight // 2))
        self._endpoints: dict[int, _Endpoint] = {}
        self._schedule = _Schedule()
        self._paused: set[int] = set()
        self._resumed: set[int] = set()  # paused no more, and not looked at since
        self._learner: asyncio.Task[None] | None = None
        self._wake = recorder.commanded
        self.turned_at: float | None = None  # when the loop last went round
        self.sight = Sight(self._answers, self._watched, _references(references))

    def reload(self) -> None:
        """Ask the loop to look at once which endpoints there are."""
        self._wake.set()

    def refer_to(self, urls: Sequence[str]) -> None:
        """Ask these URLs from now on whether the checker's own network is there."""
        self.sight.refer_to(_references(urls))

    @property
    def unrecorded(self) -> int:
        """How many looks the store could not take since it last took one."""
        return self._tally.unrecorded

    async def run(self) -> None:
        """Poll until cancelled; then end what is in flight."""
        await self._learn_paused()
        try:
            while True:
                self._wake.clear()
                reload_at = self._monotonic() + RELOAD_EVERY
                self._adopt(self._monotonic())
                if self._learner is None or self._learner.done():
                    self._learner = asyncio.create_task(self._learn_paused(), name="paused")
                self.turned_at = self._clock()
                while not self._wake.is_set() and (now := self._monotonic()) < reload_at:
                    self._start_due(now)
                    await self._sleep(min(self._schedule.next_due, reload_at))
        finally:
            await self._end_all()

    async def once(self, now: float) -> list[int]:
        """Look at every endpoint that is due at `now` (of the monotonic clock), and wait; return their ids.

        An endpoint not seen before is due within `FIRST_WITHIN` of the call that first finds it.
        """
        await self._learn_paused()
        self._adopt(now)
        started = self._start_due(now)
        await asyncio.gather(*(each.task for each in started if each.task is not None))
        await self._tally.flush()
        return [each.id for each in started]

    async def _sleep(self, until: float) -> None:
        delay = max(TICK, until - self._monotonic())
        if delay <= SHORT:
            await asyncio.sleep(delay)
            return
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _learn_paused(self) -> None:
        """Read which endpoints an operator has paused; with the store away, what was known holds."""
        try:
            async with asyncio.timeout(PAUSED_WITHIN):
                paused = await self._registry.paused()
        except (StoreUnavailable, TimeoutError):
            return
        if paused != self._paused:
            self._resumed |= self._paused - paused
            self._paused = paused
            self._wake.set()

    def _watched(self) -> dict[int, MonitorSpec]:
        """Return the endpoints that are looked at, by whichever node."""
        return {each: spec for each, spec in self._registry.endpoints() if each not in self._paused}

    def _adopt(self, now: float) -> None:
        """Bring the schedule in step with the registry; an endpoint that did not change keeps its place."""
        live = {each: spec for each, spec in self._watched().items() if self._share.owns(each)}
        for gone in self._endpoints.keys() - live.keys():
            self._remove(gone)
            self.latest.pop(gone, None)
            self._memory.forget(gone)
            self._tally.forget(gone)
        within = min(FIRST_WITHIN, 1.0 + len(live.keys() - self._endpoints.keys()) / NEW_EACH_SECOND)
        for monitor_id, spec in live.items():
            known = self._endpoints.get(monitor_id)
            if known is not None and known.spec.url == spec.url:
                self._respecify(known, spec, now)
                continue
            self._remove(monitor_id)
            delay = 0.0 if monitor_id in self._resumed else _fraction(spec) * min(spec.every, within)
            added = _Endpoint(monitor_id, spec, now + delay, _fraction(spec) * spec.every)
            self._endpoints[monitor_id] = added
            self._schedule.push(added)
        self._resumed.clear()

    def _respecify(self, known: _Endpoint, spec: MonitorSpec, now: float) -> None:
        """Go on by a changed specification; with a new interval, at its next slot if that is sooner.

        So nobody waits longer than either interval, and not all of many are looked at at once.
        """
        is_other_pace = known.spec.every != spec.every
        known.spec = spec
        if is_other_pace:
            known.phase = _fraction(spec) * spec.every
            slot = _following(spec.every, known.phase, now - spec.every, now)
            if slot < known.due:
                known.due = slot
                self._schedule.push(known)

    def _remove(self, monitor_id: int) -> None:
        endpoint = self._endpoints.pop(monitor_id, None)
        if endpoint is not None:
            endpoint.removed = True
            if endpoint.task is not None:
                endpoint.task.cancel()

    def _start_due(self, now: float) -> list[_Endpoint]:
        """Start a look at every endpoint that is due and has none in flight; plan the next."""
        started = []
        while (endpoint := self._schedule.pop_due(now)) is not None:
            if endpoint.task is None:
                endpoint.task = asyncio.create_task(self._look(endpoint))
                started.append(endpoint)
            endpoint.due = _following(endpoint.spec.every, endpoint.phase, endpoint.due, now)
            self._schedule.push(endpoint)
        return started

    async def _look(self, endpoint: _Endpoint) -> None:
        pledge = self._share.pledge()
        try:
            poll = await self._probe(endpoint)
            if pledge is None or not self._share.keeps(pledge):
                return  # another node's meanwhile, or this one was asleep: what it saw is void
            poll = self._memory.recall(endpoint.id, endpoint.spec, poll)
            self.latest[endpoint.id] = poll
            if not await self.sight.believes(endpoint.spec, poll):
                return
            self._tally.take(endpoint.id, poll)
        except Exception:  # noqa: BLE001 - our own mistake, not the endpoint's: the loop must survive it
            _log.exception("endpoint %r: the look failed unexpectedly", endpoint.spec.full_name)
        finally:
            endpoint.task = None

    async def _probe(self, endpoint: _Endpoint) -> Poll:
        """Ask, once there is a slot; those that gave no answer lately never take more than half of them."""
        async with self._silent if endpoint.is_silent else _FREE, self._slots:
            poll = await probe(self._http, endpoint.spec, clock=self._clock, kept=endpoint.kept)
        endpoint.is_silent = poll.cause is Cause.UNREACHABLE
        return poll

    async def _answers(self, spec: MonitorSpec) -> bool:
        """Tell whether anything at all answers at a URL."""
        poll = await probe(self._http, spec, clock=self._clock)
        return poll.cause is not Cause.UNREACHABLE

    async def _end_all(self) -> None:
        tasks = [each.task for each in self._endpoints.values() if each.task is not None]
        tasks += [self._learner] if self._learner is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tally.flush()


def _references(urls: Sequence[str]) -> list[MonitorSpec]:
    return [MonitorSpec(Kind.ENDPOINT, "reference", url=url, timeout=REFERENCE_WITHIN) for url in urls]


def _fraction(spec: MonitorSpec) -> float:
    """Return a number in [0, 1) that is the endpoint's own, on every node and after every restart."""
    return crc32(spec.full_name.encode("utf-8", "replace")) / 2**32


def next_slot(spec: MonitorSpec, planned: float, now: float) -> float:
    """Return when the endpoint is due after the look planned for `planned`, as seen at `now`.

    Slots lie `every` apart, each endpoint's at its own phase, so that all spread evenly and nothing drifts.
    The step from the first look, which comes early, into the phase is between half and one and a half of
    `every`. Slots that have passed are left out.
    """
    return _following(spec.every, _fraction(spec) * spec.every, planned, now)


def _following(every: float, phase: float, planned: float, now: float) -> float:
    earliest = max(planned + every / 2, now)
    slots = math.floor((earliest - phase) / every) + 1
    return slots * every + phase
