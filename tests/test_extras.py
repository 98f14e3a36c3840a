"""What an extra promises works with what that extra brings, whatever else is installed here."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

DATABASE = """
from sqlalchemy import create_engine
from healthkit import Health
from healthkit.checks.sqlalchemy import DatabaseWrite, MigrationsCurrent, ReplicationLag, RowFreshness
health = Health("shop")
health.add(DatabaseWrite(create_engine("sqlite:///app.db")), timeout=20)
assert str(health.report().status) == "pass", health.report()
"""
REDIS = """
from redis import Redis
from healthkit.checks.redis import RedisWrite
from healthkit.checks.redis_queues import RedisList, RedisStream
RedisWrite(Redis())
"""
RQ = """
from redis import Redis
from healthkit.checks.rq import QueueCanary, QueueDepth, WorkerHeartbeat
from healthkit.workers.rq import HeartbeatWorker
QueueDepth("default", Redis())
"""
FLASK = """
from flask import Flask
from healthkit import Health
from healthkit_flask import HealthKit
app = Flask("shop")
HealthKit(app, Health("shop"))
assert app.test_client().get("/health").status_code == 200
"""
FASTAPI = """
from fastapi import FastAPI
from healthkit import Health
from healthkit_fastapi import health_router, mount_health
mount_health(FastAPI(), Health("shop"))
"""
REQUESTS = """
from healthkit.checks.http import ThirdPartyAPI
ThirdPartyAPI("stripe", "http://127.0.0.1:9/")
"""
BARE = """
from healthkit import Fail, Health, Heartbeat, Warn
from healthkit.checks.net import DNS, TCP, TLSExpiry
from healthkit.checks.outbound import OutboundCalls
from healthkit.checks.status_page import StatusPage
from healthkit.checks.system import DiskSpace
health = Health("shop")
health.add(OutboundCalls())
assert str(health.report().status) == "pass"
"""
CHECKER = """
from checker.cli import main
sys.exit(main(["check-config"]))
"""
PROMISES = {
    "": BARE,
    "flask": FLASK,
    "fastapi": FASTAPI,
    "sqlalchemy": DATABASE,
    "redis": REDIS,
    "rq": RQ,
    "requests": REQUESTS,
    "checker": CHECKER,
}
ONLY = """
import sys, types
class Only:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Only)
"""


def brought(extra: str) -> set[str]:
    """Return the distributions that come with an extra, as their own requirements have it."""
    found: set[str] = set()
    waiting = [("healthkit-monitor", frozenset({extra}))]
    while waiting:
        name, extras = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            wanted = requirement.marker
            if wanted is None or any(wanted.evaluate({"extra": each}) for each in (*extras, "")):
                waiting.append((requirement.name.lower().replace("_", "-"), frozenset(requirement.extras)))
    return found


def hidden(extra: str) -> list[str]:
    """Return the installed top-level modules that an extra does not bring."""
    here = brought(extra)
    modules = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, distributions in modules.items()
        if not any(each.lower().replace("_", "-") in here for each in distributions)
        and module.isidentifier()
        and module not in sys.stdlib_module_names
    )


@pytest.mark.parametrize("extra", PROMISES, ids=lambda extra: extra or "none")
def test_an_extra_brings_all_that_its_part_needs(extra: str, tmp_path: Path) -> None:
    (tmp_path / "checker.toml").write_text(
        '[server]\nping_key = "0123456789abcdef"\n[[heartbeat]]\nname = "nightly"\nschedule = "0 2 * * *"\n'
    )
    code = f"HIDDEN = frozenset({json.dumps(hidden(extra))})" + ONLY + PROMISES[extra]
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n" + code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
