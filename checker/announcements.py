"""Takes in what jobs and apps announce of themselves. What the file or the API says always comes first."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from checker import announced
from checker.announced import AnnouncementError
from checker.config import Config
from checker.registry import Registry
from checker.store import Store, StoreUnavailable
from checker.store import announced as rows

logger = logging.getLogger(__name__)

REFUSALS = 1_000  # that are remembered, so that a wrong announcement is read and logged once


class Announcements:
    """What announces itself with the ping key; `changed` is called when an endpoint came or changed."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        config: Callable[[], Config],
        clock: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._config = config
        self._clock = clock
        self._changed = changed
        self._refused: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def job(self, slug: str, said: str) -> str:
        """Let the heartbeat of a slug be as it announces itself; return what is wrong with that, or "".

        Nothing is raised: the sign has been taken already.
        """
        found = self._registry.by_slug(slug)
        if found is None or found[1].source != "auto" or found[1].announced == said:
            return ""
        if (slug, said) in self._refused:
            return self._refused[slug, said]
        monitor_id, spec = found
        try:
            wanted = announced.job(spec, said, self._channels())
            kept = await self._store.write(lambda conn: rows.renew(conn, monitor_id, wanted, self._clock()))
        except AnnouncementError as error:
            return self._refuse(slug, said, str(error))
        except StoreUnavailable:
            return ""  # the next ping brings it again
        if kept is not None:
            self._registry.put(kept)
            logger.info("heartbeat %r announces itself", spec.name)
        return ""

    async def app(self, document: Mapping[str, Any]) -> tuple[int, str]:
        """Take in an endpoint; return the status and text to answer. Raises `StoreUnavailable`."""
        server = self._config().server
        try:
            wanted = announced.app(document, self._channels(), allow_private=server.announce_private)
        except AnnouncementError as error:
            return 422, str(error)
        try:
            found = await self._store.write(
                lambda conn: rows.enter(conn, wanted, self._clock(), server.announce_endpoints)
            )
        except rows.NoRoomError:
            logger.warning(
                "endpoint %r announces itself, and there is no room: raise announce_endpoints", wanted.name
            )
            return (
                409,
                f"{server.announce_endpoints} endpoints may announce themselves, and there are as many",
            )
        if found is None:
            return 200, "a monitor of this name was not announced: it stays as it is"
        monitor, new = found
        if new or self._registry.by_id(monitor.id) != monitor.spec:
            self._registry.put(monitor)
            self._changed()
            logger.info("endpoint %r announces itself", wanted.name)
        return (201, "Created") if new else (200, "OK")

    def _channels(self) -> set[str]:
        return {each.name for each in self._config().channels}

    def _refuse(self, slug: str, said: str, why: str) -> str:
        logger.warning("what heartbeat %r announces is left out: %r", slug, why)
        self._refused[slug, said] = why
        if len(self._refused) > REFUSALS:
            self._refused.popitem(last=False)
        return why
