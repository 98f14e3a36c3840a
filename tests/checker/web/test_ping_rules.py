"""Which pings count, and as what: methods and keywords mean what they mean in Healthchecks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from checker.model import Command, Kind, MonitorSpec, PingKind, PingRules, State
from checker.record import Recorder
from checker.registry import Registry
from checker.schedule import Every
from checker.store import door, monitors
from checker.store.tables import ping
from checker.web.ping import Gate, PingReceiver
from checker.web.ping_rules import counted_as
from tests.checker.stores import prepared
from tests.checker.web.asgi import call

NOW = 1_800_000_000.0
TOKEN = "0b8f4a1e-6c7d-4e2f-9a3b-5c1d2e3f4a5b"
WORDS = PingRules(start_kw="begin,", success_kw="done, fine", failure_kw="error,ERR", filter_http_body=True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"all done", PingKind.SUCCESS),
        (b"fine", PingKind.SUCCESS),
        (b"done with error", PingKind.FAIL),
        (b"begin", PingKind.START),
        (b"begin, done", PingKind.SUCCESS),
        (b"DONE", PingKind.IGNORED),
        (b"", PingKind.IGNORED),
        (b"\xff\xfe done \xff", PingKind.SUCCESS),
    ],
)
def test_keywords_in_the_body_decide(body: bytes, kind: PingKind) -> None:
    assert counted_as(WORDS, PingKind.SUCCESS, "POST", body) is kind


def test_without_a_keyword_the_default_may_be_a_failure() -> None:
    rules = replace(WORDS, filter_default_fail=True)
    assert counted_as(rules, PingKind.SUCCESS, "POST", b"?") is PingKind.FAIL


def test_filters_for_mail_leave_http_alone() -> None:
    rules = replace(WORDS, filter_http_body=False, filter_subject=True, filter_body=True)
    assert counted_as(rules, PingKind.LOG, "GET", b"error") is PingKind.LOG


def test_only_post_counts_where_it_says_so_even_with_a_keyword() -> None:
    rules = replace(WORDS, methods="POST")
    assert counted_as(rules, PingKind.SUCCESS, "GET", b"done") is PingKind.IGNORED
    assert counted_as(rules, PingKind.SUCCESS, "POST", b"done") is PingKind.SUCCESS


@given(st.text(max_size=20), st.binary(max_size=50))
def test_hostile_keywords_and_bodies_never_raise(words: str, body: bytes) -> None:
    rules = PingRules(start_kw=words, success_kw=words, failure_kw=words, filter_http_body=True)
    assert counted_as(rules, PingKind.SUCCESS, "GET", body) in PingKind


class Job:
    """A heartbeat with rules, behind a receiver over a real store."""

    def __init__(self, folder: Path, **rest: Any) -> None:
        self.store = prepared(folder / "x.db")
        spec = MonitorSpec(Kind.HEARTBEAT, "job", slug="job", token=TOKEN, schedule=Every(3600.0), **rest)
        self.store.write_now(lambda conn: monitors.sync(conn, [spec], NOW))
        self.registry = Registry(self.store)
        self.registry.reload_now()

    def ping(self, suffix: str = "", **options: Any) -> int:
        """Ping it and return the status."""

        async def asked() -> int:
            receiver = PingReceiver(
                call_nothing,
                registry=self.registry,
                door=Recorder(self.store, self.registry, lambda: NOW),
                clock=lambda: NOW,
                gate=Gate,
            )
            reply = await call(receiver, f"/ping/{TOKEN}{suffix}", **options)
            assert reply is not None
            return reply.status

        return asyncio.run(asked())

    def command(self, verb: str) -> None:
        """Say what an operator says."""

        async def said() -> None:
            await Recorder(self.store, self.registry, lambda: NOW).record([(1, Command(verb, NOW))])

        asyncio.run(said())

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.store.read_now(lambda conn: door.load_states(conn, [1]))[1].state

    @property
    def kinds(self) -> list[str]:
        """What its pings were counted as."""
        return list(self.store.read_now(lambda conn: conn.execute(select(ping.c.kind)).scalars().all()))


async def call_nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no request goes past the receiver here")


def test_an_ignored_ping_is_answered_kept_and_changes_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path, rules=PingRules(methods="POST"))
    assert job.ping(method="GET") == 200
    assert (job.kinds, job.state) == (["ign"], State.NEW)
    assert job.ping(method="POST") == 200
    assert (job.kinds, job.state) == (["ign", "success"], State.UP)
    job.store.close()


def test_a_keyword_turns_a_success_into_a_failure(tmp_path: Path) -> None:
    job = Job(tmp_path, rules=WORDS)
    job.ping(method="POST", body=b"error: disk full")
    assert (job.kinds, job.state) == (["fail"], State.DOWN)
    job.store.close()


@pytest.mark.parametrize(("manual", "after"), [(False, State.UP), (True, State.PAUSED)])
def test_a_paused_job_stays_paused_only_where_it_is_resumed_by_hand(
    tmp_path: Path, manual: bool, after: State
) -> None:
    job = Job(tmp_path, manual_resume=manual)
    job.command("pause")
    assert job.ping() == 200
    assert job.state is after
    job.store.close()
