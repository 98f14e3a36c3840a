"""The first message of an incident is found again after a restart, and old ones are forgotten."""

from __future__ import annotations

import asyncio

import pytest

from checker.store import Store, StoreUnavailable
from checker.store.channel_threads import KEEP, StoredPosts


def test_a_post_is_found_again_by_channel_and_incident_and_the_latest_counts(store: Store) -> None:
    async def main() -> list[str]:
        await StoredPosts(store, lambda: 1.0).keep("ops", "k", "1")
        await StoredPosts(store, lambda: 2.0).keep("ops", "k", "2")
        posts = StoredPosts(store, lambda: 3.0)
        return [await posts.find(*each) for each in (("ops", "k"), ("mail", "k"), ("ops", "other"))]

    assert asyncio.run(main()) == ["2", "", ""]


def test_what_is_older_than_a_year_is_forgotten(store: Store) -> None:
    async def main() -> list[str]:
        await StoredPosts(store, lambda: 0.0).keep("ops", "old", "1")
        await StoredPosts(store, lambda: KEEP + 1).keep("ops", "new", "2")
        posts = StoredPosts(store, lambda: 0.0)
        return [await posts.find("ops", "old"), await posts.find("ops", "new")]

    assert asyncio.run(main()) == ["", "2"]


def test_a_store_that_is_away_costs_the_thread_and_not_the_message(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(fn: object) -> None:
        raise StoreUnavailable("database: away")

    monkeypatch.setattr(store, "read", away)
    monkeypatch.setattr(store, "write", away)

    async def main() -> str:
        posts = StoredPosts(store, lambda: 0.0)
        await posts.keep("ops", "k", "1")
        return await posts.find("ops", "k")

    assert asyncio.run(main()) == ""
