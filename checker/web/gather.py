"""Reads what a page shows, in one transaction, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection, func, select

from checker.maintenance import Window, covers
from checker.model import Kind, State
from checker.rules.uptime import Uptime
from checker.store import blind, board, drills, figures, noise, uptime, views
from checker.store.tables import incident
from checker.store.tables import ping as pings
from checker.web.context import Context
from checker.web.present import PAGE, TROUBLES, Board, Choice
from checker.web.present_monitor import Known

DAY = 86_400.0
INCIDENTS = 20  # open ones on the dashboard
RECENT = 10
NOISIEST = 5
CHANGES, OUTPUTS, RUNS, HOURS, DRILLS = 30, 8, 60, 72, 5  # on a monitor's page
AHEAD = 7 * DAY  # how far maintenance to come is told
# Maintenance is asked for where time is counted by changes: lately, and on the first day of each longer span.
NEAR = 8 * DAY
FAR = [days for days in figures.SPANS.values() if days > 7]


async def dashboard(context: Context, choice: Choice, now: float) -> Board:
    """Return what the dashboard shows."""
    tagged = context.monitors.tagged(choice.tag) if choice.tag else None
    channels = context.channels()
    return await context.store.read(lambda conn: _board(conn, choice, channels, tagged, now))


def _board(
    conn: Connection, choice: Choice, channels: dict[str, str], tagged: Sequence[int] | None, now: float
) -> Board:
    tally = board.tally(conn)
    order = {each.id: place for place, each in enumerate(tally.troubles[:TROUBLES])}
    found = {
        kind: board.page(
            conn, kind, limit=PAGE, offset=(number - 1) * PAGE, search=choice.search, among_ids=tagged
        )
        for kind, number in ((Kind.ENDPOINT, choice.endpoints), (Kind.HEARTBEAT, choice.jobs))
    }
    shown = {
        each.id: each for each in views.watched(conn, {*order, *(n for ids in found.values() for n in ids)})
    }
    return Board(
        tally=tally,
        troubles=[shown[each] for each in sorted(order, key=order.__getitem__) if each in shown],
        endpoints=[shown[each] for each in found[Kind.ENDPOINT] if each in shown],
        jobs=[shown[each] for each in found[Kind.HEARTBEAT] if each in shown],
        found=(
            _count(conn, Kind.ENDPOINT, choice, tagged, tally),
            _count(conn, Kind.HEARTBEAT, choice, tagged, tally),
        ),
        open=views.incidents(conn, resolved=False, limit=INCIDENTS),
        open_count=open_count(conn),
        recent=views.incidents(conn, resolved=True, limit=RECENT),
        channels=views.channel_views(conn, channels),
        owed=board.owed(conn, INCIDENTS),
        noisy=noise.noisy(conn, now)[:NOISIEST],
    )


def _count(
    conn: Connection, kind: Kind, choice: Choice, tagged: Sequence[int] | None, tally: board.Tally
) -> int:
    if not choice.search and tagged is None:
        return tally.of(kind).total()
    return board.count(conn, kind, choice.search, tagged)


def open_count(conn: Connection) -> int:
    """Return how many incidents are open."""
    query = select(func.count()).select_from(incident).where(incident.c.resolved_at.is_(None))
    return int(conn.execute(query).scalar_one())


async def monitor(context: Context, name: str, now: float) -> Known:
    """Return what is known of the monitor of that full name; raises 404."""
    number = context.monitors.full_name(name)
    spec = None if number is None else context.monitors.by_id(number)
    if number is None or spec is None:
        raise HTTPException(404, "no such monitor")
    far = [(now - days * DAY, now - (days - 1) * DAY) for days in FAR]
    opened = await context.openings((now - NEAR, now + AHEAD), *far)
    covering = [each for each in opened if covers(each.spec, spec.full_name)]
    top = context.monitors.full_name(spec.parent) if spec.parent else number
    options: dict[str, Any] = {
        "prove_every": context.config().server.prove_every,
        "public_url": context.public_url,
    }
    found = await context.store.read(
        lambda conn: _known(conn, number, top or number, spec.full_name, now, covering, options)
    )
    if found is None:
        raise HTTPException(404, "the monitor was removed just now")
    return found


def _known(
    conn: Connection,
    number: int,
    top: int,
    full_name: str,
    now: float,
    windows: Sequence[Window],
    options: dict[str, Any],
) -> Known | None:
    watched = views.watched(conn, [top])
    if not watched:
        return None
    today = int(now // DAY)
    looks = figures.looks_of(conn, number, now)
    return Known(
        watched=watched[0],
        full_name=full_name,
        figures=figures.figures(conn, number, full_name, now, windows, looks),
        before=uptime.states_at(conn, [number], now - DAY).get(number, State.NEW),
        changes=views.changes(conn, number, start=None, end=None, limit=CHANGES),
        lately=views.changes(conn, number, start=now - DAY, end=None, limit=1_000)[::-1],
        blind=blind.spans(conn, now - DAY, now),
        days=uptime.days(conn, number, today - 90, today + 1) | _today(conn, number, full_name, now, windows),
        hours=figures.by_hour(looks, now, HOURS),
        outputs=views.outputs(conn, number, OUTPUTS),
        durations=_durations(conn, number),
        incidents=views.incidents_with(conn, number, RECENT),
        drills=drills.drills(conn, number)[:DRILLS],
        windows=[each for each in windows if each.end > now],
        noisy=noise.incidents_of(conn, number, now),
        **options,
    )


def _today(
    conn: Connection, number: int, full_name: str, now: float, windows: Sequence[Window]
) -> dict[int, Uptime]:
    """Return the days that are not counted yet; a few at most."""
    first = max(uptime.counted(conn), int(now // DAY) - 2)
    found = {}
    for day in range(first, int(now // DAY) + 1):
        end = min(now, (day + 1) * DAY)
        times = uptime.from_changes(conn, {number: full_name}, day * DAY, end, windows)
        if times.get(number, Uptime()) != Uptime():
            found[day] = times[number]
    return found


def _durations(conn: Connection, number: int) -> list[float]:
    query = (
        select(pings.c.duration)
        .where(pings.c.monitor_id == number, pings.c.kind == "success", pings.c.duration.is_not(None))
        .order_by(pings.c.n.desc())
        .limit(RUNS)
    )
    return [float(each) for each in conn.execute(query).scalars()][::-1]
