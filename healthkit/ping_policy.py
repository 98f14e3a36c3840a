"""What a sender decides: how long to wait, when to try again, what to give up. Pure; times in seconds."""

from __future__ import annotations

from healthkit.pings import Target

FIRST_ANSWER = 1.0  # seconds that leaving may wait for a server's first answer, from the first try on
VAIN_FOR = 600.0  # seconds for which a vain wait spares the next processes theirs
RETRY = frozenset({408, 425, 429})  # and every 5xx
GIVE_UP = 3600.0  # seconds for which one ping may be answered with 500


def patience(*, answered: bool, failing: bool, vain: bool, trying_for: float, age: float) -> float:
    """Return how long (seconds) leaving may wait for the last pings.

    A server that failed, or has left a ping unanswered for long, is not waited for. One that has answered
    gets a twentieth of the sender's age, 1 s at least and 2 s at most. One that was never asked before (the
    job was short) gets `FIRST_ANSWER`, unless such a wait was in vain a short while ago.
    """
    if failing or (vain and not answered):
        return 0.0
    most = min(2.0, max(1.0, age / 20)) if answered else FIRST_ANSWER
    return max(0.0, most - trying_for)


def backoff(attempt: int, chance: float) -> float:
    """Return the seconds before the next try: 1, 2, 4 ... 60, less up to half by `chance` (0 to 1)."""
    return float(min(60.0, 2.0 ** min(attempt - 1, 6)) * (1 - chance / 2))


def worth_retrying(status: int, age: float = 0.0) -> bool:
    """Whether an answer says that the server is in trouble, and not that the ping is wrong.

    For a ping `age` seconds old a 500 may be either: after `GIVE_UP` the ping is blamed, for all that came
    after it is waiting behind it.
    """
    return status in RETRY or status > 500 or (status == 500 and age < GIVE_UP)


def refusal(target: Target, status: int) -> str:
    """Say why a server refused a ping, and what to do about it."""
    why = {
        404: "no such heartbeat there; check the key and the name in the URL",
        400: "it cannot read the URL; check its shape",
        401: "it wants credentials",
        403: "it forbids it",
        409: "more than one heartbeat has that name",
    }.get(status, "unexpected")
    return f"{target.shown} answered {status}: {why}"
