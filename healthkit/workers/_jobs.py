"""Heartbeats of single jobs: which URL a job has, and which pings a run of it deserves."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any

from healthkit.announcing import job_url
from healthkit.errors import ConfigurationError
from healthkit.heartbeat import FRAMES, Heartbeat

log = logging.getLogger(__name__)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OTHER = re.compile(r"[^a-z0-9_]")
MAX_SLUG = 100

Make = Callable[[str], Heartbeat]
Due = Callable[[str], Mapping[str, Any]]


def _unknown(_name: str) -> Mapping[str, Any]:
    return {}


def slug(name: str) -> str:
    """Return a job's name as the end of a ping URL: `shop.tasks.Bill_all` -> `shop-tasks-bill_all`."""
    return _OTHER.sub("-", name.lower())[:MAX_SLUG] or "-"


def run_id(run: object) -> str:
    """Return the uuid for a run that its library knows by `run`: the same one in every process."""
    text = str(run).lower()
    if _UUID.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


class Jobs:
    """The heartbeats of a worker's jobs, and how many have ended.

    `named` gives jobs their ping URL. Every other gets `base` + its slug, made by the checker when first
    pinged (`create=1`); `only` limits that to some names. Without a `base` others have none. `due` tells when
    such a job is due, in the words of `Heartbeat`, so that the checker expects it then.
    """

    def __init__(
        self,
        named: Mapping[str, str] | None = None,
        base: str | None = None,
        only: Collection[str] | None = None,
        make: Make = Heartbeat,
        due: Due = _unknown,
    ) -> None:
        self._named = dict(named or {})
        self._base = base or ""
        self._only = only
        self._make = make
        self._due = due
        self._heartbeats: dict[str, Heartbeat | None] = {}
        self._ended: dict[int, int] = {}  # by thread: each counts for itself, so no count is lost
        self._failed: dict[int, int] = {}

    @property
    def processed(self) -> int:
        """How many runs have ended in this process, the failed ones included."""
        return sum(self._ended.copy().values())

    @property
    def failed(self) -> int:
        """How many runs have failed in this process."""
        return sum(self._failed.copy().values())

    def began(self, name: str, run: object) -> None:
        """A run of the job `name` begins."""
        if heartbeat := self._of(name):
            heartbeat.start(rid=run_id(run))

    def ended(self, name: str, run: object, error: BaseException | str | None = None) -> None:
        """It has ended, or failed for good."""
        _count(self._ended)
        if error is not None:
            _count(self._failed)
        if heartbeat := self._of(name):
            if error is None:
                heartbeat.ping(rid=run_id(run))
            else:
                heartbeat.fail(shown(error), rid=run_id(run))

    def postponed(self, name: str, run: object, why: BaseException | str) -> None:
        """It did not succeed, and will be tried again: a note, for it may yet."""
        if heartbeat := self._of(name):
            heartbeat.log(f"will be tried again: {shown(why)}", rid=run_id(run))

    def note(self, name: str, text: str) -> None:
        """Leave a note on a job that changes nothing."""
        if heartbeat := self._of(name):
            heartbeat.log(text)

    def _of(self, name: str) -> Heartbeat | None:
        if name not in self._heartbeats:
            self._heartbeats[name] = self._find(name)
        return self._heartbeats[name]

    def _find(self, name: str) -> Heartbeat | None:
        url = self._named.get(name)
        if url is None and self._base and (self._only is None or name in self._only):
            url = self._announced(automatic_url(self._base, name), name)
        try:
            return self._make(url) if url else None
        except ConfigurationError as error:  # the job comes first
            log.error("the job %s has no heartbeat: %s", name, error)
            return None

    def _announced(self, url: str, name: str) -> str:
        """Return the URL with when the job is due; the bare one where its library does not tell."""
        try:
            return job_url(url, dict(self._due(name)))
        except Exception as error:  # noqa: BLE001 - a library's own objects are asked, and the job comes first
            log.warning("when the job %s is due cannot be told: %s", name, type(error).__name__)
            return url


def automatic_url(base: str, name: str) -> str:
    """Return the ping URL of a job below a `base` such as `https://checker.example/ping/<key>`."""
    path, _, query = base.partition("?")
    return f"{path.rstrip('/')}/{slug(name)}?{query + '&' if query else ''}create=1"


def shown(error: BaseException | str) -> str:
    """Return an error as text: its traceback's innermost part, or what a library says itself."""
    if isinstance(error, str):
        return error
    try:
        return "".join(traceback.format_exception(error, limit=-FRAMES))
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):  # one that cannot be shown
        return type(error).__name__


def _count(counts: dict[int, int]) -> None:
    me = threading.get_ident()
    counts[me] = counts.get(me, 0) + 1
