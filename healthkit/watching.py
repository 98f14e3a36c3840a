"""Who watches the watcher: an app that nobody polls any more says so by its own channel."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from healthkit.durations import humanize
from healthkit.family import family, file_name
from healthkit.journal import state_folder
from healthkit.mailbox import Mailbox

MONTH = 30 * 86_400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a listener is told: whether somebody watches, and for how many seconds nobody has (or had)."""

    service: str
    is_watched: bool
    silence: float

    def __str__(self) -> str:
        if self.is_watched:
            return f"{self.service}: somebody asks for its health again"
        return f"{self.service}: nobody has asked for its health for {humanize(self.silence)}"


class Sign:
    """When somebody last watched, and whether it was told that nobody does. Workers of one server share it.

    Shared, it is two files in the folder that the journals use: the time of the first is when somebody last
    asked, the second exists from the telling on until somebody asks again, so that one worker tells it, once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = 0.0
        self._is_told = False

    def touch(self, now: float) -> None:
        """Note that somebody asked at `now`."""
        self._last = now
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600))
                os.utime(self._path, (now, now))

    def last(self) -> float:
        """Return when somebody last asked, in any of the processes; 0 for never."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                return max(self._last, self._path.stat().st_mtime)
        return self._last

    def claim(self) -> bool:
        """Take the telling upon oneself; False when it is told already."""
        if self._path is not None:
            try:
                os.close(os.open(self._told, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                return True
            except FileExistsError:
                return False
            except OSError:  # rather told by every worker than by none
                self._path = None
        was_told, self._is_told = self._is_told, True
        return not was_told

    def release(self) -> bool:
        """Be watched again; True for the one process that has to tell so."""
        if self._path is not None:
            try:
                self._told.unlink()
                return True
            except OSError:  # it was not told, or another was quicker
                return False
        was_told, self._is_told = self._is_told, False
        return was_told

    @property
    def _told(self) -> Path:
        assert self._path is not None
        return self._path.with_suffix(".told")


class Watch:
    """Tells when nobody has asked for `within` seconds: once, until somebody asks again."""

    def __init__(
        self,
        service: str,
        within: float,
        on_unwatched: Callable[..., Any] | None,
        on_watched: Callable[..., Any] | None,
    ) -> None:
        self._service = service
        self.within = within
        self.step = min(10.0, within / 4)  # seconds between two judgements
        self._on_unwatched = on_unwatched and Mailbox(on_unwatched, "on_unwatched")
        self._on_watched = on_watched and Mailbox(on_watched, "on_watched")
        self._sign = Sign()
        self._since = self._judged = 0.0
        self._touched: float | None = None

    def start(self, now: float, environ: Mapping[str, str] = os.environ) -> None:
        """Count from `now` on, together with the other workers of this server."""
        self._since = self._judged = now
        self._touched = None
        kin = family()
        folder = state_folder(environ) if kin is not None else None
        if kin is None or folder is None:
            self._sign = Sign()
            return
        _prune(folder, now)
        self._sign = Sign(folder / file_name("watched", self._service, kin))

    def seen(self, now: float) -> None:
        """Note that somebody asked; costs next to nothing when somebody did a moment ago."""
        if self._touched is not None and 0 <= now - self._touched < min(1.0, self.step):
            return
        silence = now - max(self._since, self._sign.last())
        self._touched = now
        self._sign.touch(now)
        if self._sign.release():
            self._tell(self._on_watched, Watched(self._service, True, silence))

    def judge(self, now: float) -> None:
        """Tell if nobody has asked for too long. Time in which this process did not run does not count."""
        if not 0 <= now - self._judged < 4 * self.step + 5:
            self._since = now
        self._judged = now
        silence = now - max(self._since, self._sign.last())
        if silence > self.within and self._sign.claim():
            self._tell(self._on_unwatched, Watched(self._service, False, silence))

    def _tell(self, mailbox: Mailbox | None, news: Watched) -> None:
        (log.info if news.is_watched else log.error)("%s", news)
        if mailbox is not None:
            mailbox.post(news)


def _prune(folder: Path, now: float) -> None:
    """Remove the signs of servers that are long gone."""
    for path in folder.glob("watched-*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < now - MONTH:
                path.unlink()
