"""What the configuration says becomes rows; history outlives both changes and removals."""

from __future__ import annotations

import threading
from dataclasses import replace

from sqlalchemy import Connection, select

from checker.model import Kind, MonitorSpec, MonitorState, Ping, PingKind, State
from checker.schedule import Cron, Every, OnCalendar
from checker.state import advance
from checker.store import Store, components, door, monitors
from checker.store.monitors import Monitor, Synced
from checker.store.tables import change, monitor

T0 = 1_000.0

SHOP = MonitorSpec(
    Kind.ENDPOINT,
    "shop",
    url="https://shop.example/health",
    headers={"Authorization": "Bearer x"},
    fail_after=2,
)
NIGHTLY = MonitorSpec(
    Kind.HEARTBEAT,
    "Nightly invoices",
    slug="nightly-invoices",
    schedule=Cron("0 2 * * *", "Europe/Berlin"),
    grace=900.0,
    max_runtime=1800.0,
    depends_on=("shop/database:write",),
    channels=("ops",),
    tags=("billing", "nightly"),
)


def sync(store: Store, *specs: MonitorSpec, now: float = 1000.0) -> Synced:
    return store.write_now(lambda conn: monitors.sync(conn, specs, now))


def live(store: Store) -> dict[str, Monitor]:
    return {each.spec.full_name: each for each in store.read_now(monitors.load)}


def test_what_the_file_says_comes_back_as_it_was(store: Store) -> None:
    weekly = MonitorSpec(Kind.HEARTBEAT, "weekly", slug="weekly", schedule=OnCalendar("Sun 03:00", "UTC"))
    done = sync(store, SHOP, NIGHTLY, weekly)
    assert sorted(done.added) == ["Nightly invoices", "shop", "weekly"]
    found = live(store)
    assert replace(found["shop"].spec, headers=dict(found["shop"].spec.headers)) == SHOP
    assert replace(found["Nightly invoices"].spec, token="") == NIGHTLY
    assert found["weekly"].spec.schedule == OnCalendar("Sun 03:00", "UTC")


def test_a_heartbeat_gets_a_token_that_stays(store: Store) -> None:
    sync(store, NIGHTLY)
    token = live(store)["Nightly invoices"].spec.token
    assert len(token) == 36
    sync(store, replace(NIGHTLY, grace=60.0))
    assert live(store)["Nightly invoices"].spec.token == token


def test_the_same_file_again_changes_nothing(store: Store) -> None:
    sync(store, SHOP, NIGHTLY)
    assert sync(store, SHOP, NIGHTLY, now=2000.0) == Synced()


def test_a_changed_monitor_keeps_its_state_and_its_schedule_counts_from_now(store: Store) -> None:
    hourly = replace(NIGHTLY, schedule=Every(3600.0), grace=60.0)
    sync(store, hourly)
    found = live(store)["Nightly invoices"]

    def ping(conn: Connection) -> None:
        state = door.load_states(conn, [found.id])[found.id]
        after, _ = advance(found.spec, state, Ping(PingKind.SUCCESS, at=2000.0), 2000.0)
        door.save_states(conn, {found.id: after})

    store.write_now(ping)
    done = sync(store, replace(hourly, schedule=Every(600.0)), now=50_000.0)
    assert done.changed == ("Nightly invoices",)
    assert done.lines() == ["~ Nightly invoices"]
    state = store.read_now(lambda conn: door.load_states(conn, [found.id]))[found.id]
    assert state.state is State.UP
    assert state.pings == 1
    assert state.due_at == 50_600.0  # not 2,600: the change itself raises no alarm
    assert state.deadline is not None
    assert 50_000.0 < state.deadline <= 50_660.0


def test_a_removed_monitor_keeps_its_history_and_leaves_its_incident(store: Store) -> None:
    sync(store, SHOP, NIGHTLY)
    before = live(store)
    down = replace(
        store.read_now(lambda conn: door.load_states(conn, [before["shop"].id]))[before["shop"].id],
        state=State.DOWN,
    )
    store.write_now(lambda conn: door.save_states(conn, {before["shop"].id: down}))
    done = sync(store, NIGHTLY, now=2000.0)
    assert done.removed == ("shop",)
    assert set(live(store)) == {"Nightly invoices"}

    def look(conn: Connection) -> tuple[int, list[tuple[str, str]]]:
        kept = len(conn.execute(select(monitor.c.id)).all())
        changes = [(row.old, row.new) for row in conn.execute(select(change).order_by(change.c.id))]
        return kept, changes

    assert store.read_now(look) == (2, [("down", "paused")])
    state = store.read_now(lambda conn: door.load_states(conn, [before["shop"].id]))[before["shop"].id]
    assert (state.state, state.deadline) == (State.PAUSED, None)


def test_a_monitor_that_comes_back_begins_anew_and_counts_its_pings_on(store: Store) -> None:
    sync(store, NIGHTLY)
    found = live(store)["Nightly invoices"]

    def count(conn: Connection) -> None:
        state = door.load_states(conn, [found.id])[found.id]
        door.save_states(conn, {found.id: replace(state, pings=7, state=State.DOWN)})

    store.write_now(count)
    sync(store, now=2000.0)
    done = sync(store, NIGHTLY, now=3000.0)
    assert done.revived == ("Nightly invoices",)
    again = live(store)["Nightly invoices"]
    assert (again.id, again.spec.token) == (found.id, found.spec.token)
    state = store.read_now(lambda conn: door.load_states(conn, [found.id]))[found.id]
    assert (state.state, state.pings) == (State.NEW, 7)


def test_components_go_and_come_back_with_their_endpoint(store: Store) -> None:
    sync(store, SHOP)
    shop = live(store)["shop"]
    made = store.write_now(lambda conn: components.ensure(conn, shop, ["queue:depth", "db:write"], 1.0))
    again = store.write_now(lambda conn: components.ensure(conn, shop, ["db:write"], 2.0))
    assert {each.id for each in again} < {each.id for each in made}
    assert set(live(store)) == {"shop", "shop/queue:depth", "shop/db:write"}
    sync(store, now=2000.0)
    assert live(store) == {}
    sync(store, replace(SHOP, channels=("ops",)), now=3000.0)
    found = live(store)
    assert set(found) == {"shop", "shop/queue:depth", "shop/db:write"}
    assert found["shop/db:write"].spec.channels == ("ops",)
    assert found["shop/db:write"].spec.fail_after == SHOP.fail_after


def test_a_slug_is_free_again_once_its_monitor_is_gone(store: Store) -> None:
    sync(store, NIGHTLY)
    renamed = replace(NIGHTLY, name="nightly invoices")
    done = sync(store, renamed, now=2000.0)
    assert (done.added, done.removed) == (("nightly invoices",), ("Nightly invoices",))


def test_the_file_takes_over_a_slug_that_a_ping_made(store: Store) -> None:
    store.write_now(lambda conn: monitors.create_heartbeat(conn, "nightly-invoices", 1.0))
    done = sync(store, NIGHTLY)
    assert (done.added, done.removed) == (("Nightly invoices",), ("nightly-invoices",))


def test_monitors_that_pings_made_are_left_alone_by_the_file(store: Store) -> None:
    made, new = store.write_now(lambda conn: monitors.create_heartbeat(conn, "backup", 1.0))
    assert new
    assert sync(store, NIGHTLY).removed == ()
    assert live(store)["backup"].spec == made.spec
    assert (made.spec.schedule, made.spec.grace, made.spec.max_runtime) == (Every(86_400.0), 3600.0, 3600.0)
    assert made.spec.source == "auto"


def test_two_pings_that_create_the_same_slug_at_once_make_one_monitor(store_url: str, store: Store) -> None:
    stores = [store, Store(store_url)]
    made: list[tuple[Monitor, bool]] = []
    barrier = threading.Barrier(8)

    def create(each: Store) -> None:
        barrier.wait(10)
        made.append(each.write_now(lambda conn: monitors.create_heartbeat(conn, "backup", 1.0)))

    threads = [threading.Thread(target=create, args=(stores[index % 2],)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stores[1].close()
    assert len(made) == 8
    assert len({found.id for found, _ in made}) == 1
    assert [new for _, new in made].count(True) == 1


def test_a_slug_that_was_removed_can_be_made_again_by_a_ping(store: Store) -> None:
    sync(store, MonitorSpec(Kind.HEARTBEAT, "backup", slug="backup", schedule=Every(60.0)))
    sync(store, now=2000.0)
    made, new = store.write_now(lambda conn: monitors.create_heartbeat(conn, "backup", 3000.0))
    assert new
    assert made.spec.source == "auto"
    assert live(store)["backup"].id == made.id


def test_a_token_moves_with_the_file_from_one_heartbeat_to_another(store: Store) -> None:
    one, two = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    other = MonitorSpec(Kind.HEARTBEAT, "other", slug="other", schedule=Every(60.0))
    sync(store, replace(NIGHTLY, token=one), replace(other, token=two))
    sync(store, replace(NIGHTLY, token=two), replace(other, token=one))
    assert {name: each.spec.token for name, each in live(store).items()} == {
        "Nightly invoices": two,
        "other": one,
    }
    sync(store, replace(other, token=two))  # the first one is gone, and had it
    sync(store, replace(other, token=two), NIGHTLY)
    found = live(store)
    assert found["other"].spec.token == two
    assert found["Nightly invoices"].spec.token not in ("", one, two)


def test_components_of_many_endpoints_are_made_at_once_and_those_that_were_gone_begin_anew(
    store: Store,
) -> None:
    specs = [MonitorSpec(Kind.ENDPOINT, f"e{n}", url="http://e.test/") for n in range(3)]
    store.write_now(lambda conn: monitors.sync(conn, specs, T0))
    found = [each for each in store.read_now(monitors.load) if each.parent_id is None]
    wanted = [(each, ["b:x", "a:x"]) for each in found]
    made = store.write_now(lambda conn: components.ensure_all(conn, wanted, T0))
    assert [(each.parent_id, each.spec.name) for each in made] == [
        (each.id, key) for each in found for key in ("a:x", "b:x")
    ]
    first, *others = [each.id for each in made]
    store.write_now(lambda conn: components.forget(conn, [first], T0 + 1))
    down = MonitorState(State.DOWN, T0)
    store.write_now(lambda conn: door.save_states(conn, dict.fromkeys(others, down)))
    again = store.write_now(lambda conn: components.ensure_all(conn, wanted, T0 + 2))
    assert [each.id for each in again] == [first, *others]
    states = store.read_now(lambda conn: door.load_states(conn, [first, *others]))
    assert (states[first].state, states[first].since) == (State.NEW, T0 + 2)
    assert all(states[each] == down for each in others)
    assert {first, *others} <= {each.id for each in store.read_now(monitors.load)}
