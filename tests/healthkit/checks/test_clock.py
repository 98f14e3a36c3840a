"""The clock against a real NTP answer over UDP, and against the `Date` of a real HTTP answer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks.clock import ClockSkew, _offset
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.health import Health
from healthkit.status import Status
from tests.recording import Answer, RecordingServer, refused_url
from tests.waiting import wait_for

PACKET = struct.Struct("!BBbbII4s8s8sIIII")
TO_UNIX = 2_208_988_800


def answer(question: bytes, at: float, *, stratum: int = 2, head: int = 0x24, era: int = 0) -> bytes:
    """Return what an NTP server says to a question at a moment."""
    whole = int(at) + TO_UNIX - era * 2**32
    part = int((at % 1) * 2**32)
    return PACKET.pack(head, stratum, 0, 0, 0, 0, b"GPS", b"", question[40:48], whole, part, whole, part)


@pytest.fixture
def ntp() -> Iterator[Callable[[Callable[[bytes], bytes | None]], str]]:
    """Start an NTP server that answers with what a function makes of the question; None: never."""
    servers: list[socket.socket] = []

    def start(reply: Callable[[bytes], bytes | None]) -> str:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    question, sender = server.recvfrom(512)
                    said = reply(question)
                    if said is not None:
                        server.sendto(said, sender)

        threading.Thread(target=serve, daemon=True).start()
        return f"ntp://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


def shifted(by: float) -> Callable[[], float]:
    return lambda: time.time() + by


Start = Callable[[Callable[[bytes], bytes | None]], str]


def test_a_clock_that_is_right_passes(ntp: Start) -> None:
    said = ClockSkew(ntp(lambda question: answer(question, time.time())))()

    assert said.status is Status.PASS
    assert said.value == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    ("off", "status", "told"),
    [(10, Status.WARN, "10 s ahead of 127.0.0.1 (limit 2 s)"), (-3600, Status.FAIL, "1 h behind 127.0.0.1")],
)
def test_a_clock_that_is_off_is_told_with_its_direction(
    off: float, status: Status, told: str, ntp: Start
) -> None:
    said = ClockSkew(ntp(lambda question: answer(question, time.time())), clock=shifted(off))()

    assert said.status is status
    assert told.split(" ", 1)[1] in said.output
    assert said.value == pytest.approx(off, abs=0.5)


def test_the_next_era_of_ntp_is_read_right(ntp: Start) -> None:
    in_2040 = 2_208_988_800.0
    source = ntp(lambda question: answer(question, in_2040, era=1))

    assert ClockSkew(source, clock=lambda: in_2040)().value == 0.0


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (lambda q: answer(q[:40] + b"8 others", time.time()), "another question"),
        (lambda q: answer(q, time.time(), head=0x23), "another question"),
        (lambda q: answer(q, time.time(), stratum=0), "not synchronised"),
        (lambda q: answer(q, time.time(), head=0xE4), "not synchronised"),
        (lambda q: b"short", "no NTP"),
    ],
)
def test_an_answer_that_proves_nothing_is_no_word_about_the_clock(
    reply: Callable[[bytes], bytes], told: str, ntp: Start
) -> None:
    with pytest.raises(Warn, match=f"the time source 127.0.0.1 gave no time: .*{told}"):
        ClockSkew(ntp(reply))()


def test_a_server_that_is_not_there_warns() -> None:
    port = refused_url().rpartition(":")[2]

    with pytest.raises(Warn, match="connection refused"):
        ClockSkew(f"ntp://127.0.0.1:{port}")()


def test_a_silent_server_is_given_up_on(ntp: Start) -> None:
    with pytest.raises(Warn, match="timed out"):
        ClockSkew(ntp(lambda question: None))()


def test_a_web_server_that_drips_is_given_up_on_when_the_engine_says_so() -> None:
    health = Health("shop")
    with RecordingServer(default=Answer(fault="drip")) as server:
        check = ClockSkew(server.url)
        health.add(check, timeout=0.3)
        assert health.report().readings[0].status is Status.FAIL
        wait_for(
            lambda: not [t for t in threading.enumerate() if "clock:skew" in t.name], 5, "the end of the run"
        )


def test_the_time_on_the_way_is_allowed_for() -> None:
    mark = b"12345678"
    question = b"\0" * 40 + mark

    offset, uncertainty = _offset(answer(question, 1000.0), mark, 999.0, 1003.0)

    assert (offset, uncertainty) == (-1.0, 2.0)


def test_the_date_of_an_http_answer_serves_to_the_second() -> None:
    with RecordingServer(default=Answer(404)) as server:
        right = ClockSkew(server.url)()
        wrong = ClockSkew(server.url, clock=shifted(-120))()

    assert right.status is Status.PASS
    assert (wrong.status, wrong.value) == (Status.FAIL, pytest.approx(-120, abs=1.5))
    assert server.requests[0].method == "HEAD"


def test_a_web_server_that_is_not_there_warns() -> None:
    with pytest.raises(
        Warn, match=r"the time source 127.0.0.1 gave no time: unreachable: connection refused"
    ):
        ClockSkew(refused_url())()


def test_a_short_answer_is_refused() -> None:
    with pytest.raises(Fail, match="no NTP"):
        _offset(b"", b"", 0.0, 0.0)


@pytest.mark.parametrize("source", ["", "ftp://example.com", "ntp://", "https://"])
def test_a_source_that_cannot_be_meant_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError, match="check 'clock'"):
        ClockSkew(source)


@given(st.binary(min_size=48, max_size=60), st.floats(0, 1e10))
def test_a_packet_of_any_kind_is_read_or_refused(packet: bytes, now: float) -> None:
    with suppress(Fail):
        offset, uncertainty = _offset(packet, packet[24:32], now, now + 1)
        assert abs(offset) <= 2**31 + 1
        assert uncertainty >= 0
