"""What a check raises to tell its outcome, and what the library raises when it is used wrongly."""

from __future__ import annotations

from typing import Any


class Outcome(Exception):
    """Base of `Warn` and `Fail`: the text is shown to whoever may see details.

    `value` becomes the reading's observed value; keyword details become keys of their own in the document.
    """

    def __init__(
        self, reason: str = "", /, *, value: Any = None, unit: str | None = None, **details: Any
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.unit = unit
        self.details = details


class Warn(Outcome):
    """Raised by a check: it still works, and a person should look."""


class Fail(Outcome):
    """Raised by a check: it does not work."""


class HealthkitError(Exception):
    """Base of every error the library raises about its own use; says what, where, why and what next."""


class ConfigurationError(HealthkitError, ValueError):
    """An argument, name or setting cannot be meant as it was given."""


class UnknownCheckError(HealthkitError, LookupError):
    """No check of that name is registered."""


class DuplicateCheckError(ConfigurationError):
    """A check of that name is registered already."""


class WireError(HealthkitError, ValueError):
    """A document is not a health document."""
