"""The part to copy: what must work for this shop to work, each in a line or two."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from examples.shop import settings
from examples.shop.models import Invoice, now
from healthkit import Fail, Health, Result
from healthkit.checks.http import ThirdPartyAPI
from healthkit.checks.rq import QueueDepth, WorkerHeartbeat
from healthkit.checks.sqlalchemy import DatabaseWrite

QUEUE = "default"


def build() -> Health:
    """Register the shop's checks."""
    health = Health("shop", version="1.4.2")
    engine, redis, limit = settings.engine(), settings.redis(), settings.queue_limit()

    health.add(DatabaseWrite(engine), tags={"ready"}, timeout=2)
    health.add(QueueDepth(QUEUE, redis, warn=limit // 2, fail=limit, max_age="5m"))
    health.add(WorkerHeartbeat(QUEUE, redis, max_silence=settings.worker_silence()))
    # The shop sells on account while the provider is down: a failing provider is a warning, not an outage.
    health.add(ThirdPartyAPI("payments", f"{settings.payments_url()}/v1/status"), critical=False, timeout=2)

    @health.check("invoices", critical=False)
    def invoices() -> Result:
        """The books are made every night: the newest must be younger than a day and a half."""
        with engine.connect() as connection:
            newest: datetime | None = connection.scalar(select(func.max(Invoice.made_at)))
        if newest is None:
            return Result()  # the first night is yet to come
        hours = (now() - newest).total_seconds() / 3600
        if hours > 36:
            raise Fail(f"the newest invoice is of {newest:%Y-%m-%d %H:%M}", value=round(hours, 1), unit="h")
        return Result(round(hours, 1), "h")

    return health
