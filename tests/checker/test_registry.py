"""What is in memory is what is in the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

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


def test_what_changed_lies_over_what_was_read_at_the_start(store: Store) -> None:
    house = House(store, *(heartbeat(f"job {number}", slug=f"job-{number}") for number in (1, 2, 3)))
    registry = house.registry
    first, second = house.id("job 1"), house.id("job 2")
    old = registry.by_id(first)
    assert old is not None
    registry.put(Monitor(first, replace(old, name="renamed", slug="job-3", token="another")))
    registry.discard(second)
    assert (registry.full_name("job 1"), registry.by_slug("job-1"), registry.by_token(old.token)) == (
        None,
    ) * 3
    assert (registry.by_slug("job-3"), registry.is_ambiguous("job-3")) == (None, True)
    assert registry.full_name("renamed") == first
    assert registry.by_id(second) is None
    assert sorted(registry.specs) == sorted(registry.heartbeat_ids()) == [first, house.id("job 3")]
    assert len(registry.specs) == 2
    assert registry.related([first, second]) == {first}


def test_texts_that_look_like_the_separator_of_records_come_back_as_they_were(store: Store) -> None:
    specs = [
        heartbeat("naïve ☃", slug="naive"),
        heartbeat("x" * 500, slug="x"),
        heartbeat("tagged", slug="", tags=("a", "b")),
        heartbeat("\x01", slug="one"),
    ]
    house = House(store, *specs)
    for spec in specs:
        found = house.registry.by_id(house.id(spec.name))
        assert found is not None
        assert replace(found, token="") == spec
    assert house.registry.heartbeat_tags() == {"a", "b"}


def test_a_monitor_made_while_all_is_read_anew_is_never_lost(store: Store) -> None:
    house = House(store, *(heartbeat(f"job-{number}") for number in range(20)))

    async def main() -> None:
        reading = asyncio.create_task(house.registry.reload())
        made = [(await house.registry.create_heartbeat(f"new-{number}", NOW))[0] for number in range(20)]
        house.registry.discard(made[0])
        await reading
        assert house.registry.by_slug("new-0") is None
        assert all(house.registry.by_slug(f"new-{number}") for number in range(1, 20))
        assert len(house.registry.specs) == 39

    asyncio.run(main())


def test_very_many_that_were_made_since_are_packed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.registry.registry.CROWDED", 3)
    house = House(store, heartbeat("a"))

    async def main() -> None:
        for number in range(5):
            await house.registry.create_heartbeat(f"new-{number}", NOW)
        assert house.registry.is_crowded()
        await house.registry.reload()
        assert not house.registry.is_crowded()

    asyncio.run(main())
    found = house.registry.by_slug("new-4")
    assert found is not None
    assert found[1].source == "auto"
    assert len(house.registry.specs) == 6
