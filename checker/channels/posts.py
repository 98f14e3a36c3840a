"""Where each incident was first told, so that what follows is told in the same place."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

MAX_REMEMBERED = 1_000


class Posts(Protocol):
    """What a channel remembers of an incident: the far side's own name of the first message about it."""

    async def find(self, channel: str, key: str) -> str:
        """Return what was kept for an incident's dedup key on a channel, "" where nothing was."""

    async def keep(self, channel: str, key: str, post: str) -> None:
        """Remember the post; a later one takes its place."""


class OwnPosts:
    """A memory that lives as long as the process."""

    def __init__(self) -> None:
        self._posts: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def find(self, channel: str, key: str) -> str:
        return self._posts.get((channel, key), "")

    async def keep(self, channel: str, key: str, post: str) -> None:
        self._posts[channel, key] = post
        while len(self._posts) > MAX_REMEMBERED:
            self._posts.popitem(last=False)
