"""What was read from the store, turned into what a person reads: a verdict, troubles, tables. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from checker.model import Incident, Kind, State
from checker.moments import span
from checker.store.board import Tally
from checker.store.noise import Noisy
from checker.store.views import ChannelView, Delivery, Watched
from checker.verdict import Verdict, names, summed_up
from checker.web.present_incident import delivery
from checker.web.present_rows import (
    by_badness,
    channel_row,
    endpoint_row,
    heartbeat_row,
    incident_row,
    trouble_row,
)

PAGE = 50  # endpoints, jobs or incidents on one page
TROUBLES = 50  # that are told one by one


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should know of the checker itself: a banner, or a line at the end (`quiet`)."""

    tone: str
    title: str
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a viewer asked to see of the long lists: a part of the names, a tag, and which pages."""

    search: str = ""
    tag: str = ""
    endpoints: int = 1
    jobs: int = 1

    @property
    def asked(self) -> bool:
        """Whether something is looked for: then that is shown, and nothing else."""
        return bool(self.search or self.tag)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a long list; `pages` counts all of them, `total` all rows."""

    rows: Sequence[dict[str, Any]]
    number: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Board:
    """All that was read for the dashboard."""

    tally: Tally
    troubles: Sequence[Watched]  # the worst first, some of them
    endpoints: Sequence[Watched]
    jobs: Sequence[Watched]
    found: tuple[int, int]  # endpoints and jobs that the choice leaves
    open: Sequence[Incident]
    open_count: int
    recent: Sequence[Incident]
    channels: Sequence[ChannelView]
    owed: Sequence[Delivery]
    noisy: Sequence[Noisy]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the dashboard shows."""

    now: float
    verdict: Verdict
    notices: Sequence[Notice]
    tiles: Sequence[dict[str, str]]
    troubles: Sequence[dict[str, Any]]
    more_troubles: int
    incidents: Sequence[dict[str, Any]]
    more_incidents: int
    endpoints: Listed
    heartbeats: Listed
    choice: Choice
    grown: bool  # whether there are so many that one looks for them by name
    channels: Sequence[dict[str, Any]]
    owed: Sequence[dict[str, Any]]
    noisy: Sequence[Noisy]
    recent: Sequence[Incident]
    ping_url: str
    node: str


def page(
    board: Board,
    *,
    now: float,
    choice: Choice,
    notices: Iterable[Notice] = (),
    ping_url: str = "",
    node: str = "",
) -> Page:
    """Return the dashboard's content at `now`."""
    opened = _opened(board.open)
    troubles = board.tally.troubles
    down = [each.name for each in troubles if each.state is State.DOWN]
    rows = [trouble_row(each, opened.get(each.spec.name), now) for each in board.troubles]
    return Page(
        now=now,
        verdict=summed_up(board.tally.of(), names(down)),
        notices=(*notices, *_broken_channels(board.channels)),
        tiles=_tiles(board, now),
        troubles=sorted(rows, key=lambda row: row["explained"]),  # the causes first
        more_troubles=len(troubles) - len(board.troubles),
        incidents=[incident_row(incident) for incident in board.open],
        more_incidents=board.open_count - len(board.open),
        endpoints=listed(
            [endpoint_row(each, now) for each in by_badness(board.endpoints)],
            choice.endpoints,
            board.found[0],
        ),
        heartbeats=listed(
            [heartbeat_row(each, now) for each in by_badness(board.jobs)], choice.jobs, board.found[1]
        ),
        choice=choice,
        grown=board.tally.of().total() > PAGE or choice.asked,
        channels=[channel_row(channel) for channel in board.channels],
        owed=[delivery(each) for each in board.owed],
        noisy=board.noisy,
        recent=board.recent,
        ping_url=ping_url,
        node=node,
    )


def _opened(found: Sequence[Incident]) -> dict[str, Incident]:
    """Return the open incident that each endpoint and heartbeat is in, by its name; its own first."""
    by_member = {
        member.name.partition("/")[0]: incident
        for incident in found
        for member in incident.members
        if member.resolved_at is None
    }
    return by_member | {incident.group: incident for incident in found}


def listed(rows: Sequence[dict[str, Any]], number: int, total: int) -> Listed:
    """Return one page of `total` rows."""
    return Listed(rows, number, max(1, -(-total // PAGE)), total)


def _broken_channels(channels: Iterable[ChannelView]) -> list[Notice]:
    return [
        Notice("bad", f"Channel {channel.name} is broken, nobody is told by it:", channel.last_error)
        for channel in channels
        if channel.broken_since is not None
    ]


def _tiles(board: Board, now: float) -> list[dict[str, str]]:
    broken = [channel.name for channel in board.channels if channel.broken_since is not None]
    sent = [channel.last_sent_at for channel in board.channels if channel.last_sent_at is not None]
    alerts = {
        "title": "Alerts",
        "tone": "bad" if broken else "warn" if board.open_count else "ok",
        "figure": f"{board.open_count:,}",
        "text": "open incident" if board.open_count == 1 else "open incidents",
        "note": f"broken channel: {names(broken)}" if broken else "",
    }
    if sent and not broken:
        alerts["note"] = f"last delivered {span(now - max(sent))} ago"
    of = board.tally.of
    return [
        _share("Availability", of(Kind.ENDPOINT), "answering and able", "no endpoint yet"),
        _share("Execution", of(Kind.HEARTBEAT), "jobs and workers on time", "no heartbeat yet"),
        alerts,
    ]


def _share(title: str, count: Counter[State], words: str, none: str) -> dict[str, str]:
    live = count.total() - count[State.PAUSED]
    good = count[State.UP] + count[State.GRACE]
    tone = "bad" if count[State.DOWN] else "warn" if count[State.WARN] else "ok" if good else "mute"
    if not count.total():
        return {"title": title, "tone": "mute", "figure": "", "text": none, "note": ""}
    notes = ((State.GRACE, "late"), (State.NEW, "without a sign yet"), (State.PAUSED, "paused"))
    note = ", ".join(f"{count[state]:,} {word}" for state, word in notes if count[state])
    return {"title": title, "tone": tone, "figure": f"{good:,} of {live:,}", "text": words, "note": note}
