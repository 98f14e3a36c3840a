"""Where does a ping's CPU time go inside the checker? Each part by itself, without HTTP and without a store.

`python -m bench.ping_parts [--quick]`. The least of seven rounds of each, so that other work on the machine
blurs it little. What is around these parts is measured by `bench.http_servers` and `bench.ingest`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from checker.model import Kind, MonitorSpec, Ping, PingKind
from checker.schedule import Every
from checker.state import advance, initial
from checker.store import door
from checker.store.codec import state_of, state_to
from checker.web.ping import ping_of
from checker.web.ping_path import Target, parse_ping

NOW = 1_800_000_000.0
SPEC = MonitorSpec(Kind.HEARTBEAT, "job", slug="job", schedule=Every(3600.0))
PATH = "/ping/a0b1c2d3e4f5/nightly-invoices"
RID = b"rid=00000000-0000-4000-8000-000000000001"
SCOPE = {
    "type": "http",
    "path": PATH,
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"user-agent", b"curl/8.11.0"), (b"accept", b"*/*")],
    "method": "GET",
    "scheme": "http",
    "client": ("127.0.0.1", 40_000),
}


def parts() -> dict[str, Callable[[], object]]:
    """Return the parts by what they are called, each ready to be run again and again."""
    state = initial(SPEC, NOW)
    for number in range(5):
        state, _ = advance(SPEC, state, Ping(PingKind.SUCCESS, NOW + number), NOW + number)
    success, start = Ping(PingKind.SUCCESS, NOW + 9), Ping(PingKind.START, NOW + 9, rid="r")
    target = parse_ping(PATH, b"")
    assert isinstance(target, Target)
    data = state_to(state)
    return {
        "address, seen before": lambda: parse_ping(PATH, b""),
        "address with a run's id": lambda: parse_ping(PATH, RID),
        "what the request says": lambda: ping_of(target, b"", SCOPE, NOW),
        "state out of its row": lambda: state_of("up", NOW, NOW, data),
        "judging a success": lambda: advance(SPEC, state, success, NOW + 9),
        "judging a start": lambda: advance(SPEC, state, start, NOW + 9),
        "state into its row": lambda: state_to(state),
        "row of the history": lambda: door.ping_row(1, 6, success, NOW, None),
    }


def cost(part: Callable[[], object], count: int) -> float:
    """Return the CPU seconds of one call, the least of seven rounds."""
    rounds = []
    for _ in range(7):
        begun = time.process_time()
        for _ in range(count):
            part()
        rounds.append((time.process_time() - begun) / count)
    return min(rounds)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ping_parts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer calls of each")
    count = 500 if parser.parse_args(arguments).quick else 5_000
    print("| part of a ping | CPU us |", "|---|---|", sep="\n")
    for name, part in parts().items():
        print(f"| {name} | {cost(part, count) * 1e6:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
