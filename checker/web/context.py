"""What the pages and the API need of the running checker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from checker.config import Config
from checker.store import Store
from checker.store.views import Overview, overview
from checker.web.present import Notice
from healthkit.health import Health


@dataclass(frozen=True, slots=True)
class Context:
    """The store to read, the configuration that holds now, and what the checker says of itself."""

    store: Store
    clock: Callable[[], float]
    config: Callable[[], Config]
    health: Health
    notices: Callable[[], Sequence[Notice]] = tuple
    node: str = ""

    def channels(self) -> dict[str, str]:
        """Return the configured channels, name to kind."""
        return {channel.name: channel.kind for channel in self.config().channels}

    async def overview(self) -> Overview:
        """Return all that is shown, read in one transaction. Raises `StoreUnavailable`."""
        channels = self.channels()
        return await self.store.read(lambda conn: overview(conn, channels))
