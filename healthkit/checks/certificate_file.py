"""`CertificateFile`: the certificates in a PEM file hold for long enough."""

from __future__ import annotations

import binascii
import os
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from healthkit.checks.certificates import NoCertificateError, Validity, judge, notice, validity
from healthkit.durations import Duration
from healthkit.errors import Fail
from healthkit.model import Result

MAX_SIZE = 10_000_000  # bytes; a bundle of all authorities has 0.3 MB

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CertificateFile:
    """Days until the first of the certificates in a PEM file expires; the server may still use an older one.

    `warn` and `fail` are how long before that. `TLSExpiry` sees what a server really shows.
    """

    measurement = "expiry"
    component_type = "system"
    fresh_for = 60.0

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        warn: Duration = "21d",
        fail: Duration = "7d",
        name: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self.name = name or f"certificate-{re.sub(r'[^A-Za-z0-9_.]+', '-', self.path.name).strip('-')}"[:100]
        self._notice = notice(warn, fail, f"check {self.name!r}")
        self._clock = clock

    def __call__(self) -> Result:
        """Raises `Fail` when the file cannot be read or holds no certificate."""
        found = self._certificates()
        first = min(found, key=lambda one: one.ends)
        details = {"path": str(self.path), "certificates": len(found)}
        return judge(first, self._notice, self._clock(), details)

    def _certificates(self) -> list[Validity]:
        try:
            with self.path.open("rb") as file:
                text = file.read(MAX_SIZE).decode("ascii", "replace")
            found = [validity(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(text)]
        except OSError as error:
            raise Fail(f"{self.path}: {error.strerror}") from None
        except (NoCertificateError, binascii.Error, ValueError):
            raise Fail(f"{self.path}: holds a certificate that cannot be read") from None
        if not found:
            raise Fail(f"{self.path}: holds no certificate in PEM form")
        return found
