"""The checker's figures as Prometheus text (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from checker.model import State
from checker.store.views import Overview, Watched

PREFIX = "healthkit_checker"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(overview: Overview) -> str:
    """Return what the monitors, incidents and channels are like now."""
    return "".join(f"{line}\n" for line in _lines(overview))


def _lines(overview: Overview) -> Iterator[str]:
    everyone = [each for monitor in overview.monitors for each in (monitor, *monitor.components)]
    counts = Counter(each.state.state for each in everyone)
    yield from _head("monitors", "Monitors by state, components included.")
    yield from (f'{PREFIX}_monitors{{state="{state}"}} {counts[state]}' for state in State)
    yield from _head("monitor_up", "1 unless the monitor is down.")
    yield from (f"{PREFIX}_monitor_up{{{_labels(each)}}} {_up(each)}" for each in everyone)
    yield from _head("monitor_latency_seconds", "How long the last answer took.")
    yield from (
        f"{PREFIX}_monitor_latency_seconds{{{_labels(each)}}} {each.state.latency:.6f}"
        for each in everyone
        if each.state.latency is not None
    )
    yield from _head("open_incidents", "Incidents that are not resolved.")
    yield f"{PREFIX}_open_incidents {len(overview.open)}"
    yield from _head("channel_broken", "1 when the far side refused for good.")
    for channel in overview.channels:
        broken = int(channel.broken_since is not None)
        yield f'{PREFIX}_channel_broken{{channel="{_quoted(channel.name)}"}} {broken}'
    yield from _head("deliveries_waiting", "Notifications owed and not sent yet.")
    for channel in overview.channels:
        yield f'{PREFIX}_deliveries_waiting{{channel="{_quoted(channel.name)}"}} {channel.waiting}'


def _head(name: str, text: str) -> tuple[str, str]:
    return f"# HELP {PREFIX}_{name} {text}", f"# TYPE {PREFIX}_{name} gauge"


def _labels(each: Watched) -> str:
    return f'name="{_quoted(each.spec.full_name)}",kind="{each.spec.kind}"'


def _up(each: Watched) -> int:
    return int(each.state.state is not State.DOWN)


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
