"""What is owed is sent: at least once, in order, with patience, and no channel waits for another."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from checker.channels import Pace
from checker.dispatcher import GIVE_UP, Dispatcher
from checker.model import Event, Incident, Notification
from checker.store import Store, StoreUnavailable, outbox
from checker.store.tables import channel_state
from checker.store.tables import outbox as outbox_table
from tests.checker.house import NOW, House, ListChannel, refuse


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def owe(house: House, key: str, event: Event = Event.OPENED, *channels: str, at: float = NOW) -> None:
    incident = Incident(0, key, f"key-{key}", f"{key} is down", "failed", NOW)
    told = Notification(event, incident, at)
    house.store.write_now(lambda conn: outbox.put(conn, told, channels or ("ops",), at))


def waiting(house: House) -> int:
    return len(
        [1 for sent, gone in house.rows(outbox_table, "sent_at", "gave_up_at") if sent is gone is None]
    )


def broken(house: House, name: str) -> float | None:
    return house.store.read_now(outbox.channel_states)[name].broken_since


async def run(house: House, until: float, step: float = 0.5) -> None:
    while house.now < until:
        house.now += step
        await house.dispatcher.once(house.now)


def test_what_is_owed_is_sent_once(house: House) -> None:
    owe(house, "a")

    async def main() -> None:
        await house.dispatcher.once(NOW)
        await house.dispatcher.once(NOW + 100)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a")]
    assert house.rows(outbox_table, "sent_at", "attempts") == [(NOW, 1)]


def test_resolved_never_overtakes_its_down(house: House) -> None:
    failures = iter([True, True, False, False])
    house.channels["ops"].answer = lambda told: refuse()(told) if next(failures) else None
    owe(house, "a", Event.OPENED)
    owe(house, "a", Event.RESOLVED)
    asyncio.run(run(house, NOW + 10))
    assert house.channels["ops"].events == [("opened", "a"), ("resolved", "a")]


def test_another_incident_does_not_wait_for_one_that_cannot_be_told(house: House) -> None:
    def answer(told: Notification) -> None:
        if told.incident.group == "a":
            refuse()(told)

    house.channels["ops"].answer = answer
    owe(house, "a")
    owe(house, "b")
    asyncio.run(run(house, NOW + 5))
    assert house.channels["ops"].events == [("opened", "b")]


def test_a_failed_send_is_tried_again_with_growing_pauses_and_told_in_the_end(house: House) -> None:
    times: list[float] = []

    def answer(told: Notification) -> None:
        times.append(house.now)
        if len(times) < 6:
            refuse("answered 503")(told)

    house.channels["ops"].answer = answer
    owe(house, "a")
    asyncio.run(run(house, NOW + 120))
    assert house.channels["ops"].events == [("opened", "a")]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert house.rows(outbox_table, "attempts") == [(6,)]


def test_a_receiver_that_was_away_for_three_seconds_costs_no_alert(house: House) -> None:
    house.channels["ops"].answer = lambda told: refuse()(told) if house.now < NOW + 3 else None
    for number in range(50):
        owe(house, f"m{number}")
    asyncio.run(run(house, NOW + 60))
    assert len(house.channels["ops"].told) == 50
    assert waiting(house) == 0


def test_a_channel_that_asks_for_a_pause_gets_it_for_all_its_messages(house: House) -> None:
    times: list[float] = []

    def answer(told: Notification) -> None:
        times.append(house.now)
        if len(times) == 1:
            refuse("429", retry_after=20.0)(told)

    house.channels["ops"].answer = answer
    owe(house, "a")

    async def main() -> None:
        await house.dispatcher.once(NOW)
        owe(house, "b")
        await run(house, NOW + 30)

    asyncio.run(main())
    assert times[0] == NOW
    assert all(each >= NOW + 20 for each in times[1:])
    assert len(house.channels["ops"].told) == 2


def test_a_slow_channel_delays_no_other(house: House) -> None:
    release = asyncio.Event()
    house.channels["slow"] = ListChannel(lambda told: release.wait())
    house.channels["slow"].pace = Pace(at_once=3)
    for number in range(30):
        owe(house, f"m{number}", Event.OPENED, "slow", "ops")

    async def main() -> None:
        loop = asyncio.create_task(house.dispatcher.run())
        async with asyncio.timeout(10):
            while len(house.channels["ops"].told) < 30:
                await asyncio.sleep(0.01)
        assert house.channels["slow"].told == []
        assert house.channels["slow"].calls == 3
        release.set()
        async with asyncio.timeout(10):
            while len(house.channels["slow"].told) < 30:
                await asyncio.sleep(0.01)
        loop.cancel()

    asyncio.run(main())


def test_after_a_day_a_notification_is_given_up_visibly_and_the_next_of_its_incident_is_sent(
    house: House,
) -> None:
    house.channels["ops"].answer = lambda told: (
        refuse("answered 500")(told) if told.event is Event.OPENED else None
    )
    owe(house, "a", Event.OPENED)
    owe(house, "a", Event.RESOLVED, at=NOW + GIVE_UP - 1000)

    async def main() -> None:
        await run(house, NOW + 10)
        await run(house, NOW + GIVE_UP + 400, step=200.0)

    asyncio.run(main())
    (opened, resolved) = house.rows(outbox_table, "sent_at", "gave_up_at", "last_error")
    assert opened[0] is None
    assert opened[1] is not None
    assert "500" in opened[2]
    assert resolved[0] is not None


def test_what_waits_for_a_channel_that_is_no_longer_configured_is_given_up_too(house: House) -> None:
    owe(house, "a", Event.OPENED, "gone")
    asyncio.run(run(house, NOW + GIVE_UP + 1, step=GIVE_UP / 2 + 1))
    assert [gone is not None for (gone,) in house.rows(outbox_table, "gave_up_at")] == [True]


def test_a_channel_that_refuses_for_good_is_broken_and_the_others_are_told_once(house: House) -> None:
    house.channels["mail"] = ListChannel()
    house.channels["ops"].answer = refuse("hooks.example answered 404", permanent=True)
    for key in ("a", "b"):
        owe(house, key)
    asyncio.run(run(house, NOW + 400, step=5))
    assert broken(house, "ops") is not None
    (told,) = house.channels["mail"].told
    assert told.incident.title == "channel ops is broken"
    assert "404" in told.incident.cause
    assert 3 < house.channels["ops"].calls < 25  # tried on, slowly


def test_a_broken_channel_that_works_again_says_all_it_owes_and_the_others_are_told(house: House) -> None:
    house.channels["mail"] = ListChannel()
    house.channels["ops"].answer = refuse("404", permanent=True)
    for number in range(20):
        owe(house, f"m{number}")

    async def main() -> None:
        await run(house, NOW + 100, step=1)
        house.channels["ops"].answer = None
        await run(house, NOW + 180, step=1)

    asyncio.run(main())
    assert len(house.channels["ops"].told) == 20
    assert broken(house, "ops") is None
    opened, resolved = house.channels["mail"].told
    assert (opened.event, resolved.event) == (Event.OPENED, Event.RESOLVED)
    assert opened.incident.dedup_key == resolved.incident.dedup_key


def test_one_message_that_is_refused_while_others_get_through_is_given_up_alone(house: House) -> None:
    def answer(told: Notification) -> None:
        if told.incident.group == "bad":
            refuse("400 invalid payload", permanent=True)(told)

    house.channels["ops"].answer = answer
    owe(house, "bad")

    async def main() -> None:
        for number in range(120):
            owe(house, f"m{number}", at=house.now)
            await run(house, house.now + 10, step=5)

    asyncio.run(main())
    assert len(house.channels["ops"].told) == 120
    assert next(gone is not None for (gone,) in house.rows(outbox_table, "gave_up_at"))
    assert broken(house, "ops") is None


def test_a_channel_whose_code_raises_is_only_a_failed_send(house: House) -> None:
    def answer(told: Notification) -> None:
        if house.channels["ops"].calls == 1:
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "never mind")

    house.channels["ops"].answer = answer
    owe(house, "a")
    asyncio.run(run(house, NOW + 5))
    assert house.channels["ops"].events == [("opened", "a")]
    rows = house.store.read_now(lambda conn: conn.execute(channel_state.select()).all())
    assert [row.last_error for row in rows] == ["UnicodeDecodeError"]


async def claim_and_die(dispatcher: Dispatcher) -> None:
    """Claim, and be killed while sending."""
    await dispatcher._turn(NOW, claim=True)
    for task in list(dispatcher._tasks):
        task.cancel()
    await asyncio.sleep(0)


def test_what_a_node_was_sending_when_it_died_is_sent_as_soon_as_it_is_back(house: House) -> None:
    owe(house, "a")
    house.channels["ops"].answer = lambda told: asyncio.sleep(3600)
    reborn = house.make_dispatcher("node")

    async def main() -> None:
        await claim_and_die(house.dispatcher)
        house.channels["ops"].answer = None
        assert await reborn.once(NOW + 1) == 0  # leased still
        assert await reborn.recover() == 1
        assert await reborn.once(NOW + 1) == 1

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "a")]


def test_what_a_lost_node_was_sending_is_sent_by_another_once_its_lease_is_over(house: House) -> None:
    owe(house, "a")
    house.channels["ops"].answer = lambda told: asyncio.sleep(3600)
    other = house.make_dispatcher("other")

    async def main() -> None:
        await claim_and_die(house.dispatcher)
        house.channels["ops"].answer = None
        assert await other.recover() == 0
        assert await other.once(NOW + 60) == 0
        assert await other.once(NOW + 91) == 1

    asyncio.run(main())


def test_a_zombie_cannot_mark_what_another_node_has_claimed_since(house: House) -> None:
    owe(house, "a")

    def claim(owner: str, now: float) -> list[Any]:
        return house.store.write_now(
            lambda conn: outbox.claim(conn, "ops", owner, now, until=now + 90, limit=5, without=())
        )

    (old,) = claim("zombie", NOW)
    assert claim("other", NOW + 1) == []
    (new,) = claim("other", NOW + 91)
    assert not house.store.write_now(lambda conn: outbox.mark_sent(conn, old, NOW + 92))
    assert not house.store.write_now(lambda conn: outbox.give_up(conn, old, NOW + 92, "late"))
    assert house.store.write_now(lambda conn: outbox.mark_sent(conn, new, NOW + 93))
    assert house.rows(outbox_table, "sent_at", "gave_up_at") == [(NOW + 93, None)]


def test_a_send_that_the_store_could_not_take_down_is_not_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(house, "a")
    write = house.store.write

    async def away(fn: object) -> None:
        raise StoreUnavailable("database: away")

    async def main() -> None:
        await house.dispatcher._turn(NOW, claim=True)
        await asyncio.wait(house.dispatcher._tasks)
        monkeypatch.setattr(house.store, "write", away)
        with pytest.raises(StoreUnavailable):
            await house.dispatcher.once(NOW + 1)
        monkeypatch.setattr(house.store, "write", write)
        await run(house, NOW + 200, step=10)

    asyncio.run(main())
    assert house.channels["ops"].calls == 1
    assert waiting(house) == 0


def test_stopping_waits_for_a_send_in_flight_and_writes_down_that_it_succeeded(house: House) -> None:
    owe(house, "a")
    house.channels["ops"].answer = lambda told: asyncio.sleep(0.1)

    async def main() -> None:
        loop = asyncio.create_task(house.dispatcher.run())
        async with asyncio.timeout(10):
            while not house.channels["ops"].calls:
                await asyncio.sleep(0.01)
        loop.cancel()
        await asyncio.wait({loop})
        await house.dispatcher.stop()

    asyncio.run(main())
    assert waiting(house) == 0


def test_a_channel_is_told_no_faster_than_its_pace_and_all_of_it_in_the_end(house: House) -> None:
    times: list[float] = []
    house.channels["ops"] = ListChannel(lambda told: times.append(house.now))
    house.channels["ops"].pace = Pace(every=2.0, burst=3)
    for number in range(10):
        owe(house, f"m{number}")
    asyncio.run(run(house, NOW + 30))
    assert len(house.channels["ops"].told) == 10
    assert [round(each - times[0], 1) for each in times] == [0, 0, 0, 2, 4, 6, 8, 10, 12, 14]


def test_what_was_sent_is_written_down_at_once_but_for_what_is_anothers_now(house: House) -> None:
    for number in range(4):
        owe(house, f"m{number}")

    def claim(owner: str, now: float) -> list[outbox.Claimed]:
        return house.store.write_now(
            lambda conn: outbox.claim(conn, "ops", owner, now, until=now + 90, limit=2, without=())
        )

    first = claim("one", NOW)
    again = claim("two", NOW + 91)  # the first lease has run out
    assert [row.id for row in again] == [row.id for row in first]
    others = claim("one", NOW + 92)
    done = house.store.write_now(lambda conn: outbox.mark_all_sent(conn, [*first, *others], NOW + 93))
    assert done == {row.id for row in others}
    assert house.store.write_now(lambda conn: outbox.mark_all_sent(conn, again, NOW + 94)) == {
        row.id for row in first
    }
    assert waiting(house) == 0
