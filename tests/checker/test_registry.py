"""What is in memory is what is in the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from checker.model import Poll, Verdict
from checker.registry import Registry
from checker.store import Store, monitors
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
