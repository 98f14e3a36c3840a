"""One time for all nodes on a database: each machine's own clock, set by the database's.

What a node writes (deadlines, signs, leases, when a message may be sent) others read, so "now" must be one
moment to all of them. A machine whose clock is right is never corrected.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from healthkit.durations import humanize

_log = logging.getLogger(__name__)

TOLERANCE = 0.25  # seconds by which a clock may be off; NTP keeps it well within
WORTH_A_WORD = 5.0  # seconds of correction from which on people should know


class SharedClock:
    """Gives epoch seconds by the database's clock. `own` is the machine's."""

    def __init__(self, own: Callable[[], float] = time.time) -> None:
        self._own = own
        self._correction = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self._own() + self._correction

    def ask(self) -> Callable[[float], None]:
        """Call this, ask the database for its time, and call what this returned with the answer.

        The answer was true at some moment in between, so it leaves a range of corrections; ours moves no
        further than into that range. An answer that took long so does no harm.
        """
        began = self._own()

        def answered(there: float) -> None:
            least, most = there - self._own(), there - began
            if least > most or least - TOLERANCE <= self._correction <= most + TOLERANCE:
                return  # our own clock was set back while we asked; or all is well
            before, self._correction = self._correction, min(max(self._correction, least), most)
            if abs(self._correction - before) >= WORTH_A_WORD:
                way = "behind" if self._correction > 0 else "ahead of"
                _log.warning(
                    "this machine's clock is %s %s the database's, which all nodes go by; set it by NTP",
                    humanize(abs(self._correction)), way,
                )  # fmt: skip

        return answered
