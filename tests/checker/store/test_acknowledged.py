"""That somebody has taken on an incident is told once, where the incident was told."""

from __future__ import annotations

import asyncio

import pytest

from checker.store import Store, operations
from checker.store.tables import incident, outbox
from tests.checker.house import NOW, House, ListChannel, failure, heartbeat


@pytest.fixture
def house(store: Store) -> House:
    found = House(store, heartbeat("nightly", channels=("ops",)), heartbeat("other"))
    found.channels["mail"] = ListChannel()
    return found


def test_an_acknowledgement_is_told_once_and_only_where_the_incident_was(house: House) -> None:
    def acknowledge() -> None:
        number = house.id("nightly")
        house.store.write_now(lambda conn: operations.acknowledge(conn, number, NOW + 5, "Ann"))

    async def main() -> None:
        await house.ping("nightly", failure())
        await house.turn(NOW + 1)
        acknowledge()
        acknowledge()
        await house.turn(NOW + 6)

    asyncio.run(main())
    assert house.channels["ops"].events == [("opened", "nightly"), ("ack", "nightly")]
    assert house.channels["mail"].events == []
    told = house.channels["ops"].told[1]
    assert told.incident.acknowledged_at == NOW + 5
    assert told.url.startswith("https://checker.example/incidents/")


def test_one_that_is_over_or_taken_on_already_is_not_told(house: House) -> None:
    async def main() -> None:
        await house.ping("nightly", failure())
        await house.turn(NOW + 1)

    asyncio.run(main())
    [(number,)] = house.rows(incident, "id")

    def acknowledge() -> bool:
        return house.store.write_now(
            lambda conn: operations.acknowledge_incident(conn, number, NOW + 2, "Ann")
        )

    assert [acknowledge(), acknowledge()] == [True, False]
    assert [event for (event,) in house.rows(outbox, "event")] == ["opened", "ack"]
