"""Reads `checker.toml` again when it changes or a signal asks; a broken edit keeps the old one running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields

from checker.config import Config, ConfigError, load
from checker.store import StoreUnavailable

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds between two looks at the file

FIXED = (
    "host",
    "port",
    "database",
    "public_url",
    "remind_every",
    "log_level",
)  # of [server]: they hold until a restart
Stamp = tuple[int, int, int] | None


class Reloader:
    """Watches one file; `apply` makes a new configuration hold and returns the diff to print."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        apply: Callable[[Config], Awaitable[list[str]]],
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
            lines = [*differences(self.config, config), *await self._apply(config)]
        except StoreUnavailable as error:  # the file is fine: try again with the next look
            logger.warning("the new configuration waits for the database: %s", error)
            return False
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
        try:
            found = self.config.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def differences(old: Config, new: Config) -> list[str]:
    """Return what changed beside the monitors, a line each; never a value, for it may be a secret."""
    lines = []
    for field in fields(new.server):
        if getattr(old.server, field.name) != getattr(new.server, field.name):
            later = " (after a restart)" if field.name in FIXED else ""
            lines.append(f"~ server.{field.name}{later}")
    before = {channel.name: channel for channel in old.channels}
    after = {channel.name: channel for channel in new.channels}
    lines += [f"+ channel {name}" for name in after if name not in before]
    lines += [f"- channel {name}" for name in before if name not in after]
    lines += [f"~ channel {name}" for name in after if name in before and after[name] != before[name]]
    if old.maintenance != new.maintenance:
        lines.append("~ maintenance windows")
    return lines
