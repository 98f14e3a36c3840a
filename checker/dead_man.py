"""The checker's own dead man's switch: someone else notices when nobody watches any more.

While the checker really works (its store writes, its loops turn) a URL of the user's choice is asked every so
often. When it does not, the asking stops, and whoever waits for it there raises the alarm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from checker.config import ServerConfig
from checker.http import Http, HttpError, Request
from checker.own_health import VITAL
from healthkit.errors import Warn
from healthkit.health import Health
from healthkit.status import Status

_log = logging.getLogger(__name__)

AGAIN = 5.0  # seconds until the next try after one that failed, or until a URL is configured
TIMEOUT = 10.0  # seconds for one request
LONGEST_LOOK = 20.0  # seconds for a look at our own health


class DeadMan:
    """The loop that gives the sign. `health` is the checker's own; `server` gives what is configured."""

    def __init__(
        self, http: Http, health: Health, server: Callable[[], ServerConfig], clock: Callable[[], float]
    ) -> None:
        self._http = http
        self._health = health
        self._server = server
        self._clock = clock
        self.sent_at: float | None = None
        self.error = ""

    async def run(self) -> None:
        """Give signs for ever, where a URL is configured."""
        while True:
            given = await self.once()
            every = self._server().dead_mans_every
            await asyncio.sleep(every if given else min(every, AGAIN))

    async def once(self) -> bool:
        """Give one sign if all is well; return whether it was given, and taken."""
        url = self._server().dead_mans_url
        if not url:
            self.error = ""
            return False
        error = await self._unwell() or await self._ask(url)
        if error and error != self.error:
            _log.warning("the dead man's switch got no sign: %s", error)
        elif self.error and not error:
            _log.warning("the dead man's switch gets its signs again")
        self.error = error
        if not error:
            self.sent_at = self._clock()
        return not error

    def check(self) -> float | None:
        """Tell the own health when the last sign was given; a sign that nobody took is a warning."""
        if self.error:
            raise Warn(f"no sign was given: {self.error}")
        return self.sent_at

    async def _unwell(self) -> str:
        """Return what keeps us from saying that we are well, "" when nothing does."""
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                report = await self._health.report_async(VITAL)
        except TimeoutError:
            return f"our own health did not answer within {LONGEST_LOOK:g} s"
        bad = [each for each in report.readings if each.status is Status.FAIL]
        return "; ".join(f"{each.check.key}: {each.output}" for each in bad)

    async def _ask(self, url: str) -> str:
        try:
            response = await self._http.request(Request(url, timeout=TIMEOUT, max_bytes=4_096))
        except HttpError as error:
            return error.reason
        return "" if response.status < 300 else f"it was answered with status {response.status}"
