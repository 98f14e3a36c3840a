"""Run a command and tell the checker how it went: start, exit code, duration and the end of its output.

The command notices nothing: its input, output, signals and exit code pass through unchanged, and it runs and
ends at once whether the checker is there or not. Exit code: the command's own, 128 + n when signal n ended
it, 127 when it is not found, 126 when it cannot be executed, 124 when `--timeout` ended it, 2 when no command
is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from healthkit import child
from healthkit.errors import ConfigurationError

if TYPE_CHECKING:
    from healthkit.heartbeat import Heartbeat

TAIL = 10_000
TOLD = ("schedule", "every", "timezone", "grace", "max_runtime")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--url",
        default=os.environ.get("HEALTHKIT_PING_URL", ""),
        help="ping URL (default $HEALTHKIT_PING_URL)",
    )
    told = parser.add_argument_group("what the checker is told of the job, where it does not know it yet")
    told.add_argument("--schedule", help='when it runs, as cron: "0 2 * * *"')
    told.add_argument("--every", help='how often it runs instead, such as "15m"')
    told.add_argument("--timezone", help='of the schedule, such as "Europe/Berlin"')
    told.add_argument("--grace", help='how late it may be, such as "15m"')
    told.add_argument("--max-runtime", help='how long it may run, such as "1h"')
    parser.add_argument("--timeout", help='end the command after this time, e.g. "90s" or "2h"')
    parser.add_argument(
        "--kill-after",
        default=f"{child.KILL_AFTER:g}s",
        metavar="TIME",
        help="how long after its timeout's SIGTERM it gets SIGKILL (default %(default)s)",
    )
    parser.add_argument(
        "--ok",
        default="",
        metavar="CODES",
        help='exit codes that are a success besides 0, e.g. "24" for rsync',
    )
    parser.add_argument("--no-output", action="store_true", help="send none of its output")
    parser.add_argument(
        "--tail", type=int, default=TAIL, metavar="BYTES", help="how much of its output's end to send"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing of pings that are not delivered"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...", help="what to run")


def run(arguments: argparse.Namespace) -> NoReturn:
    """Run the command; end this process with its exit code."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise ConfigurationError("no command given; write `healthkit exec --url URL -- command arguments`")
    limit = _seconds(arguments.timeout, "--timeout") if arguments.timeout else None
    grace = _seconds(arguments.kill_after, "--kill-after") if limit is not None else child.KILL_AFTER
    told = {name: getattr(arguments, name) for name in TOLD}
    story = _Story(arguments.url, arguments.quiet, max(0, arguments.tail), _codes(arguments.ok), told)
    ended = child.run(
        command,
        tail=0 if arguments.no_output else max(0, arguments.tail),
        timeout=limit,
        kill_after=grace,
        started=story.begin,
    )
    if ended.problem:
        print(f"healthkit exec: {ended.problem}", file=sys.stderr)
    story.end(ended)
    _leave(ended.code)


def _leave(code: int) -> NoReturn:
    """End at once: whoever waits for the command need not wait for an interpreter to be taken apart."""
    if transport := sys.modules.get("healthkit.transport"):
        transport.leave()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, or its reader is gone
            continue
    os._exit(code)


def _codes(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdecimal() and int(part) <= 255 for part in parts):
        raise ConfigurationError(f"--ok: {text!r} is no list of exit codes; write them as 1,24")
    return {int(part) for part in parts}


def _seconds(text: str, what: str) -> float:
    from healthkit import durations  # not in the way of a command without a limit

    return durations.seconds(text, what=what)


class _Story:
    """What the checker is told. Made of imports that wait until the command runs; none of it can hurt the
    command.
    """

    def __init__(
        self, url: str, quiet: bool, tail: int, fine: set[int], told: dict[str, Any] | None = None
    ) -> None:
        self._told = told or {}
        self._fine = fine  # exit codes that are told as success
        self._url = url
        self._quiet = quiet
        self._tail = tail
        self._heartbeat: Heartbeat | None = None
        self._rid = ""

    def begin(self) -> None:
        """The command runs."""
        heartbeat = self._reach()
        if heartbeat is not None:
            heartbeat.start(rid=self._rid)

    def end(self, ended: child.Ended) -> None:
        """It has ended, or could not even begin."""
        heartbeat = self._heartbeat or self._reach()
        if heartbeat is not None:
            text = ended.output.decode("utf-8", "replace")
            if ended.problem:
                text = f"{text.rstrip()}\nhealthkit exec: {ended.problem}\n".lstrip("\n")
            code = 0 if ended.code in self._fine and not ended.problem else ended.code
            heartbeat.exit(code, text, rid=self._rid)

    def _reach(self) -> Heartbeat | None:
        try:
            import logging

            from healthkit.heartbeat import Heartbeat
            from healthkit.pings import new_rid

            if self._quiet:
                logging.getLogger("healthkit").setLevel(logging.CRITICAL)
            if not self._url.strip():
                raise ConfigurationError(
                    "no --url and no HEALTHKIT_PING_URL: nobody is told how this run goes"
                )
            self._heartbeat, self._rid = Heartbeat(self._url, tail=self._tail, **self._told), new_rid()
        except Exception as error:  # noqa: BLE001 - the command runs, whatever is wrong with telling of it
            if not self._quiet:
                print(f"healthkit exec: {error}", file=sys.stderr)
            self._url, self._quiet = "", True  # said once
        return self._heartbeat
