"""The next step: where to look first, by what is wrong. Short, and honest about being a first guess. Pure."""

from __future__ import annotations

import re

from checker.model import Cause

# The first found in the reason counts: the words are those of our own checks and of our own HTTP client.
_BY_REASON = tuple(
    (re.compile(pattern, re.IGNORECASE), hint)
    for pattern, hint in (
        (r"the checker's own network", "look at the checker's own network: its route, its DNS, its firewall"),
        (r"never finished", "look for the run: it was killed (out of memory, a deploy) or still hangs"),
        (r"standby|recovery", "the app talks to a standby: check failover and the address it connects to"),
        (r"file system .*read-only|disk .*read-only", "a disk is mounted read-only: read the kernel's log"),
        (r"read-only", "the server is a replica or its disk is full: check failover and free space"),
        (r"disk full|no room", "free disk space, or grow the disk"),
        (r"\blocked\b", "find the transaction or process that holds the lock"),
        (r"authentication failed|password", "check the user and password the app was given: changed lately?"),
        (r"permission denied", "check what the app's user is allowed to do"),
        (r"no more connections|\bpool\b", "find who holds the connections: a leak, or too large pools"),
        (r"missing table|not migrated|migration", "run the migrations, or deploy code that fits the schema"),
        (r"no such host", "check the name and the DNS servers"),
        (r"certificate|TLS", "renew the certificate, or trust its authority"),
        (r"unproven|nonce", "a cache or a stub answered: look at what stands between checker and app"),
        (r"connection refused", "nothing listens there: is the process running?"),
        (r"no route|(?:cut|closed) the connection", "check the process, its restarts and the network"),
        (r"within \d|timed out|no answer|not answer", "it hangs: look at its load, its locks, the network"),
        (r"no worker|\bdead\b|silent", "look whether the workers run, and why they ended"),
        (r"no progress|stuck|stalled", "look at what the workers are doing: one job may block them all"),
        (r"\bgrow|waiting|oldest", "more comes in than is worked off: add workers, or find the slow job"),
        (r"rate limit|status 429", "the far side limits us: call it less, or ask for more"),
    )
)  # fmt: skip
IN_A_STORM = "look for what they share: a host, a network, a database, a deploy"
_BY_CAUSE = {
    Cause.MISSED: "look whether cron (or the scheduler) runs, and whether the job can reach the checker",
    Cause.FAILED: "read the job's last output, then its log",
    Cause.OVERRUN: "look whether the run still works or hangs: a lock, a far side that does not answer",
    Cause.TOO_FAST: "look whether it found anything to do: an early return, an empty input",
    Cause.TOO_OFTEN: "look for a second schedule, or a loop that starts it again",
    Cause.FLAPPING: "look for what comes and goes: memory, restarts, a limit that is reached",
    Cause.STALLED: "look at what the workers are doing: one job may block them all",
    Cause.UNREACHABLE: "look whether the app runs, and whether the checker can reach it",
    Cause.HTTP: "read the app's error log",
    Cause.DOCUMENT: "open the URL and look who answers: the app, a proxy, a login page",
    Cause.CONDITION: "compare what was seen with the conditions: did the app change, or what it needs?",
    Cause.GONE: "if the deploy took the check out, forget it; else look why the app no longer registers it",
    Cause.FAILING: "open the app's health page and follow the part that fails",
    Cause.DEGRADED: "nothing has failed yet: look before it does",
}


def next_step(cause: Cause, reason: str) -> str:
    """Return where to look first, "" where nothing is known."""
    if cause in (Cause.FAILED, Cause.TOO_FAST):
        return _BY_CAUSE[cause]  # the reason is the job's own words, not ours
    for pattern, hint in _BY_REASON:
        if pattern.search(reason):
            return hint
    return _BY_CAUSE.get(cause, "")
