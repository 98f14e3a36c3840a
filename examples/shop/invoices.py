"""The nightly job: `python -m examples.shop.invoices`, run by cron inside `healthkit exec`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sqlalchemy.orm import Session

from examples.shop import models, settings


def main() -> None:
    """Make the invoice, one run at a time: a second one waits for the lock, as long as it takes."""
    with Path(os.environ.get("SHOP_INVOICE_LOCK", "invoices.lock")).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Session(settings.engine()) as session, session.begin():
            invoice = models.make_invoice(session)
            print(f"{invoice.orders} orders, {invoice.total} in all", flush=True)


if __name__ == "__main__":
    main()
