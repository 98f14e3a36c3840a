"""healthkit: real checks inside the app, told in a rich `/health`, and heartbeats for what has no URL.

Importing this needs the standard library only; each name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # type checkers take it for True; the typing module itself would cost most of the import
)
if TYPE_CHECKING:
    from typing import Any

    from healthkit.errors import ConfigurationError as ConfigurationError
    from healthkit.errors import DuplicateCheckError as DuplicateCheckError
    from healthkit.errors import Fail as Fail
    from healthkit.errors import HealthkitError as HealthkitError
    from healthkit.errors import UnknownCheckError as UnknownCheckError
    from healthkit.errors import Warn as Warn
    from healthkit.errors import WireError as WireError
    from healthkit.health import Health as Health
    from healthkit.heartbeat import Heartbeat as Heartbeat
    from healthkit.model import Check as Check
    from healthkit.model import Probe as Probe
    from healthkit.model import Reading as Reading
    from healthkit.model import Report as Report
    from healthkit.model import Result as Result
    from healthkit.status import Status as Status

_HOMES = {
    "ConfigurationError": "errors",
    "DuplicateCheckError": "errors",
    "Fail": "errors",
    "HealthkitError": "errors",
    "UnknownCheckError": "errors",
    "Warn": "errors",
    "WireError": "errors",
    "Health": "health",
    "Heartbeat": "heartbeat",
    "Check": "model",
    "Probe": "model",
    "Reading": "model",
    "Report": "model",
    "Result": "model",
    "Status": "status",
}
_MODULES = frozenset({"asgi", "wsgi", "checks", "workers"})

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name, or one of the modules that `import healthkit` alone gives access to (PEP 562)."""
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"healthkit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'healthkit' has no attribute {name!r}")
    value = getattr(import_module(f"healthkit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
