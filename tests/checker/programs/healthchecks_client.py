"""Drives a checker with the published `healthchecks-io` client, unchanged: URL KEY READER PING_KEY VERSION.

A program of its own: the library warns about its own use of another one, and here warnings are errors.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from healthchecks_io import (
    AsyncClient,
    BadAPIRequestError,
    CheckCreate,
    CheckNotFoundError,
    CheckTrap,
    CheckUpdate,
    Client,
    HCAPIAuthError,
)


def refused(error: type[Exception], call: Callable[[], Any]) -> None:
    """Fail unless the call raises that error."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def manage(client: Client) -> str:
    """Make, read, change, pause, and list; return the uuid."""
    made = client.create_check(
        CheckCreate(name="backup", tags="prod db", schedule="0 2 * * *", tz="Europe/Riga", channels="*")
    )
    assert made.uuid, made
    assert (made.status, made.slug) == ("new", "" if sys.argv[5] == "3" else "backup"), made
    again = client.create_check(CheckCreate(name="backup", schedule="0 3 * * *", unique=["name"]))
    assert again.uuid == made.uuid
    changed = client.update_check(made.uuid, CheckUpdate(desc="what it is", grace=900, timeout=1200))
    assert (changed.desc, changed.grace, changed.timeout, changed.tags) == ("what it is", 900, 1200, "")
    client.update_check(made.uuid, CheckUpdate(tags="prod db"))
    assert client.get_check(made.uuid).uuid == made.uuid
    assert [check.uuid for check in client.get_checks(tags=["prod", "db"])] == [made.uuid]
    assert {check.name for check in client.get_checks()} == {"backup", "Nightly invoices"}
    assert client.pause_check(made.uuid).status == "paused"
    return str(made.uuid)


def ping(client: Client, uuid: str) -> None:
    """Ping in every way, and read what was kept."""
    assert client.start_ping(uuid=uuid) == (True, "OK")
    assert client.success_ping(uuid=uuid, data="all done") == (True, "OK")
    assert client.fail_ping(uuid=uuid, data="oh no") == (True, "OK")
    assert client.exit_code_ping(3, uuid=uuid) == (True, "OK")
    assert client.success_ping(slug="nightly-invoices") == (True, "OK")
    with CheckTrap(client, uuid=uuid) as trap:
        trap.add_log("line")
    kept = client.get_check_pings(uuid)
    assert [each.type for each in kept] == ["success", "start", "fail", "fail", "success", "start"], kept
    assert kept[0].duration is not None
    assert (kept[0].method, kept[0].number_of_pings) == ("POST", 6)
    flips = client.get_check_flips(uuid)
    assert [each.up for each in flips] == [1, 0, 1, 0, 0], flips  # the first two: paused, and new again
    assert client.get_check_flips(uuid, seconds=3600, start=1) == flips
    assert client.get_check_flips(uuid, end=1) == []
    assert client.get_check(uuid).n_pings == 6


def rest(client: Client, url: str, uuid: str) -> None:
    """Channels, badges, refusals and the end."""
    assert {each.name for each in client.get_integrations() if each} == {"ops", "mail"}
    badges = client.get_badges()
    assert set(badges) == {"*", "prod", "db", "billing", "nightly"}
    assert badges["*"].svg.startswith("http")
    reader = Client(api_key=sys.argv[3], api_url=f"{url}/api/", api_version=int(sys.argv[5]))
    seen = {check.name: check for check in reader.get_checks()}["backup"]
    assert seen.unique_key
    assert seen.uuid is None
    assert reader.get_check(seen.unique_key).name == "backup"
    refused(HCAPIAuthError, lambda: reader.pause_check(uuid))
    refused(HCAPIAuthError, lambda: Client(api_key="wrong", api_url=f"{url}/api/").get_checks())
    refused(BadAPIRequestError, lambda: client.update_check(uuid, CheckUpdate(grace=1)))
    refused(CheckNotFoundError, lambda: client.success_ping(slug="unknown"))
    file_made = {check.name: check for check in client.get_checks()}["Nightly invoices"]
    refused(HCAPIAuthError, lambda: client.delete_check(str(file_made.uuid)))
    assert client.delete_check(uuid).uuid == uuid
    refused(CheckNotFoundError, lambda: client.get_check(uuid))


async def asynchronous(url: str) -> None:
    """The same server by the client for asyncio."""
    async with AsyncClient(
        api_key=sys.argv[2], api_url=f"{url}/api/", ping_url=f"{url}/ping/", api_version=int(sys.argv[5])
    ) as client:
        made = await client.create_check(CheckCreate(name="async", schedule="0 2 * * *"))
        async with CheckTrap(client, uuid=str(made.uuid)):
            pass
        assert [each.type for each in await client.get_check_pings(str(made.uuid))] == ["success", "start"]
        assert len(await client.get_check_flips(str(made.uuid))) == 1
        await client.delete_check(str(made.uuid))


def main() -> None:
    """Do all of it."""
    url = sys.argv[1]
    client = Client(
        api_key=sys.argv[2],
        ping_key=sys.argv[4],
        api_url=f"{url}/api/",
        ping_url=f"{url}/ping/",
        api_version=int(sys.argv[5]),
    )
    uuid = manage(client)
    ping(client, uuid)
    rest(client, url, uuid)
    asyncio.run(asynchronous(url))
    print("driven")


if __name__ == "__main__":
    main()
