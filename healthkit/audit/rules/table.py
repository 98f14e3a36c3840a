"""Every rule under its code: the one place where they are registered."""

from __future__ import annotations

from healthkit.audit.model import Rule
from healthkit.audit.rules import (
    databases,
    failures,
    last_seen,
    liveness,
    loops,
    queues,
    routes,
    schedules,
    third_parties,
    timeouts,
    workers,
)

IGNORES = "HK000"  # about the comments that silence the others; see `healthkit.audit.ignores`

RULES = (
    Rule("HK001", "a health route answers 200 without touching the database", routes.without_database),
    Rule("HK002", "a database without a write probe", databases.without_write),
    Rule("HK003", "a queue whose depth nobody looks at", queues.without_depth),
    Rule("HK004", "a worker without a heartbeat", workers.without_heartbeat),
    Rule("HK005", "a scheduled job without a heartbeat", schedules.without_heartbeat),
    Rule("HK006", "a third party without a check", third_parties.without_check),
    Rule("HK007", "a health function that turns failure into success", failures.swallowed),
    Rule("HK008", "a health function that is hard-coded", routes.always_the_same),
    Rule("HK009", "liveness that depends on something outside the process", liveness.depends),
    Rule("HK010", "a last sign of life that is shown and never tested", last_seen.never_tested),
    Rule("HK011", "a loop that its monitor can stop", loops.unguarded),
    Rule("HK012", "a check slower than whoever asks", timeouts.too_long),
    Rule("HK013", "an app without a health route", routes.no_route),
)
CODES = frozenset({IGNORES, *(rule.code for rule in RULES)})
