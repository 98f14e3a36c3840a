"""Looks on their way through the door: gathered, and where they only say the same again, counted.

Nobody waits for a look to be durable, so looks wait a moment for company and share a transaction. One that
says something new goes at once.

Of a look that says what the one before it said, only its row of history is written. What it counts (how often
it was well in a row, when it was last looked at, the last figures) is kept in memory, and written with the
next look that is judged in full: one that says something new, or the first after the endpoint's own moment,
which comes every `LAZY` seconds. So of many a few are judged at a time, however they began; and a crash
may lose `LAZY` seconds of such counting, and `GATHER` seconds of looks; never a state that was reached, a
failure that counts towards one, or a change. What is kept in memory counts only while the stored state is
still the one that it began from: another node's word, or an operator's, always wins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from checker.model import MonitorSpec, MonitorState, Poll, Verdict
from checker.record import Overloaded, Recorded, Recorder, StoreUnavailable, UnknownMonitorError
from checker.registry import Registry
from checker.rules.steady import counted_on, is_settled, says_the_same
from checker.store import door
from checker.store.bulk import Row
from checker.store.nodes import Fenced

_log = logging.getLogger(__name__)

GATHER = 0.2  # seconds that a look waits for others
LAZY = 5.0  # seconds for which counting on may stay in memory
_APART = 0.6180339887498949  # the golden ratio: by it any row of ids spreads evenly
WITHIN = 15.0  # seconds; a store that hangs does not keep endpoints from being looked at
MOST = 5_000  # looks that may wait to be judged
MOST_ROWS = 50_000  # rows of history that may wait, which are small
SHARE = 500  # looks in one request to the door


@dataclass(slots=True)
class _Run:
    """Looks at an endpoint that say the same: where its monitors stood before them, and what they count."""

    spec: MonitorSpec
    states: tuple[tuple[int, MonitorState], ...]  # of the endpoint, then of its parts in order
    last: Poll
    until: float
    count: int = 0

    def counted(self) -> dict[int, tuple[MonitorState, MonitorState]]:
        """Return where each monitor stood, and where it stands by what was counted."""
        polls = (self.last, *(part for _, part in self.last.components))
        return {
            monitor_id: (state, counted_on(state, poll, self.count))
            for (monitor_id, state), poll in zip(self.states, polls, strict=True)
        }


@dataclass(slots=True)
class _Batch:
    """What waits: looks to be judged, with what their endpoints counted before, and rows of history."""

    looks: list[tuple[int, Poll]] = field(default_factory=list)
    counted: dict[int, tuple[MonitorState, MonitorState]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.looks) + len(self.rows)


class Tally:
    """Takes looks at endpoints, and brings them to the door soon."""

    def __init__(self, recorder: Recorder, registry: Registry) -> None:
        self.unrecorded = 0  # looks that the store could not take, since it last took one
        self._recorder = recorder
        self._registry = registry
        self._runs: dict[int, _Run] = {}
        self._judged: dict[int, Poll] = {}  # the newest look at each endpoint that is at the door
        self._batch = _Batch()
        self._bringer: asyncio.Task[None] | None = None
        self._now = asyncio.Event()

    def take(self, endpoint_id: int, poll: Poll) -> None:
        """Take a look; it will be durable soon, or counted among the `unrecorded`."""
        if len(self._batch.looks) >= MOST or len(self._batch.rows) >= MOST_ROWS:
            self._lost(1, "too many looks wait to be recorded already")
            return
        run = self._runs.get(endpoint_id)
        if run is None and self._is_known(endpoint_id, poll):
            self._batch.rows.append(door.poll_row(endpoint_id, poll))
        elif run is None or not self._goes_on(endpoint_id, run, poll):
            self._judge(endpoint_id, poll)
            if run is None or not says_the_same(poll, run.last):
                self._now.set()
        if self._bringer is None:
            self._bringer = asyncio.create_task(self._bring(), name="tally")

    def forget(self, endpoint_id: int) -> None:
        """Let go of what was kept of an endpoint that is not looked at any more."""
        self._runs.pop(endpoint_id, None)
        self._judged.pop(endpoint_id, None)

    async def flush(self) -> None:
        """Bring what waits to the door at once, and wait until it is through."""
        while self._bringer is not None:
            self._now.set()
            await asyncio.wait({self._bringer})

    @property
    def waiting(self) -> int:
        """How many looks wait to be brought to the door."""
        return len(self._batch)

    @property
    def _is_behind(self) -> bool:
        return len(self._batch) > SHARE

    def _is_known(self, endpoint_id: int, poll: Poll) -> bool:
        """Tell whether the door is behind, and has a look already by which all is as well as by this one."""
        known = self._judged.get(endpoint_id) if self._is_behind and poll.verdict is Verdict.PASS else None
        return known is not None and says_the_same(poll, known)

    def _goes_on(self, endpoint_id: int, run: _Run, poll: Poll) -> bool:
        """Count a look that says the same again, and tell whether it was one."""
        patience = LAZY if self._is_behind else 0.0  # what only counts does not add to its work
        if poll.at > run.until + patience or self._registry.by_id(endpoint_id) is not run.spec:
            return False
        if not says_the_same(poll, run.last):
            return False
        run.last = poll
        run.count += 1
        self._batch.rows.append(door.poll_row(endpoint_id, poll))
        return True

    def _judge(self, endpoint_id: int, poll: Poll) -> None:
        run = self._runs.pop(endpoint_id, None)
        if run is not None and run.count:
            self._batch.counted.update(run.counted())
        self._judged[endpoint_id] = poll
        self._batch.looks.append((endpoint_id, poll))

    async def _bring(self) -> None:
        try:
            while self._batch:
                await self._gather()
                batch, self._batch = self._batch, _Batch()
                for part in _parts(batch):
                    await self._record(part)
        finally:
            self._bringer = None

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(GATHER):
                await self._now.wait()
        except TimeoutError:
            pass
        self._now.clear()

    async def _record(self, batch: _Batch) -> None:
        try:
            async with asyncio.timeout(WITHIN):
                recorded = await self._recorder.record(batch.looks, history=batch.rows, counted=batch.counted)
        except (StoreUnavailable, Overloaded, TimeoutError) as error:
            self._lost(len(batch), str(error) or f"the database took more than {WITHIN:g} s")
        except Fenced:
            return  # the endpoints are another node's
        except Exception as error:  # noqa: BLE001 - one look's trouble: it must not cost the others
            await self._singly(batch, error)
        else:
            self._kept(batch, recorded)

    async def _singly(self, batch: _Batch, error: Exception) -> None:
        """Bring looks one by one, since one among them cannot be recorded; that one is left out."""
        if batch.looks and len(batch) > 1:
            for each in _single(batch):
                await self._record(each)
        elif not isinstance(error, UnknownMonitorError):  # else it was removed meanwhile
            spec = self._registry.by_id(batch.looks[0][0]) if batch.looks else None
            what = f"endpoint {spec.full_name!r}: a look" if spec else "looks"
            _log.error("%s could not be recorded", what, exc_info=error)

    def _kept(self, batch: _Batch, recorded: Sequence[Recorded]) -> None:
        if self.unrecorded:
            _log.warning("results are recorded again; %d were not", self.unrecorded)
            self.unrecorded = 0
        for (endpoint_id, poll), done in zip(batch.looks, recorded, strict=True):
            if self._judged.get(endpoint_id) is poll:  # else a newer one is on its way, and decides
                del self._judged[endpoint_id]
                run = self._run(endpoint_id, poll, done)
                if run is not None:
                    self._runs[endpoint_id] = run

    def _run(self, endpoint_id: int, poll: Poll, done: Recorded) -> _Run | None:
        """Return the run that may begin with a look; None where more of the same would change something."""
        spec = self._registry.by_id(endpoint_id)
        if spec is None or spec.every >= LAZY:
            return None
        states = [(each.monitor_id, each.after) for each in (done, *done.components)]
        polls = (poll, *(part for _, part in poll.components))
        for (monitor_id, state), look in zip(states, polls, strict=True):
            own = self._registry.by_id(monitor_id)
            if own is None or not is_settled(own, state, look):
                return None
        return _Run(spec, tuple(states), poll, own_moment(endpoint_id, poll.at))

    def _lost(self, count: int, why: str) -> None:
        if not self.unrecorded:
            _log.warning("looking on, but results are kept in memory only: %s", why)
        self.unrecorded += count


def own_moment(endpoint_id: int, after: float) -> float:
    """Return until when what an endpoint counts may stay in memory: `LAZY` seconds at most."""
    phase = endpoint_id * _APART % 1.0 * LAZY
    return after + LAZY - (after - phase) % LAZY


def _parts(batch: _Batch) -> Sequence[_Batch]:
    """Return what waits in pieces that a transaction holds easily."""
    if len(batch) <= SHARE:
        return [batch]
    looks, rows = iter(batch.looks), iter(batch.rows)
    pieces = [
        _Batch(looks=part, counted=batch.counted) for part in iter(lambda: list(islice(looks, SHARE)), [])
    ]
    return [*pieces, *(_Batch(rows=part) for part in iter(lambda: list(islice(rows, SHARE)), []))]


def _single(batch: _Batch) -> list[_Batch]:
    looks = [_Batch(looks=[look], counted=batch.counted) for look in batch.looks]
    return [*([_Batch(rows=batch.rows)] if batch.rows else []), *looks]
