"""What one node makes, changes or removes, every other node knows: within a second, or when a ping asks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import event, text

from checker import news as listening
from checker.model import Poll, Verdict
from checker.news import News
from checker.record import Recorder
from checker.registry import Registry
from checker.schedule import Every
from checker.store import Store, StoreUnavailable, checks, monitors, news
from tests.checker.house import NOW, SHOP, heartbeat

NIGHTLY = heartbeat("nightly")


class Node:
    """A node's registry, and what keeps it in step."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = 1_000.0
        self.reloads = 0
        self.registry = Registry(store)
        self.news = News(store, self.registry, changed=self._reloaded, monotonic=lambda: self.now)
        asyncio.run(self.news.start())

    def _reloaded(self) -> None:
        self.reloads += 1

    def listen(self) -> int:
        """Look for news once."""
        return asyncio.run(self.news.listen())


@pytest.fixture
def nodes(store: Store) -> tuple[Node, Node]:
    """Two nodes on one database."""
    store.write_now(lambda conn: monitors.sync(conn, [SHOP, NIGHTLY], NOW))
    return Node(store), Node(store)


def test_a_heartbeat_that_a_ping_made_at_one_node_is_known_at_the_other(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    made = asyncio.run(one.registry.create_heartbeat("backup", NOW))
    assert two.registry.by_slug("backup") is None
    two.listen()
    found = two.registry.by_slug("backup")
    assert found is not None
    assert found[0] == made[0]
    assert two.registry.by_token(found[1].token) == found
    assert two.reloads == 0


def test_news_are_taken_in_once(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    asyncio.run(one.registry.create_heartbeat("backup", NOW))
    assert [two.listen(), two.listen()] == [1, 0]


def test_what_the_api_changes_and_deletes_at_one_node_is_so_at_the_other(
    nodes: tuple[Node, Node], store: Store
) -> None:
    _, two = nodes
    made = store.write_now(lambda conn: checks.create(conn, heartbeat("api", schedule=Every(60.0)), NOW))
    two.listen()
    assert two.registry.by_id(made.id) is not None

    store.write_now(lambda conn: checks.update(conn, made.id, lambda spec: replace(spec, grace=300.0), NOW))
    two.listen()
    changed = two.registry.by_id(made.id)
    assert changed is not None
    assert changed.grace == 300.0

    store.write_now(lambda conn: checks.delete(conn, made.id, NOW))
    two.listen()
    assert two.registry.by_id(made.id) is None
    assert two.registry.by_slug("api") is None


def test_a_changed_configuration_is_read_in_full_at_the_other_node(
    nodes: tuple[Node, Node], store: Store
) -> None:
    _, two = nodes
    store.write_now(lambda conn: monitors.sync(conn, [NIGHTLY, heartbeat("weekly")], NOW))
    two.listen()
    assert two.reloads == 1
    assert two.registry.full_name("shop") is None
    assert two.registry.full_name("weekly") is not None
    two.listen()
    assert two.reloads == 1


def test_a_configuration_that_changes_nothing_is_no_news(nodes: tuple[Node, Node], store: Store) -> None:
    store.write_now(lambda conn: monitors.sync(conn, [SHOP, NIGHTLY], NOW))
    assert nodes[1].listen() == 0


def test_components_that_one_node_found_are_known_at_the_other(
    nodes: tuple[Node, Node], store: Store
) -> None:
    one, two = nodes
    shop = one.registry.full_name("shop")
    assert shop is not None
    part = Poll(Verdict.PASS, NOW, details={"identity": "db-1"})
    look = Poll(Verdict.PASS, NOW, components=(("database:write", part),))
    recorder = Recorder(store, one.registry, lambda: NOW)
    asyncio.run(recorder.record([(shop, look)]))
    two.listen()
    found = two.registry.component(shop, "database:write")
    assert found is not None
    assert found == one.registry.component(shop, "database:write")
    spec = two.registry.by_id(found)
    assert spec is not None
    assert spec.identity == "db-1"


def test_a_number_that_was_committed_late_is_not_passed_over(nodes: tuple[Node, Node], store: Store) -> None:
    """Numbers are given at the insert and seen at the commit: a later one may be seen first."""
    one, two = nodes
    for slug in ("first", "second"):
        asyncio.run(one.registry.create_heartbeat(slug, NOW))
    rows = store.read_now(lambda conn: news.since(conn, 0))
    early, last = rows[-2], rows[-1]
    store.write_now(lambda conn: conn.execute(text("DELETE FROM news WHERE id = :id"), {"id": early[0]}))
    two.listen()
    assert two.registry.by_slug("first") is None
    assert two.registry.by_slug("second") is not None
    again = text("INSERT INTO news (id, monitor_id, at) VALUES (:id, :monitor, 1e12)")
    store.write_now(lambda conn: conn.execute(again, {"id": early[0], "monitor": early[1]}))
    two.now += listening.UNSURE - 1
    assert two.listen() == 1
    assert two.registry.by_slug("first") is not None
    assert last[0] > early[0]


def test_numbers_long_past_are_not_asked_for_again(nodes: tuple[Node, Node], store: Store) -> None:
    one, two = nodes
    asyncio.run(one.registry.create_heartbeat("first", NOW))
    for _ in range(3):
        two.now += listening.UNSURE + 1
        two.listen()
    latest = store.read_now(news.latest)
    assert two.news._unsure(two.now) == latest
    assert two.news._known == set()


def test_a_node_that_slept_long_reads_everything_anew(nodes: tuple[Node, Node], store: Store) -> None:
    one, two = nodes
    asyncio.run(one.registry.create_heartbeat("backup", NOW))
    store.write_now(lambda conn: conn.execute(text("DELETE FROM news")))  # long forgotten
    two.now += listening.ASLEEP + 1
    two.listen()
    assert two.registry.by_slug("backup") is not None
    assert two.reloads == 1


def test_news_are_forgotten_after_an_hour(nodes: tuple[Node, Node], store: Store) -> None:
    store.write_now(lambda conn: conn.execute(text("UPDATE news SET at = at - 4000")))
    asyncio.run(nodes[0].registry.create_heartbeat("backup", NOW))
    assert len(store.read_now(lambda conn: news.since(conn, 0))) == 1


def queries(store: Store) -> list[str]:
    """The statements that readers run from here on."""
    found: list[str] = []

    @event.listens_for(store._read_engine, "before_cursor_execute")
    def before(*arguments: object) -> None:
        found.append(str(arguments[2]))

    return found


def test_a_thousand_who_ask_at_once_cost_two_queries(nodes: tuple[Node, Node]) -> None:
    two = nodes[1]
    asked = queries(two.store)

    async def flood() -> list[bool]:
        return await asyncio.gather(*(two.news.ask() for _ in range(1_000)))

    assert all(asyncio.run(flood()))
    assert len(asked) <= 2


def test_who_asks_while_a_look_is_under_way_waits_for_the_next(nodes: tuple[Node, Node]) -> None:
    one, two = nodes

    async def main() -> None:
        early = asyncio.create_task(two.news.ask())
        await asyncio.sleep(0)
        await one.registry.create_heartbeat("backup", NOW)
        await two.news.ask()
        assert two.registry.by_slug("backup") is not None
        assert await early

    asyncio.run(main())


def test_beyond_a_bound_nobody_waits(nodes: tuple[Node, Node]) -> None:
    two = nodes[1]

    async def main() -> list[bool]:
        return await asyncio.gather(*(two.news.ask() for _ in range(listening.MOST + 10)))

    assert asyncio.run(main()).count(False) == 10


def test_who_asks_while_the_database_is_away_is_told_so(nodes: tuple[Node, Node]) -> None:
    two = nodes[1]
    two.store.close()
    with pytest.raises(StoreUnavailable):
        asyncio.run(two.news.ask())


def test_what_is_said_to_all_is_the_last_word(store: Store) -> None:
    assert store.read_now(lambda conn: news.said(conn, "configuration")) is None
    for value, by in (("one", "a"), ("two", "b")):
        store.write_now(partial(news.say, name="configuration", value=value, by=by))
    found = store.read_now(lambda conn: news.said(conn, "configuration"))
    assert found is not None
    assert (found.value, found.by) == ("two", "b")
