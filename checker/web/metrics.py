"""The checker's figures as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    labels = [_labels(specs[number]) if number in specs else "" for number, _, _ in scrape.standings]
    everyone = [(each, *how[1:]) for each, how in zip(labels, scrape.standings, strict=True) if each]
    counts = Counter(state for _, state, _ in everyone)
    yield from _head("monitors", "Monitors by state, components included.")
    yield from (f'{PREFIX}_monitors{{state="{state}"}} {counts[state]}' for state in State)
    yield from _head("monitor_up", "1 unless the monitor is down.")
    yield from [f"{PREFIX}_monitor_up{each} {0 if state == 'down' else 1}" for each, state, _ in everyone]
    yield from _head("monitor_latency_seconds", "How long the last answer took.")
    yield from [
        f"{PREFIX}_monitor_latency_seconds{each} {took:.6f}" for each, _, took in everyone if took is not None
    ]
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


def _labels(spec: MonitorSpec) -> str:
    return f'{{name="{_quoted(spec.full_name)}",kind="{spec.kind.value}"}}'


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
