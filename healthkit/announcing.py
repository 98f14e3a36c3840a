"""What a job or an app tells of itself, so that nobody has to write it down at the checker.

A job's schedule travels in the query of its ping URL, beside `create=1`; a server that does not know the
words ignores them. An app's address is told in the background, and again now and then.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from healthkit import pings, transport
from healthkit.errors import ConfigurationError
from healthkit.pings import Ping
from healthkit.scheduler import scheduler

log = logging.getLogger(__name__)

DURATIONS = ("every", "grace", "max_runtime", "min_runtime")
SOON = 1.0  # seconds after the start: what only imports the app tells nothing
AGAIN = 3600.0  # seconds
_UUID = re.compile(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/?$")


def job_url(url: str, told: dict[str, Any]) -> str:
    """Return a job's ping URL with what is told of it; unchanged where nothing is.

    `told` may hold one of `schedule` (cron), `every` and `oncalendar`, and `timezone`, `grace`,
    `max_runtime`, `min_runtime`, `tags` and `channels`. Raises `ConfigurationError` for what cannot be meant.
    """
    given = {key: value for key, value in told.items() if value is not None and value != ()}
    if not given:
        return url
    when = [key for key in ("schedule", "every", "oncalendar") if key in given]
    if len(when) > 1:
        raise ConfigurationError(f"Heartbeat: {' and '.join(when)} exclude each other; keep one")
    if _UUID.search(urlsplit(url).path):
        log.warning(
            "Heartbeat: a URL that ends in a uuid names a monitor that exists: its schedule is not told"
        )
        return url
    fields = {"create": "1", **{key: _text(key, value) for key, value in given.items()}}
    here, mark, there = url.strip().partition("?")
    kept = "&".join(part for part in there.split("&") if part and part != "create=1")
    return f"{here}?{kept + '&' if mark and kept else ''}{urlencode(fields)}"


def _text(key: str, value: Any) -> str:
    if key in DURATIONS:
        from healthkit.durations import seconds  # slow to import, rarely needed

        return value if value == "auto" else f"{seconds(value, what=f'Heartbeat: {key}'):g}s"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    raise ConfigurationError(f"Heartbeat: {key} must be text, or several")


class Announcement:
    """Tells a checker where a service's health is to be asked for: soon after the start, then every hour.

    It never waits, and nothing of it is raised: it leaves in the background, as pings do.
    """

    def __init__(
        self,
        service: str,
        announce: str,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        submit: Callable[[Ping], None] = transport.submit,
    ) -> None:
        address = pings.target(url, what="url")
        query = urlencode({"app": service})
        self._target = pings.target(f"{announce}{'&' if '?' in announce else '?'}{query}", what="announce")
        self._told = {"name": service, "url": address.url}
        self._clock, self._submit = clock, submit
        self._pid = 0

    def __repr__(self) -> str:
        return f"Announcement({self._target.shown!r})"

    def begin(self) -> None:
        """Tell it soon, once a process; the child of a fork begins with its first request."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        try:
            scheduler.after_while_alive(SOON, self.tell)
        except RuntimeError:  # no thread can be started: nor could anything be sent
            log.warning("the app cannot be announced: no thread can be started")

    def tell(self) -> float:
        """Tell it now, in the background; return after how many seconds to tell it again."""
        self._submit(Ping(self._target, "", self._clock(), "", "", self._told, fleeting=True))
        return AGAIN
