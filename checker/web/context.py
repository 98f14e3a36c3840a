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

    async def openings(self, start: float, end: float) -> list[Window]:
        """Return the openings of all maintenance windows, recurring and one-off, that touch a span.

        Of a span of weeks only those of its first day and its last days: the days between are counted.
        """
        oneoffs = await self.store.read(lambda conn: windows.load(conn, start))
        specs = self.config().maintenance
        if end - start > 2 * LATELY:
            recurring = openings(specs, start, start + DAY) + openings(specs, end - LATELY, end)
        else:
            recurring = openings(specs, start, end)
        return recurring + [each.window for each in oneoffs if each.start < end]

    async def record(self, observations: Sequence[tuple[int, Observation]]) -> list[Recorded]:
        """Return what observations did, once that is durable; raises what `Recorder.record` does."""
        return await self.recorder.record(observations)

    def wake(self) -> None:
        """Have deadlines and changes looked at now: something was written beside the recorder."""
        self.recorder.sooner.set()
        self.recorder.changed.set()
