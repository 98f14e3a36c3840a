"""A connection that does not wait for ever: a server that says nothing is told from one that takes long.

The server itself ends what takes too long (`statement_timeout`). One that says nothing even after that is
frozen, or waits for a standby that is gone; a frozen process's kernel goes on to confirm what it is sent, so
no timeout of TCP would ever end it. Imported only where PostgreSQL is used.
"""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

T = TypeVar("T")

SILENCE = 9.0  # seconds without an answer: more than the server gives any statement
LONGEST = 3_600.0  # seconds that a migration's statement may take


class Impatient(psycopg.Connection[Any]):
    """Closes itself where the server has not answered for `patience` seconds."""

    patience = SILENCE

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for what the server answers."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.closed or self.info.transaction_status is not TransactionStatus.ACTIVE:
                raise  # the server's own word
            self.close()
            raise psycopg.OperationalError(f"timeout: silent for {self.patience:g} s") from error
