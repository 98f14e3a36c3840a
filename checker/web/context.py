"""What the pages and the API need of the running checker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from checker.announcements import Announcements
from checker.config import Config
from checker.maintenance import Window, openings
from checker.model import Observation
from checker.record import Recorded, Recorder
from checker.registry import Registry
from checker.rules.uptime import Span
from checker.store import Store, windows
from checker.store.windows import Windows
from checker.web.present import Notice
from healthkit.health import Health

DAY = 86_400.0
LATELY = 8 * DAY


@dataclass(frozen=True, slots=True)
class Context:
    """The store to read, the door to write, the configuration that holds now, and the checker's own word."""

    store: Store
    clock: Callable[[], float]
    config: Callable[[], Config]
    health: Health
    monitors: Registry
    recorder: Recorder
    windows: Windows
    notices: Callable[[], Sequence[Notice]] = tuple
    ask: Callable[[], Awaitable[bool]] | None = None  # waits until what other nodes made is known here
    announcements: Announcements | None = None
    node: str = ""
    url: str = ""  # where the checker listens: what is shown where no public_url is configured

    @property
    def public_url(self) -> str:
        """The checker's address as its users reach it, without a slash at the end."""
        return (self.config().server.public_url or self.url).rstrip("/")

    def channels(self) -> dict[str, str]:
        """Return the configured channels, name to kind."""
        return {channel.name: channel.kind for channel in self.config().channels}

    async def openings(self, *spans: Span) -> list[Window]:
        """Return the openings of all maintenance windows, recurring and one-off, that touch some spans.

        Of a span of weeks only those of its first day and its last days: the days between are counted.
        """
        oneoffs = await self.store.read(lambda conn: windows.load(conn, min(start for start, _ in spans)))
        specs = self.config().maintenance
        found = [
            each for start, end in spans for part in _ends(start, end) for each in openings(specs, *part)
        ]
        touching = (each.window for each in oneoffs)
        return found + [
            each for each in touching if any(each.start < end and each.end > start for start, end in spans)
        ]

    async def record(self, observations: Sequence[tuple[int, Observation]]) -> list[Recorded]:
        """Return what observations did, once that is durable; raises what `Recorder.record` does."""
        return await self.recorder.record(observations)

    def wake(self) -> None:
        """Have deadlines and changes looked at now: something was written beside the recorder."""
        self.recorder.sooner.set()
        self.recorder.changed.set()


def _ends(start: float, end: float) -> list[Span]:
    return [(start, start + DAY), (end - LATELY, end)] if end - start > 2 * LATELY else [(start, end)]
