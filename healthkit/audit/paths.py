"""Which paths and function names are those of a health route, and what kind of health they stand for."""

from __future__ import annotations

DEEP = frozenset(
    {"health", "_health", "__health__", "healthcheck", "health-check", "health_check", "healthz", "ready",
     "readyz", "readiness", "__heartbeat__"}
)  # fmt: skip
LIVE = frozenset({"live", "livez", "liveness", "alive"})
SHALLOW = LIVE | {"ping", "up", "startup", "startupz", "__lbheartbeat__"}
# What is asked of an app that does not tell its routes.
USUAL = ("/health", "/healthz", "/healthcheck", "/health/live", "/live", "/livez", "/ready", "/readyz")


def last(path: str) -> str:
    """Return a path's last segment, in lower case."""
    return path.rstrip("/").rpartition("/")[2].lower()


def is_health(path: str) -> bool:
    """Whether this is a path that is asked how the app is."""
    return "<" not in path and "{" not in path and last(path) in DEEP | SHALLOW


def is_deep(path: str) -> bool:
    """Whether an answer here is taken for proof that the app works, not only that its process runs."""
    return last(path) in DEEP


def is_live(path: str) -> bool:
    """Whether a failure here makes the platform restart the process."""
    return last(path) in LIVE
