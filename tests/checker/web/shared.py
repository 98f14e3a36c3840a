"""One set of pages for all sites of a process: to make them anew for each test took longer than the test."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from checker.web.app import pages
from checker.web.context import Context
from checker.web.headers import SafeHeaders
from checker.web.ping import App, Receive, Scope, Send
from healthkit.health import Health


class _Asked:
    """Stands for the context of the site that is asked; a test asks one at a time."""

    health = Health("healthkit-checker")
    context: Context

    def __getattr__(self, name: str) -> Any:
        return getattr(self.context, name)


_asked = _Asked()


@cache
def _pages() -> App:
    return SafeHeaders(pages(cast("Context", _asked)))


def pages_of(context: Context) -> App:
    """Return the part behind the ping receiver, as it answers in this context."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        _asked.context = context
        await _pages()(scope, receive, send)

    return app
