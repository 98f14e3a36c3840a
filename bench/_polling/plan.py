"""What is measured, and what came of it: plain data that goes from process to process as JSON."""

from __future__ import annotations

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement. Times in seconds; `hanging` of the endpoints never answer."""

    port: int
    endpoints: int
    seconds: float
    every: float = 1.0
    path: str = "doc"
    hanging: int = 0
    timeout: float = 10.0

    @property
    def answering(self) -> int:
        """How many endpoints answer."""
        return self.endpoints - self.hanging


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it. `rows` of history that are durable, `expected` polls by the plan; drift in seconds.

    `writer` are the CPU seconds of the thread that writes to the store, of those of the whole process.
    """

    polls: int
    expected: float
    rows: int
    cpu: float
    drift_p50: float
    drift_p99: float
    peak_mb: float
    writer: float = 0.0

    @property
    def per_thousand(self) -> float:
        """CPU seconds a thousand polls."""
        return self.cpu / self.polls * 1000

    @property
    def writer_per_thousand(self) -> float:
        """CPU seconds of the writing thread, a thousand polls."""
        return self.writer / self.polls * 1000


def urls(plan: Plan) -> list[str]:
    """Return the endpoints' URLs, each on a host of its own; those that hang lie among the others."""
    spread = plan.endpoints // plan.hanging if plan.hanging else 0
    return [
        f"http://127.1.{n // 250}.{n % 250 + 1}:{plan.port}/{_kind(plan, n, spread)}/{n}"
        for n in range(plan.endpoints)
    ]


def percentile(ordered: list[float], share: int) -> float:
    """Return what `share` percent of the sorted values do not exceed; NaN where there are none."""
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else float("nan")


def files() -> None:
    """Allow as many open files as the system does: a connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def peak_mb() -> float:
    """Return the most memory this process ever had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _kind(plan: Plan, n: int, spread: int) -> str:
    return "hang" if spread and n % spread == 0 else plan.path
