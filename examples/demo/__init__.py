"""`make demo`: the shop, its worker, its cron job, a real Redis and the checker, to break and to heal."""
