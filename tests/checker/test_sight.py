"""The checker's own network is not what it watches: when nothing answers at all, nobody is blamed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from checker.model import Cause, Kind, MonitorSpec, Poll, State, Verdict
from checker.rules.blindness import BLIND, TITLE
from checker.sight import ASK_EVERY, Sight
from checker.store import Store
from checker.store.tables import poll as polls
from checker.watcher import BLIND_AFTER
from tests.checker.house import NOW, House, heartbeat

UP = Verdict.PASS
SITES = {
    number: MonitorSpec(Kind.ENDPOINT, f"s{number}", url=f"https://s{number}.test/") for number in range(5)
}
REFERENCE = MonitorSpec(Kind.ENDPOINT, "reference", url="https://reference.test/")


def seen(at: float) -> Poll:
    return Poll(Verdict.PASS, at)


def lost(at: float) -> Poll:
    return Poll(Verdict.FAIL, at, Cause.UNREACHABLE, "no such host")


class Net:
    """Who answers now; remembers who was asked."""

    def __init__(self, *answering: str) -> None:
        self.answering = set(answering)
        self.asked: list[str] = []

    async def ask(self, spec: MonitorSpec) -> bool:
        self.asked.append(spec.name)
        return spec.name in self.answering


def believes(sight: Sight, number: int, poll: Poll, sites: dict[int, MonitorSpec] = SITES) -> bool:
    return asyncio.run(sight.believes(sites[number], poll))


def test_an_endpoint_is_down_when_another_host_answers_out_of_turn() -> None:
    net = Net("s2")
    sight = Sight(net.ask, lambda: SITES)
    assert believes(sight, 1, lost(NOW))
    assert sight.since is None


def test_when_no_other_host_answers_either_it_is_our_own_network_until_something_does() -> None:
    net = Net()
    sight = Sight(net.ask, lambda: SITES)
    assert not believes(sight, 1, lost(NOW))
    assert not believes(sight, 2, lost(NOW + 1))
    assert len(net.asked) == 3, "they are asked again after a while, not for every look"
    assert sight.since == NOW
    assert not believes(sight, 3, lost(NOW + 1 + ASK_EVERY))
    assert len(net.asked) == 6
    assert believes(sight, 3, seen(NOW + 10))
    assert sight.since is None


def test_an_answer_with_an_error_is_an_answer() -> None:
    sight = Sight(Net().ask, lambda: SITES)
    assert believes(sight, 1, Poll(Verdict.FAIL, NOW, Cause.HTTP, "answered 500"))
    assert believes(sight, 2, lost(NOW + 0.5)), "the other answered a moment ago: nobody need be asked"


def test_three_endpoints_are_too_few_to_tell_so_each_is_believed() -> None:
    few = {number: SITES[number] for number in range(3)}
    net = Net()
    assert believes(Sight(net.ask, lambda: few), 1, lost(NOW), few)
    assert net.asked == []


def test_four_endpoints_on_one_host_are_one_witness() -> None:
    same = {
        number: MonitorSpec(Kind.ENDPOINT, f"s{number}", url=f"https://a.test/{number}")
        for number in range(5)
    }
    assert believes(Sight(Net().ask, lambda: same), 1, lost(NOW), same)


@pytest.mark.parametrize(("answering", "believed"), [((), False), (("reference",), True)])
def test_a_configured_reference_decides_alone(answering: tuple[str, ...], believed: bool) -> None:
    one = {1: SITES[1]}
    net = Net(*answering)
    assert believes(Sight(net.ask, lambda: one, [REFERENCE]), 1, lost(NOW), one) is believed
    assert net.asked == ["reference"]


def test_an_endpoint_on_this_machine_is_believed_whatever_the_network_does() -> None:
    sites = {**SITES, 9: MonitorSpec(Kind.ENDPOINT, "here", url="http://127.0.0.1:1/")}
    sight = Sight(Net().ask, lambda: sites)
    assert believes(sight, 9, lost(NOW), sites)
    assert not believes(sight, 1, lost(NOW), sites)
    assert believes(sight, 9, seen(NOW + 1), sites)
    assert sight.since == NOW, "that we reach ourselves says nothing"


class Cut(House):
    """A house whose network can be cut; each look goes past its sight, as the poller's do."""

    cut: float | None = None

    def lose(self, since: float | None) -> None:
        self.cut = since


def wired(store: Store) -> Cut:
    home: Cut
    blind: Callable[[], float | None] = lambda: home.cut  # noqa: E731 - made before the house is
    home = Cut(store, heartbeat("remote"), *SITES.values(), blind_after=BLIND_AFTER, blind_since=blind)
    return home


async def steps(home: House, seconds: int) -> None:
    for _ in range(seconds):
        await home.turn(home.now + 1)


def test_our_own_network_gone_is_one_incident_and_nobody_is_blamed(store: Store) -> None:
    home = wired(store)

    async def main() -> None:
        await home.ping("remote")
        await steps(home, 5)
        home.lose(home.now)
        await steps(home, 600)
        assert home.state("remote").state is not State.DOWN
        home.lose(None)
        await steps(home, 40)
        await home.ping("remote")
        await steps(home, 20)

    asyncio.run(main())
    told = home.channels["ops"]
    assert told.events == [("opened", BLIND), ("resolved", BLIND)]
    assert told.told[0].incident.title == TITLE
    assert home.rows(polls, "id") == []


def test_a_job_that_is_really_missing_alerts_once_sight_is_back(store: Store) -> None:
    home = wired(store)

    async def main() -> None:
        await home.ping("remote")
        await steps(home, 5)
        home.lose(home.now)
        await steps(home, 300)
        home.lose(None)
        await steps(home, 160)

    asyncio.run(main())
    assert home.channels["ops"].events == [("opened", BLIND), ("resolved", BLIND), ("opened", "remote")]
