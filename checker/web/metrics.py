"""The checker's figures as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from checker.model import MonitorSpec, State
from checker.store.board import Standing
from checker.store.views import ChannelView

PREFIX = "healthkit_checker"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What is told: how every monitor stands, open incidents, channels."""

    standings: Sequence[Standing]
    open_incidents: int
    channels: Sequence[ChannelView]


def render(scrape: Scrape, specs: Mapping[int, MonitorSpec]) -> str:
    """Return what the monitors, incidents and channels are like now; `specs` are those that live."""
    return "".join(f"{line}\n" for line in _lines(scrape, specs))


def _lines(scrape: Scrape, specs: Mapping[int, MonitorSpec]) -> Iterator[str]:
    found = [(each, specs[each.id]) for each in scrape.standings if each.id in specs]
    everyone = [(each, _labels(spec.full_name, spec.kind)) for each, spec in found]
    counts = Counter(each.state for each, _ in everyone)
    yield from _head("monitors", "Monitors by state, components included.")
    yield from (f'{PREFIX}_monitors{{state="{state}"}} {counts[state]}' for state in State)
    yield from _head("monitor_up", "1 unless the monitor is down.")
    yield from (f"{PREFIX}_monitor_up{labels} {int(each.state != State.DOWN)}" for each, labels in everyone)
    yield from _head("monitor_latency_seconds", "How long the last answer took.")
    yield from (
        f"{PREFIX}_monitor_latency_seconds{labels} {each.latency:.6f}"
        for each, labels in everyone
        if each.latency is not None
    )
    yield from _head("open_incidents", "Incidents that are not resolved.")
    yield f"{PREFIX}_open_incidents {scrape.open_incidents}"
    yield from _head("channel_broken", "1 when the far side refused for good.")
    for channel in scrape.channels:
        broken = int(channel.broken_since is not None)
        yield f'{PREFIX}_channel_broken{{channel="{_quoted(channel.name)}"}} {broken}'
    yield from _head("deliveries_waiting", "Notifications owed and not sent yet.")
    for channel in scrape.channels:
        yield f'{PREFIX}_deliveries_waiting{{channel="{_quoted(channel.name)}"}} {channel.waiting}'


def _head(name: str, text: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}_{name} {text}", f"# TYPE {PREFIX}_{name} gauge"


@lru_cache(maxsize=100_000)
def _labels(full_name: str, kind: str) -> str:
    return f'{{name="{_quoted(full_name)}",kind="{kind}"}}'


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
