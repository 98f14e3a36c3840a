"""Reads the configuration again when a file of it changes or a signal asks; a broken edit changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from checker.config import Config, ConfigError, load
from checker.config_diff import differences
from checker.config_files import matching
from checker.store import StoreUnavailable

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds between two looks at the file

Stamp = tuple[tuple[str, int, int, int], ...]


class Reloader:
    """Watches all files of a configuration; `apply` makes a new configuration hold."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        apply: Callable[[Config], Awaitable[None]],
        *,
        every: float = EVERY,
    ) -> None:
        self.config = config
        self.error = ""  # why the file as it is now cannot be used; empty while it can
        self._environ = environ
        self._apply = apply
        self._every = every
        self._asked = asyncio.Event()
        self._seen = self._stamp()

    def ask(self) -> None:
        """Have the file read again now, changed or not: what SIGHUP does."""
        self._asked.set()

    async def run(self) -> None:
        """Look at the file every few seconds, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._every)
            await self.once()

    async def once(self) -> bool:
        """Read the file if it changed or was asked for; tell whether a new configuration holds now."""
        stamp = self._stamp()
        if stamp == self._seen and not self._asked.is_set():
            return False
        self._asked.clear()
        try:
            config = load(self.config.path, self._environ)
        except ConfigError as error:
            self._keep("; ".join(error.problems) or str(error), stamp)
            return False
        try:
            await self._apply(config)
        except StoreUnavailable as error:  # the file is fine: try again with the next look
            logger.warning("the new configuration waits for the database: %s", error)
            return False
        lines = differences(self.config, config)
        self.config, self.error, self._seen = config, "", stamp
        for line in lines or ["nothing changed"]:
            logger.info("configuration reloaded: %s", line)
        for warning in config.warnings:
            logger.warning("configuration: %s", warning)
        return True

    def _keep(self, problem: str, stamp: Stamp) -> None:
        self._seen = stamp
        self.error = problem
        logger.error(
            "the configuration was changed and cannot be used; the old one keeps running: %s", problem
        )

    def _stamp(self) -> Stamp:
        files = [self.config.path, *matching(self.config.patterns, self.config.path)]
        return tuple(stamp for each in files if (stamp := _stat(each)) is not None)


def _stat(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino
