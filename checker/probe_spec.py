"""What an endpoint is asked beyond its URL, and what is expected of what it answers. Frozen nouns."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

FORGET_AFTER = 86_400.0  # seconds
STALE_AFTER = 300.0  # seconds; of documents that tell when they were made


@dataclass(frozen=True, slots=True)
class ComponentRule:
    """What an endpoint says of those of its components whose names match `pattern`; None: as the endpoint."""

    pattern: str
    fail_after: int | None = None
    recover_after: int | None = None
    fail_when: tuple[int, int] | None = None
    severity: str | None = None
    channels: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    description: str | None = None
    ignore: bool = False  # never watched


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """How an endpoint is looked at, where that is not the usual way. Durations in seconds.

    The scheme of the URL tells the kind of look: http and https, `tcp://host:port`, `tls://host:port`,
    `dns://name`. `body` is sent: in an HTTP request, or after a TCP connect.
    """

    method: str = "GET"
    body: str = field(default="", repr=False)  # may hold a secret
    follow_redirects: bool = True
    document: bool = True  # whether a health document in the answer is read
    conditions: tuple[str, ...] = ()  # each must hold, or the endpoint fails
    warn_conditions: tuple[str, ...] = ()  # each must hold, or it warns
    allow_private: bool = True
    prove: bool = False  # whether a nonce is sent, which the document must give back
    stale_after: float | None = None  # None: `STALE_AFTER` for a document as a whole, never for a component
    forget_after: float = FORGET_AFTER  # how long a component is shown as gone
    record: str = "A"  # dns: what is asked for
    server: str = ""  # dns: who is asked; "" for those of the system
    components: tuple[ComponentRule, ...] = ()

    def ignored(self, component: str) -> bool:
        """Tell whether a component is not to be watched; the last rule that matches counts."""
        return any(each.ignore for each in self.rules_for(component)[-1:])

    def rules_for(self, component: str) -> list[ComponentRule]:
        """Return the rules whose pattern matches, in the order they were written: the later one counts."""
        return [each for each in self.components if fnmatchcase(component, each.pattern)]

    @property
    def all_conditions(self) -> tuple[str, ...]:
        """Those of both kinds."""
        return (*self.conditions, *self.warn_conditions)


USUAL = ProbeSpec()
