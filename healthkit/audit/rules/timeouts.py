"""Checks that take longer than whoever asks will wait."""

from __future__ import annotations

from collections.abc import Iterator

from healthkit.audit.model import Scene, Spot
from healthkit.durations import humanize

USUAL = 10.0  # seconds: the checker's own default, and that of most pollers


def too_long(scene: Scene) -> Iterator[Spot]:
    """Find checks whose timeout is no shorter than a poller's."""
    for check in scene.facts.checks:
        source = scene.project.source_at(check.file)
        if source is not None and check.timeout >= USUAL:
            yield Spot(
                source.path,
                check.line,
                f"the check {check.key} may take {humanize(check.timeout)}, and a poller waits "
                f"{humanize(USUAL)}: it gives up before the reason is there.",
                "timeout=5",
            )
