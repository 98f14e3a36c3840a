"""Send one ping and say by the exit code whether it arrived: 0 yes, 1 no (it is then kept and delivered
later).
"""

from __future__ import annotations

import argparse
import sys
import time

from healthkit import pings, transport
from healthkit.errors import ConfigurationError
from healthkit.exchange import Line, Unreachable, refusal, worth_retrying
from healthkit.journal import Journal, Record
from healthkit.pings import Ping
from healthkit.sender import TIMEOUT

TRIES = 2
PAUSE = 0.5  # seconds between them
DRAIN = 2.0  # seconds for what was kept before


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("url", help="the heartbeat's ping URL")
    parser.add_argument(
        "kind", nargs="?", default="", help="start, fail, log or an exit code (0-255); none: success"
    )
    parser.add_argument("-b", "--body", default="", help="text to send along; - reads it from standard input")
    parser.add_argument("--rid", default="", help="the run's id, a uuid, the same for its start and its end")
    parser.add_argument("--processed", type=float, help="how much was done so far")
    parser.add_argument("--backlog", type=float, help="how much waits")
    parser.add_argument("--timeout", help="for everything together (default 10s)")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing when it is not delivered")


def run(arguments: argparse.Namespace) -> int:
    """Send it; return 0 when it was answered with success, 1 when not."""
    target = pings.target(arguments.url)
    figures = {"processed": arguments.processed, "backlog": arguments.backlog}
    ping = Ping(
        target,
        suffix(arguments.kind),
        time.time(),
        arguments.rid,
        _body(arguments.body),
        {name: value for name, value in figures.items() if value is not None},
    )
    problem = deliver(ping, transport.journal(target), _seconds(arguments.timeout))
    if problem and not arguments.quiet:
        print(f"healthkit ping: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _seconds(text: str | None) -> float:
    if text is None:
        return TIMEOUT
    from healthkit import durations  # slow to import, rarely needed

    return durations.seconds(text, what="--timeout")


def suffix(kind: str) -> str:
    """Return the URL's suffix for a kind of ping; raises `ConfigurationError` for one that does not exist."""
    if kind in ("", "success", "0"):
        return ""
    if kind in ("start", "fail", "log") or (kind.isascii() and kind.isdecimal() and int(kind) <= 255):
        return f"/{kind}"
    raise ConfigurationError(
        f"{kind!r} is no kind of ping; write start, fail, log, or an exit code from 0 to 255"
    )


def _body(text: str) -> str:
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    return pings.tail(text)


def deliver(ping: Ping, journal: Journal, timeout: float) -> str:
    """Deliver a ping within `timeout` seconds, and then what was kept before; return what is wrong, "" if
    nothing.
    """
    line, end = Line(ping.target.origin), time.monotonic() + timeout
    try:
        problem, keep = _try(line, ping, end)
        if keep:
            kept = journal.append(pings.record(ping))
            return f"not delivered to {ping.target.shown}: {problem}; {'kept for later' if kept else 'lost'}"
        if not problem:
            _deliver_kept(line, journal, min(end, time.monotonic() + DRAIN))
        return problem
    finally:
        line.close()


def _try(line: Line, ping: Ping, end: float) -> tuple[str, bool]:
    """Return what is wrong ("" if nothing), and whether it may be right later."""
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(max(0.0, min(PAUSE, end - time.monotonic())))
        try:
            answer = line.send(pings.request(ping, late=False), end - time.monotonic())
        except Unreachable as error:
            problem = str(error)
        else:
            if 200 <= answer.status < 300:
                return "", False
            if not worth_retrying(answer.status):
                return refusal(ping.target, answer.status), False
            problem = f"it answers {answer.status}"
        if time.monotonic() >= end:
            break
    return problem, True


def _deliver_kept(line: Line, journal: Journal, end: float) -> None:
    def redeliver(entry: Record) -> bool:
        try:
            ping = pings.from_record(entry)
        except (LookupError, TypeError, ValueError):
            return True
        try:
            answer = line.send(pings.request(ping, late=True), end - time.monotonic())
        except Unreachable:
            return False
        return not worth_retrying(answer.status, time.time() - ping.at)

    while journal.pending() and time.monotonic() < end:
        if not journal.drain(redeliver, now=time.time()):
            return
