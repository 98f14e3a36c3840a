"""`Health`: registration with clear errors, selection, and what counts."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from healthkit import ConfigurationError, DuplicateCheckError, Fail, Health, Status, UnknownCheckError, Warn
from healthkit.health import NOTHING_CHECKED


def fine() -> None:
    """A check that passes."""


def bad() -> None:
    raise Fail("broken")


def shaky() -> None:
    raise Warn("shaky")


class Probe:
    name = "database"
    measurement = "write"
    timeout = "2s"
    fresh_for = 10
    critical = False
    tags = ("ready",)
    component_type = "datastore"
    identity = "postgres:orders"

    def __call__(self) -> int:
        return 1


class AsyncProbe:
    name = "cache"
    measurement = "ping"

    async def __call__(self) -> str:
        return "pong"


def test_a_probe_brings_its_name_and_defaults() -> None:
    check = Health("shop").add(Probe())
    assert (check.key, check.timeout, check.fresh_for, check.critical) == ("database:write", 2.0, 10.0, False)
    assert (check.tags, check.component_type, check.identity) == (
        frozenset({"ready"}),
        "datastore",
        "postgres:orders",
    )


def test_what_is_given_wins_over_the_probes_own() -> None:
    check = Health("shop").add(
        Probe(),
        name="orders",
        measurement="commit",
        tags={"live"},
        timeout="1m",
        fresh_for="500ms",
        critical=True,
    )
    assert (check.key, check.timeout, check.fresh_for, check.critical) == ("orders:commit", 60.0, 0.5, True)
    assert check.tags == {"live", "ready"}


async def coroutine_function(_host: str) -> str:
    return "pong"


@pytest.mark.parametrize(
    ("probe", "is_async"),
    [
        (fine, False),
        (Probe(), False),
        (AsyncProbe(), True),
        (functools.partial(coroutine_function, "host"), True),
        (functools.partial(functools.partial(AsyncProbe())), True),
        (AsyncProbe().__call__, True),
        (lambda: 1, False),
    ],
)
def test_whether_a_check_is_async_is_asked_once_at_registration(probe: Any, is_async: bool) -> None:
    health = Health("shop")
    assert health.add(probe, name="probe").is_async is is_async
    assert health.report().status is Status.PASS


def test_a_decorated_function_stays_what_it_was() -> None:
    health = Health("shop")

    @health.check("disk", critical=False, timeout=1)
    def disk() -> int:
        return 42

    assert disk() == 42
    assert health.report("disk").readings[0].value == 42
    assert health.report("disk:status").readings[0].check.critical is False


def test_a_duplicate_names_both_places() -> None:
    health = Health("shop")
    health.add(fine, name="disk")
    with pytest.raises(DuplicateCheckError) as caught:
        health.add(bad, name="disk")
    assert str(caught.value).count(__file__) == 2
    assert "disk:status" in str(caught.value)
    assert health.report().status is Status.PASS, "the first one stays"


def test_the_same_name_with_another_measurement_is_another_check() -> None:
    health = Health("shop")
    health.add(fine, name="database", measurement="read")
    health.add(fine, name="database", measurement="write")
    assert len(health.report("database").readings) == 2


class NeedsArguments:
    def __call__(self, path: str) -> None: ...


def yields() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("register", "says"),
    [
        (lambda h: h.add(fine, name="a:b"), "no ':'"),
        (lambda h: h.add(fine, name=""), "name"),
        (lambda h: h.add(fine, name="x" * 200), "100 characters"),
        (lambda h: h.add(fine, name="a/b"), "letters"),
        (lambda h: h.add(fine, name="nul\0"), "letters"),
        (lambda h: h.add(fine, name="new\nline"), "letters"),
        (lambda h: h.add(fine, name=3), "letters"),
        (lambda h: h.add(fine, measurement="a:b"), "measurement"),
        (lambda h: h.add(lambda: 1), "no name"),
        (lambda h: h.add(NeedsArguments(), name="probe"), "path"),
        (lambda h: h.add(lambda *, host: host, name="probe"), "host"),
        (lambda h: h.add(yields), "yields"),
        (lambda h: h.add(Probe), "class"),
        (lambda h: h.add("disk", name="disk"), "cannot be called"),
        (lambda h: h.add(fine, tags="ready"), "set of names"),
        (lambda h: h.add(fine, tags={1}), "tag"),
        (lambda h: h.add(fine, tags=7), "set of names"),
        (lambda h: h.add(fine, timeout="soon"), "timeout"),
        (lambda h: h.add(fine, timeout=0), "timeout"),
        (lambda h: h.add(fine, timeout=-1), "timeout"),
        (lambda h: h.add(fine, timeout=float("nan")), "timeout"),
        (lambda h: h.add(fine, fresh_for="5 parsecs"), "fresh_for"),
        (lambda h: h.add(fine, critical="no"), "critical"),
        (lambda h: h.add(fine, on_app_loop=True), "async"),
        (lambda h: h.add(fine, depends_on="database"), "depends_on"),
        (lambda h: h.add(fine, identity=3), "text"),
        (lambda h: h.check(fine), "@health.check"),
        (lambda _: Health(""), "service"),
        (lambda _: Health(None), "service"),  # type: ignore[arg-type]
        (lambda _: Health("shop", details_token=" "), "details_token"),
        (lambda _: Health("shop", version=2), "version"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_is_told_at_registration(register: Callable[[Health], Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says.replace("*", r"\*")):
        register(Health("shop"))


def test_an_unknown_check_says_what_is_registered() -> None:
    health = Health("shop")
    health.add(fine, name="disk")
    with pytest.raises(UnknownCheckError, match="disk:status"):
        health.report("dsik")


def keys(health: Health, select: str) -> list[str]:
    return [reading.check.name for reading in health.report(select).readings]


def test_ready_runs_the_tagged_and_where_none_is_the_critical() -> None:
    health = Health("shop")
    health.add(fine, name="database")
    health.add(fine, name="stripe", critical=False)
    assert keys(health, "ready") == ["database"]
    health.add(fine, name="cache", tags={"ready"}, critical=False)
    assert keys(health, "ready") == ["cache"]


def test_startup_runs_the_tagged_and_where_none_is_what_ready_runs() -> None:
    health = Health("shop")
    health.add(fine, name="database")
    assert keys(health, "startup") == ["database"]
    health.add(fine, name="migrations", tags={"startup"})
    assert keys(health, "startup") == ["migrations"]


def test_live_touches_nothing_unless_a_check_is_tagged_so() -> None:
    health = Health("shop")
    health.add(bad, name="database")
    assert keys(health, "live") == []
    assert health.report("live").status is Status.PASS
    health.add(fine, name="loop", tags={"live"})
    assert keys(health, "live") == ["loop"]


@pytest.mark.parametrize(
    ("probe", "critical", "status"),
    [
        (fine, True, Status.PASS),
        (shaky, True, Status.WARN),
        (shaky, False, Status.WARN),
        (bad, True, Status.FAIL),
        (bad, False, Status.WARN),
    ],
)
def test_only_a_critical_failure_fails_the_whole(probe: Any, critical: bool, status: Status) -> None:
    health = Health("shop")
    health.add(probe, name="probe", critical=critical)
    health.add(fine)
    assert health.report().status is status
    assert asyncio.run(health.report_async()).status is status


def test_a_health_without_checks_says_that_it_proves_little() -> None:
    assert Health("shop").report().attributes["notes"] == [NOTHING_CHECKED]


def test_a_report_tells_how_long_it_stays_fresh() -> None:
    now = 1_000.0
    health = Health("shop", clock=lambda: now)
    health.add(fine, name="slow", fresh_for=60)
    health.add(fine, name="quick", fresh_for=10)
    assert health.report().max_age == 10
    now += 4
    report = health.report()
    assert (report.max_age, report.time) == (6, 1_000.0)
    now += 100
    assert health.report().time == 1_104.0


def test_checks_run_inside_the_first_surroundings_given() -> None:
    seen: list[str] = []

    @contextmanager
    def inside(name: str) -> Iterator[None]:
        seen.append(f"enter {name}")
        yield
        seen.append(f"leave {name}")

    health = Health("shop")
    health.add(lambda: seen.append("run"), name="early", fresh_for=0)
    health.run_inside(lambda: inside("app"))
    health.run_inside(lambda: inside("other"))
    health.report()
    assert seen == ["enter app", "run", "leave app"]


def test_surroundings_that_fail_are_the_checks_failure() -> None:
    health = Health("shop")
    health.run_inside(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    health.add(fine)
    assert health.report().readings[0].output == "ZeroDivisionError"


def test_the_token_is_in_no_repr() -> None:
    assert "hunter2" not in repr(Health("shop", details_token="hunter2"))
