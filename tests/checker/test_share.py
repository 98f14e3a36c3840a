"""Endpoints and deadlines shared among nodes: every one is somebody's, one that slept writes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import text

from checker.model import Poll, Verdict
from checker.record import Recorder
from checker.registry import Registry
from checker.share import Alone, Share, Shares
from checker.store import Store, monitors, nodes, outbox
from checker.store.nodes import Fenced
from tests.checker.house import NOW, SHOP, House, heartbeat, success

MANY = range(1, 2_001)


class Watch:
    """A monotonic clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def node(
    store: Store, name: str, watch: Watch | None = None, sees: Callable[[], bool] = lambda: True
) -> Share:
    return Share(store, name, monotonic=watch or Watch(), sees=sees)


def beat(*shares: Share) -> None:
    """Let each of them look twice: the first sees who is there, the second what the others saw."""
    for _ in range(2):
        for each in shares:
            asyncio.run(each.beat())


def expire(store: Store, name: str) -> None:
    """Let a node's lease run out in the database."""
    change = text("UPDATE lease SET until = 1 WHERE name = :name")
    store.write_now(lambda conn: conn.execute(change, {"name": f"node:{name}"}))


def parts(*shares: Share) -> list[set[int]]:
    return [{each for each in MANY if share.owns(each)} for share in shares]


def test_a_node_that_has_not_looked_yet_owns_nothing(store: Store) -> None:
    assert parts(node(store, "a")) == [set()]


def test_one_node_owns_everything(store: Store) -> None:
    one = node(store, "a")
    beat(one)
    assert parts(one) == [set(MANY)]
    assert all(one.judges(each) for each in MANY)


def test_every_endpoint_is_exactly_one_nodes_and_the_parts_are_even(store: Store) -> None:
    shares = [node(store, name) for name in "abcd"]
    beat(*shares)
    found = parts(*shares)
    assert sum(len(each) for each in found) == len(MANY)
    assert set().union(*found) == set(MANY)
    assert all(400 < len(each) < 600 for each in found)
    judged = Counter(number for each in shares for number in MANY if each.judges(number))
    assert set(judged.values()) == {1}


def test_a_node_that_comes_takes_from_all_and_moves_nothing_else(store: Store) -> None:
    shares = [node(store, name) for name in "abc"]
    beat(*shares)
    before = parts(*shares)
    new = node(store, "d")
    beat(*shares, new)
    after = parts(*shares)
    assert all(now <= was for was, now in zip(before, after, strict=True))
    assert set().union(*before) - set().union(*after) == parts(new)[0]


def test_a_node_that_stops_in_order_leaves_its_part_to_the_others_at_once(store: Store) -> None:
    one, two = node(store, "a"), node(store, "b")
    beat(one, two)
    asyncio.run(two.stop())
    beat(one)
    assert parts(one, two) == [set(MANY), set()]


def test_a_node_that_is_lost_leaves_its_part_when_its_lease_runs_out(store: Store) -> None:
    one, two = node(store, "a"), node(store, "b")
    beat(one, two)
    expire(store, "b")
    beat(one)
    assert parts(one) == [set(MANY)]


def test_a_node_that_cannot_prolong_stops_looking_by_its_own_clock(store: Store) -> None:
    watch = Watch()
    one, two = node(store, "a", watch), node(store, "b")
    beat(one, two)
    pledge = one.pledge()
    assert pledge is not None
    assert one.keeps(pledge)
    watch.now += 8.1
    assert parts(one) == [set()]
    assert one.pledge() is None
    assert not one.keeps(pledge)


def test_a_node_that_stands_alone_looks_on_while_the_database_is_away(store: Store) -> None:
    watch = Watch()
    one = node(store, "a", watch)
    beat(one)
    watch.now += 600
    assert parts(one) == [set(MANY)]


def test_what_a_node_saw_before_it_slept_is_void_when_it_wakes(store: Store) -> None:
    watch = Watch()
    zombie, other = node(store, "a", watch), node(store, "b")
    beat(zombie, other)
    pledge = zombie.pledge()
    assert pledge is not None
    expire(store, "a")
    watch.now += 60
    beat(zombie)
    assert zombie.pledge() not in (pledge, None)
    assert not zombie.keeps(pledge)


def test_polls_of_a_node_whose_lease_ran_out_are_refused_and_pings_beside_them_are_not(store: Store) -> None:
    house = House(store, SHOP, heartbeat("nightly"))
    zombie, other = node(store, "a"), node(store, "b")
    beat(zombie, other)
    recorder = Recorder(store, house.registry, house.clock, may_poll=zombie.fence)
    poll = Poll(Verdict.FAIL, NOW)

    async def both() -> list[object]:
        return list(
            await asyncio.gather(
                recorder.record([(house.id("shop"), poll)]),
                recorder.record([(house.id("nightly"), success())]),
                return_exceptions=True,
            )
        )

    assert [isinstance(each, list) for each in asyncio.run(both())] == [True, True]
    expire(store, "a")  # it still believes that it holds: only the database knows better
    refused, taken = asyncio.run(both())
    assert isinstance(refused, Fenced)
    assert isinstance(taken, list)
    assert house.state("shop").failures == 1
    assert house.state("nightly").pings == 2


def test_a_second_node_of_the_same_name_takes_another_one(store: Store) -> None:
    one, two = node(store, "a"), node(store, "a")
    beat(one, two)
    assert one.node != two.node
    beat(one, two)
    assert set(one.members) == {one.node, two.node} == set(two.members)
    assert parts(one)[0].isdisjoint(parts(two)[0])


def test_a_beat_that_nobody_waited_for_does_not_make_a_node_its_own_double(store: Store) -> None:
    one = node(store, "a")
    beat(one)
    expire(store, "a")
    store.write_now(one._renew)  # committed, and its answer lost
    beat(one)
    assert one.node == "a"
    assert one.members == ("a",)


def test_a_node_that_cannot_see_leaves_its_part_to_one_that_can_and_takes_it_back(store: Store) -> None:
    sees = [False]
    blind, other = node(store, "a", sees=lambda: sees[0]), node(store, "b")
    beat(blind, other)
    assert parts(blind, other) == [set(), set(MANY)]
    sees[0] = True
    beat(blind, other)
    assert len(parts(blind)[0]) > 800


def test_the_last_node_keeps_its_part_though_it_cannot_see(store: Store) -> None:
    blind = node(store, "a", sees=lambda: False)
    beat(blind)
    assert parts(blind) == [set(MANY)]


def test_a_change_is_told_once(store: Store) -> None:
    told: list[int] = []
    watch = Watch()
    one = Share(store, "a", changed=lambda: told.append(1), monotonic=watch)
    other = node(store, "b")
    beat(one, one, one)
    assert told == [1, 1]  # who is there, and that the lease holds
    beat(other, one, one)
    assert told == [1, 1, 1]


def test_what_a_lost_node_was_about_to_send_is_free_for_others(store: Store) -> None:
    one, two = node(store, "a"), node(store, "b")
    beat(one, two)
    house = House(store, heartbeat("nightly"), node="b")
    asyncio.run(house.ping("nightly"))

    async def fall() -> None:
        await house.watcher.once(NOW + 100)
        await house.assembler.once(NOW + 100)

    house.now = NOW + 100
    asyncio.run(fall())

    def claim(owner: str) -> int:
        return len(
            store.write_now(
                lambda conn: outbox.claim(conn, "ops", owner, NOW + 100, until=NOW + 190, limit=8, without=())
            )
        )

    assert claim("b") == 1
    assert claim("a") == 0
    expire(store, "b")
    beat(one)
    assert claim("a") == 1


def test_leases_of_nodes_long_gone_are_forgotten(store: Store) -> None:
    beat(node(store, "old"))
    expire(store, "old")
    beat(node(store, "a"))
    names = text("SELECT name FROM lease ORDER BY name")
    assert list(store.read_now(lambda conn: conn.execute(names).scalars().all())) == ["node:a"]


def test_weights_are_remembered_and_stay_what_a_fresh_look_would_find() -> None:
    shares = Shares()
    for members in (("a",), ("a", "b", "c"), ("b", "c"), ("b", "c", "d"), ("a", "d")):
        shares.set(members)
        fresh = Shares()
        fresh.set(members)
        assert [shares.owner(each) for each in range(200)] == [fresh.owner(each) for each in range(200)]


def test_without_members_nothing_is_anybodys() -> None:
    assert Shares().owner(1) == ""


def test_alone_everything_is_ours() -> None:
    alone = Alone()
    pledge = alone.pledge()
    assert pledge is not None
    assert alone.owns(1)
    assert alone.judges(1)
    assert alone.keeps(pledge)


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_leases_of_nodes_and_of_tasks_do_not_meet(store: Store, name: str) -> None:
    beat(node(store, name))
    assert store.write_now(lambda conn: nodes.acquire(conn, "assembler", name, NOW, 15.0)) is not None
    assert store.read_now(nodes.members) == (name,)


def test_a_registry_of_many_endpoints_is_shared_in_full(store: Store) -> None:
    registry = Registry(store)
    store.write_now(lambda conn: monitors.sync(conn, [SHOP], NOW))
    registry.reload_now()
    one, two = node(store, "a"), node(store, "b")
    beat(one, two)
    owned = [[each for each, _ in registry.endpoints() if share.owns(each)] for share in (one, two)]
    assert sum(len(each) for each in owned) == 1
