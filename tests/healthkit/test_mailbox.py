"""Listeners: told in order, one at a time; one that raises or hangs harms nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from healthkit import ConfigurationError, carriers
from healthkit import mailbox as mailbox_module
from healthkit.mailbox import LIMIT, Mailbox
from tests.waiting import wait_for


def test_news_arrive_in_order() -> None:
    seen: list[int] = []
    box = Mailbox(seen.append, "listener")
    for number in range(50):
        box.post(number)
    wait_for(lambda: len(seen) == 50, what="fifty news")
    assert seen == list(range(50))


def test_a_listener_that_raises_is_logged_without_its_text_and_told_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    def bad(number: int) -> None:
        seen.append(number)
        raise SystemExit("hunter2")

    box = Mailbox(bad, "listener")
    box.post(1)
    box.post(2)
    wait_for(lambda: seen == [1, 2], what="both news")
    wait_for(lambda: caplog.text.count("SystemExit") >= 2, what="the log")
    assert "hunter2" not in caplog.text


def test_a_listener_that_hangs_costs_one_thread_and_a_bounded_queue(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_module, "PATIENCE", 0.0)
    shut = threading.Event()
    box = Mailbox(lambda _news: shut.wait(60), "listener")
    before = threading.active_count()
    try:
        for number in range(3 * LIMIT):
            box.post(number)
        assert threading.active_count() <= before + 1
        assert box.waiting <= LIMIT
        assert "has been running for" in caplog.text
    finally:
        shut.set()
    wait_for(lambda: box.waiting == 0, what="the rest")


def test_a_listener_may_take_nothing_and_may_be_async() -> None:
    seen: list[Any] = []

    async def later(news: int) -> None:
        seen.append(news)

    Mailbox(lambda: seen.append("nothing"), "listener").post(1)
    wait_for(lambda: seen == ["nothing"], what="the call without arguments")
    Mailbox(later, "listener").post(2)
    wait_for(lambda: seen == ["nothing", 2], what="the async call")


@pytest.mark.parametrize("listener", ["text", None, lambda a, b: None])
def test_what_cannot_be_called_with_news_is_refused(listener: Any) -> None:
    with pytest.raises(ConfigurationError, match="listener"):
        Mailbox(listener, "listener")


def test_no_thread_to_be_had_loses_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    seen: list[int] = []
    box = Mailbox(seen.append, "listener")
    with monkeypatch.context() as patched:
        patched.setattr(carriers, "threads", carriers.ThreadCarrier())  # none is idle
        patched.setattr(threading.Thread, "start", refuse)
        box.post(1)
    box.post(2)
    wait_for(lambda: seen == [1, 2], what="both news")
