"""Connections by their phase, without a socket: who is late, who makes room, and answers sent whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from uvicorn.server import ServerState

from checker import server
from checker.web.phases import Phases
from checker.web.ping_answer import OK, OVERLOADED, Answer, send_answer
from checker.web.protocol import BoundedProtocol

DATE = "Sun, 22 Nov 2026 02:00:00 GMT"


class Wire(asyncio.Transport):
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.ended = ""

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    def resume_reading(self) -> None:
        """Nothing comes by itself."""


@dataclass
class Client:
    """One connection to the server."""

    protocol: BoundedProtocol
    wire: Wire = field(default_factory=Wire)

    async def ask(self, text: str) -> bytes:
        """Send a request and return the whole answer."""
        before = len(self.wire.sent)
        self.protocol.data_received(text.replace("\n", "\r\n").encode())
        await until(lambda: len(self.wire.sent) > before)
        await asyncio.sleep(0)
        return self.wire.sent[before:]


class Few(BoundedProtocol):
    connection_limit = 3


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def connector(answer: Answer = OK) -> Callable[[], Client]:
    """Return what opens connections to one server, whose app answers so, or hangs at `/hang`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/hang":
            await asyncio.Event().wait()
        await send_answer(answer, scope, send)

    config = server.server(app, Few).config
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", DATE.encode())]
    make: Any = config.http_protocol_class

    def connect() -> Client:
        client = Client(make(config=config, server_state=state, app_state={}))
        client.protocol.connection_made(client.wire)
        return client

    return connect


GET = "GET / HTTP/1.1\nHost: a\n\n"


def test_the_longest_idle_connection_makes_room_and_one_that_is_answered_never() -> None:
    async def main() -> list[str]:
        connect = connector()
        first, second, third = connect(), connect(), connect()
        third.protocol.data_received(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        await second.ask(GET)
        await first.ask(GET)
        for count in range(2):
            connect()
            assert [bool(each.wire.ended) for each in (second, first)] == [True, count == 1]
            ended = second if count == 0 else first
            ended.protocol.connection_lost(None)
        return [each.wire.ended for each in (first, second, third)]

    assert asyncio.run(main()) == ["aborted", "aborted", ""]


def test_where_all_are_being_answered_a_new_connection_is_refused() -> None:
    async def main() -> tuple[list[str], str]:
        connect = connector()
        busy = [connect() for _ in range(3)]
        for each in busy:
            each.protocol.data_received(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        return [each.wire.ended for each in busy], connect().wire.ended

    assert asyncio.run(main()) == (["", "", ""], "aborted")


def test_room_is_made_once_for_each_even_if_many_come_in_one_turn() -> None:
    async def main() -> list[str]:
        connect = connector()
        return [client.wire.ended for client in [connect() for _ in range(8)]]

    assert asyncio.run(main()) == ["aborted"] * 5 + [""] * 3


@pytest.mark.parametrize(
    "answer", [OK, OVERLOADED, Answer(200, "{}", json=True, note="x"), Answer(404, "no")]
)
def test_an_answer_at_once_says_what_the_two_messages_say(answer: Answer) -> None:
    async def main() -> list[list[bytes]]:
        connect = connector(answer)
        found = [await connect().ask(GET), await connect().ask("GET / HTTP/1.1\nConnection: close\n\n")]
        return [sorted(each.replace(b"connection: close\r\n", b"").split(b"\r\n")) for each in found]

    at_once, in_two = asyncio.run(main())
    assert at_once == in_two
    assert f"date: {DATE}".encode() in at_once


def test_head_has_no_body_and_http_1_0_ends() -> None:
    async def main() -> None:
        connect = connector()
        head = await connect().ask("HEAD / HTTP/1.1\nHost: a\n\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length: 2\r\n" in head
        assert head.endswith(b"\r\n\r\n")
        old = connect()
        assert (await old.ask("GET / HTTP/1.0\n\n")).endswith(b"OK")
        assert old.wire.ended == "closed"

    asyncio.run(main())


def test_pipelined_answers_come_in_order_and_whole() -> None:
    async def main() -> bytes:
        client = connector()()
        client.protocol.data_received(GET.replace("\n", "\r\n").encode() * 3)
        await until(lambda: client.wire.sent.count(b"\r\n\r\nOK") == 3)
        return client.wire.sent

    assert asyncio.run(main()).count(b"HTTP/1.1 200 OK\r\n") == 3


def test_a_sender_that_left_is_no_trouble() -> None:
    async def main() -> bytes:
        client = connector()()
        client.protocol.data_received(GET.replace("\n", "\r\n").encode())
        client.protocol.connection_lost(None)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks, timeout=20)
        return client.wire.sent

    assert asyncio.run(main()) == b""


@dataclass(eq=False)
class One:
    told: list[One] = field(default_factory=list)

    def late(self) -> None:
        self.told.append(self)


def test_who_is_late_is_told_in_order_and_who_left_or_has_time_is_not() -> None:
    async def main() -> None:
        phases, told = Phases(), list[One]()
        ones = [One(told) for _ in range(5)]
        now = asyncio.get_running_loop().time()
        phases.enter(phases.idle, ones[3], now + 3600)
        for each in ones[:3]:
            phases.enter(phases.headers, each, now - 1)
        del phases.headers[ones[1]]
        await until(lambda: len(told) == 2)
        assert told == [ones[0], ones[2]]
        phases.enter(phases.request, ones[4], now - 1)
        await until(lambda: len(told) == 3)
        assert list(phases.waiting()) == [ones[3]]

    asyncio.run(main())
