"""apprise: everything else, through the Apprise library (an extra, imported when first used)."""

from __future__ import annotations

import importlib
import re
import time
import warnings
from typing import Any

from checker.channels import _threads
from checker.channels.base import Channel, ChannelError, Clock, Pace
from checker.channels.story import Tone, tell
from checker.http import Http
from checker.model import ChannelSpec, Event, Notification

_MENTION = re.compile(r"@(?=everyone|here|channel)|<(?=[!@#&])", re.IGNORECASE)


class Apprise(Channel):
    """Sends to one Apprise URL, or a list of them."""

    pace = Pace(at_once=4)
    required = frozenset({"url"})
    optional = frozenset({"timeout"})

    def __init__(self, spec: ChannelSpec, http: Http, *, clock: Clock = time.time) -> None:
        super().__init__(spec, http, clock=clock)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what Apprise imports
            self._library = self._import()
            self._target = self._library.Apprise()
            given = spec.settings["url"]
            for url in given if isinstance(given, list) else [given]:
                if not isinstance(url, str) or not self._target.add(url):
                    raise self._wrong('"url"', "is not one that Apprise understands (or a list of such)")

    async def send(self, notification: Notification, *, dedup: str) -> None:  # noqa: ARG002 - Apprise has no such thing
        story = tell(notification)
        title, body = harmless(story.headline()), harmless(story.body)
        if story.link:
            body = f"{body}\n\n{story.link}"

        def notify() -> None:
            taken = self._target.notify(
                title=title, body=body, notify_type=self._type(notification), body_format="text"
            )
            if not taken:
                raise ChannelError("Apprise could not deliver it; its own log says why")

        await _threads.run(notify, self.timeout, "apprise", abort=lambda: None)

    def _import(self) -> Any:
        try:
            return importlib.import_module("apprise")
        except ImportError:
            why = 'needs the extra "apprise": pip install "healthkit-monitor[apprise]"'
            raise self._wrong("the kind", why) from None

    def _type(self, notification: Notification) -> Any:
        kinds = self._library.NotifyType
        if notification.event is Event.RESOLVED:
            return kinds.SUCCESS
        return kinds.INFO if tell(notification).tone is Tone.CALM else kinds.FAILURE


def harmless(text: str) -> str:
    """Return text whose mentions no service behind Apprise follows: a zero-width space breaks them."""
    return _MENTION.sub(lambda found: f"{found.group()}\u200b", text)
