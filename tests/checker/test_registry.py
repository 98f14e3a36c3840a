"""What is in memory is what is in the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

from checker.model import Poll, Verdict
from checker.registry import Registry, unique_key
from checker.store import Store, monitors
from checker.store.monitors import Monitor
from tests.checker.house import NOW, SHOP, House, heartbeat


def test_a_monitor_is_found_by_id_token_slug_and_name(store: Store) -> None:
    house = House(store, heartbeat("Nightly run", slug="nightly-run"), SHOP)
    found = house.registry.by_slug("nightly-run")
    assert found is not None
    monitor_id, spec = found
    assert house.registry.by_token(spec.token) == found
    assert house.registry.by_id(monitor_id) == spec
    assert house.registry.full_name("Nightly run") == monitor_id
    assert house.registry.heartbeats() == [found]
    assert [each.name for _, each in house.registry.endpoints()] == ["shop"]
    assert house.registry.by_slug("shop") is None
    assert house.registry.by_token("no-such-token") is None


def test_a_heartbeat_made_by_a_ping_is_found_at_once_and_made_once(store: Store) -> None:
    house = House(store)

    async def main() -> list[bool]:
        found = await asyncio.gather(*(house.registry.create_heartbeat("backup", NOW) for _ in range(10)))
        assert len({monitor_id for monitor_id, _, _ in found}) == 1
        return [new for _, _, new in found]

    assert asyncio.run(main()).count(True) == 1
    assert house.registry.by_slug("backup") is not None


def test_a_reload_forgets_what_was_removed(store: Store) -> None:
    house = House(store, heartbeat("a"), SHOP)
    poll = Poll(Verdict.PASS, NOW, components=(("db:write", Poll(Verdict.PASS, NOW)),))

    async def main() -> None:
        await house.recorder.record([(house.id("shop"), poll)])
        await store.write(lambda conn: monitors.sync(conn, [heartbeat("a")], NOW))
        await house.registry.reload()

    asyncio.run(main())
    assert house.registry.full_name("shop") is None
    assert house.registry.full_name("shop/db:write") is None
    assert len(house.registry.specs) == 1


def test_what_belongs_together_is_found_in_both_directions(store: Store) -> None:
    house = House(
        store,
        replace(heartbeat("invoices"), depends_on=("shop/db:write",)),
        replace(heartbeat("report"), depends_on=("invoices",)),
        heartbeat("alone"),
        SHOP,
    )
    poll = Poll(Verdict.PASS, NOW, components=(("db:write", Poll(Verdict.PASS, NOW)),))
    asyncio.run(house.recorder.record([(house.id("shop"), poll)]))
    together = {house.id(name) for name in ("shop", "shop/db:write", "invoices", "report")}
    assert house.registry.related([house.id("report")]) == together
    assert house.registry.related([house.id("shop/db:write")]) == together
    assert house.registry.related([house.id("alone")]) == {house.id("alone")}
    fresh = Registry(store)
    fresh.reload_now()
    assert fresh.related([house.id("shop")]) == together


def test_an_opaque_token_finds_its_heartbeat_and_a_unique_key_does_too(store: Store) -> None:
    house = House(store, replace(heartbeat("job", slug="job"), push_token="opaque-token"))
    found = house.registry.by_token("opaque-token")
    assert found is not None
    assert house.registry.by_unique_key(unique_key(found[1].token)) == found
    assert house.registry.by_unique_key("0" * 40) is None


def test_a_shared_slug_is_ambiguous_until_one_is_left() -> None:
    registry = Registry(cast(Store, None))
    for number in (1, 2, 3):
        registry.add(Monitor(number, heartbeat(f"job {number}", slug="job", token=f"token-{number}")))
    assert (registry.by_slug("job"), registry.is_ambiguous("job")) == (None, True)
    registry.discard(1)
    assert registry.is_ambiguous("job")
    registry.put(Monitor(2, heartbeat("job 2", slug="other", token="token-2")))
    assert not registry.is_ambiguous("job")
    assert [found[0] for slug in ("job", "other") if (found := registry.by_slug(slug))] == [3, 2]
    assert registry.by_token("token-1") is None


def test_a_changed_heartbeat_is_never_unknown_by_its_id() -> None:
    registry = Registry(cast(Store, None))
    registry.add(Monitor(1, heartbeat("job", slug="job", token="token-1")))
    registry.by_unique_key("")
    registry.put(Monitor(1, heartbeat("new name", slug="new", token="token-1")))
    assert registry.full_name("job") is None
    assert registry.by_slug("job") is None
    assert (
        registry.by_token("token-1")
        == registry.by_slug("new")
        == registry.by_unique_key(unique_key("token-1"))
    )
