"""The sender of one server's pings: a daemon thread that retries, rests, and never holds anybody up.

Handing a ping over costs the job a few microseconds. What cannot be delivered goes to the journal and is
delivered later, with its true time, by whichever process reaches the server next.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from healthkit.exchange import Answer, Line, Unreachable, refusal, worth_retrying
from healthkit.journal import Journal, Record
from healthkit.pings import Ping, from_record, record, request

log = logging.getLogger(__name__)

Clock = Callable[[], float]

TIMEOUT = 10.0  # seconds for one exchange, connecting included
LIMIT = 1000  # pings that may wait in memory
LATE = 2.0  # seconds after which a ping carries its true time
BEAT_GAP = 1.0  # least seconds between two fleeting pings of one run
LOOK_GAP = 30.0  # seconds between two looks for what other processes left in the journal
FIRST_ANSWER = 1.0  # seconds that leaving may wait for a server's first answer, from the first try on
KEPT_WITHIN = 1.0  # seconds that leaving may wait for the thread's writing into the journal
VAIN_FOR = 600.0  # seconds for which a vain wait spares the next processes theirs


def patience(*, answered: bool, failing: bool, vain: bool, trying_for: float, age: float) -> float:
    """Return how long (seconds) leaving may wait for the last pings.

    A server that failed, or has left a ping unanswered for long, is not waited for. One that has answered
    gets a twentieth of the sender's age, 1 s at least and 2 s at most. One that was never asked before (the
    job was short) gets `FIRST_ANSWER`, unless such a wait was in vain a short while ago.
    """
    if failing or (vain and not answered):
        return 0.0
    most = min(2.0, max(1.0, age / 20)) if answered else FIRST_ANSWER
    return max(0.0, most - trying_for)


def backoff(attempt: int, chance: float) -> float:
    """Return the seconds before the next try: 1, 2, 4 ... 60, less up to half by `chance` (0 to 1)."""
    return float(min(60.0, 2.0 ** min(attempt - 1, 6)) * (1 - chance / 2))


class Sender:
    """Delivers the pings of one server (`scheme://host:port`), in order.

    Its public methods may be called from any thread, and from a signal handler: they take no lock.
    """

    def __init__(self, origin: str, journal: Journal, *, clock: Clock = time.time) -> None:
        self._origin = origin
        self._journal = journal
        self._clock = clock
        self._mailbox: SimpleQueue[int] = SimpleQueue()  # numbers of `_waiting`; 0: look at the fleeting ones
        self._waiting: dict[int, Ping] = {}  # until delivered or kept: nothing is ever in nobody's hands
        self._numbers = itertools.count(1)
        self._fleeting: dict[tuple[str, str], Ping] = {}
        self._fleeted: dict[tuple[str, str], float] = {}  # when one was last sent
        self._keeping = False  # the thread is about to write one down
        self._held: deque[Ping] = deque(maxlen=LIMIT)  # undelivered, where the disk would not take them
        self._journaled = False  # some of ours are in the journal
        self._unstarted: deque[None] = deque([None])  # whoever pops it starts the thread
        self._born = time.monotonic()
        self._trying_since: float | None = None
        self._answered = False
        self._attempt = 0  # failed ones in a row
        self._retry_at = 0.0
        self._looked_at = float("-inf")
        self._refusals: set[tuple[str, int]] = set()
        self._line: Line | None = None

    # what the job calls

    def submit(self, ping: Ping) -> None:
        """Hand a ping over; returns at once and never raises."""
        if ping.fleeting:
            fresh = ping.key not in self._fleeting
            self._fleeting[ping.key] = ping
            if fresh:
                self._mailbox.put(0)
        elif len(self._waiting) < LIMIT:
            if ping.rid and ping.suffix not in ("/start", "/log"):
                self._forget_fleeting(ping)
            number = next(self._numbers)
            self._waiting[number] = ping
            self._mailbox.put(number)
        elif not ping.expendable:
            self._keep(ping)
        self._awake()

    def settled(self) -> bool:
        """Whether nothing is left to send or to keep."""
        return not (self._waiting or self._keeping or self._fleeting or self._held)

    def flush(self, timeout: float) -> bool:
        """Wait `timeout` seconds at most, while the server answers; return whether all is delivered."""
        end = time.monotonic() + timeout
        while not (done := self.settled()) and not self._attempt and time.monotonic() < end:
            time.sleep(0.001)
        return done and not self._journaled

    def leave(self) -> None:
        """The process ends: wait for the last pings while that is worth it, put the rest into the journal."""
        if self.settled():
            return
        vain_at = self._journal.last_vain_wait()
        trying = self._trying_since
        now = time.monotonic()
        worth = patience(
            answered=self._answered,
            failing=self._attempt > 0,
            vain=vain_at is not None and 0 <= self._clock() - vain_at < VAIN_FOR,
            trying_for=now - trying if trying is not None else 0.0,
            age=now - self._born,
        )
        if worth and self.flush(worth):
            return
        if not self.settled():
            self._journal.wait_was_vain()
            self._keep_the_rest()

    def _forget_fleeting(self, ping: Ping) -> None:
        """Drop the progress of a run that has ended: its last ping carries it."""
        self._fleeting.pop(ping.key, None)
        self._fleeted.pop(ping.key, None)

    # the thread

    def _awake(self) -> None:
        if not self._unstarted:
            return
        try:
            self._unstarted.pop()
        except IndexError:
            return
        try:
            threading.Thread(target=self._run, name="healthkit-sender", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is going away: the journal keeps them
            self._unstarted.append(None)
            self._keep_the_rest()

    def _run(self) -> None:
        while True:
            try:
                self._turn(self._next())
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever goes wrong with one ping
                log.warning("a ping to %s could not be handled: %s", self._origin, type(error).__name__)
                time.sleep(0.1)

    def _next(self) -> int:
        """Wait for a ping's number, or (0) for the time of something else to do."""
        wait = self._wait()
        if wait is None or wait > 0.05:
            self._hang_up()
        try:
            return self._mailbox.get(timeout=wait)
        except Empty:
            return 0

    def _wait(self) -> float | None:
        now = time.monotonic()
        if not self._mailbox.empty():
            return 0.0
        moments = [self._fleeted.get(key, now - BEAT_GAP) + BEAT_GAP for key in list(self._fleeting)]
        if self._attempt and moments:
            moments = [max(self._retry_at, *moments)]
        if self._owing():
            moments.append(self._retry_at)
        return max(0.0, min(moments) - now) if moments else None

    def _owing(self) -> bool:
        return bool(self._held) or self._journaled

    def _turn(self, number: int) -> None:
        resting = self._resting()
        ping = self._waiting.get(number)
        if ping is not None:
            try:
                if resting or self._owing() or not self._deliver(ping):
                    self._keep_waiting(number)
            finally:
                self._waiting.pop(number, None)
        if resting or self._resting():
            return
        if self._owing() or self._may_look():
            self._drain()
        if self._mailbox.empty():
            self._send_fleeting()

    def _resting(self) -> bool:
        return self._attempt > 0 and time.monotonic() < self._retry_at

    def _deliver(self, ping: Ping, *, late: bool = False) -> bool:
        """Try once; return whether the ping is done with: delivered, or refused for good."""
        line = self._line = self._line or Line(self._origin)
        self._trying_since = self._trying_since or time.monotonic()
        age = self._clock() - ping.at
        try:
            answer = line.send(request(ping, late=late or age > LATE), TIMEOUT)
        except Unreachable as error:
            self._failed(str(error), None)
            return False
        if worth_retrying(answer.status, age):
            self._failed(f"it answers {answer.status}", answer.retry_after)
            return False
        self._succeeded(ping, answer)
        return True

    def _succeeded(self, ping: Ping, answer: Answer) -> None:
        if self._attempt or not self._answered:
            self._journal.wait_was_worth_it()
        if self._attempt:
            log.info("pings to %s are delivered again", self._origin)
        self._answered, self._attempt, self._trying_since = True, 0, None
        if not 200 <= answer.status < 300 and (ping.target.url, answer.status) not in self._refusals:
            self._refusals.add((ping.target.url, answer.status))
            log.warning("ping refused: %s", refusal(ping.target, answer.status))

    def _failed(self, reason: str, retry_after: float | None) -> None:
        self._attempt += 1
        if self._attempt == 1:
            log.warning("cannot deliver pings to %s: %s; keeping them for later", self._origin, reason)
        wait = backoff(self._attempt, os.urandom(1)[0] / 255)
        self._retry_at = time.monotonic() + max(wait, retry_after or 0.0)
        self._trying_since = None
        self._hang_up()

    def _send_fleeting(self) -> None:
        now = time.monotonic()
        for key in list(self._fleeting):
            if now - self._fleeted.get(key, now - BEAT_GAP) < BEAT_GAP:
                continue
            ping = self._fleeting.get(key)
            if ping is None:
                continue
            self._fleeted[key] = now
            if not self._deliver(ping):
                break
            if self._fleeting.get(key) is ping:
                self._fleeting.pop(key, None)
        if len(self._fleeted) > 100:
            self._fleeted = {key: at for key, at in self._fleeted.items() if now - at < BEAT_GAP}

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()

    # what was left behind

    def _may_look(self) -> bool:
        """Whether it is time to look for what other processes could not deliver."""
        if not self._answered or time.monotonic() - self._looked_at < LOOK_GAP:
            return False
        self._looked_at = time.monotonic()
        return self._journal.pending()

    def _drain(self) -> None:
        while self._held:
            if not self._deliver(self._held[0], late=True):
                return
            self._held.popleft()
        more = self._journal.drain(self._redeliver, now=self._clock())
        self._journaled = more or (self._attempt > 0 and self._journaled)
        if self._journaled and not self._attempt:
            self._retry_at = time.monotonic() + (0.0 if self._answered else 1.0)

    def _redeliver(self, entry: Record) -> bool:
        try:
            ping = from_record(entry)
        except (LookupError, TypeError, ValueError):
            return True
        return self._deliver(ping, late=True)

    def _keep(self, ping: Ping) -> None:
        if self._journal.append(record(ping)):
            self._journaled = True
            return
        if len(self._held) == LIMIT:
            log.warning("a ping to %s is lost: no room in memory and none on disk", self._origin)
        self._held.append(ping)

    def _keep_waiting(self, number: int) -> None:
        """Keep a ping, unless whoever leaves has taken it meanwhile; they wait for what is being kept."""
        self._keeping = True
        try:
            if ping := self._waiting.pop(number, None):
                self._keep(ping)
        finally:
            self._keeping = False

    def _keep_the_rest(self) -> None:
        for waiting in (self._waiting, self._fleeting):
            for key in list(waiting):
                ping = waiting.pop(key, None)  # type: ignore[call-overload]
                if ping is not None:
                    self._keep(ping)
        end = time.monotonic() + KEPT_WITHIN
        while self._keeping and time.monotonic() < end:
            time.sleep(0.001)
