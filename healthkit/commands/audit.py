"""Find what could break unseen: routes that prove nothing, databases, queues, workers, jobs and third parties
that nobody looks at.

It imports and builds the app in a process of its own and asks its health routes, as any poller does; no
request leaves that process meanwhile. Exit code: 0 nothing found, 1 something found, 2 bad usage or no such
app.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from healthkit import durations
from healthkit.audit import shown
from healthkit.audit.rules.table import RULES
from healthkit.audit.run import TIMEOUT, audit, chosen


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["rules:", *(f"  {rule.code}  {rule.summary}" for rule in RULES)])
    parser.add_argument(
        "target", metavar="MODULE:APP", help="the app, or a factory of it, such as shop.web:app"
    )
    parser.add_argument("--project", type=Path, metavar="DIR", help="read the files of this folder instead")
    parser.add_argument("--select", default="", metavar="CODES", help="tell of these alone, as HK001,HK004")
    parser.add_argument("--ignore", default="", metavar="CODES", help="do not tell of these")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="default: text")
    parser.add_argument("--json", action="store_const", dest="format", const="json", help="as --format json")
    parser.add_argument(
        "--timeout", default=TIMEOUT, metavar="TIME", help="for the app to be built (default 60s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 0 when there are none, 1 otherwise."""
    found = audit(
        arguments.target,
        folder=arguments.project,
        timeout=durations.seconds(arguments.timeout, what="--timeout"),
    )
    findings = chosen(found, _codes(arguments.select), _codes(arguments.ignore))
    text = {
        "text": lambda: shown.as_text(arguments.target, findings),
        "json": lambda: shown.as_json(arguments.target, findings),
        "github": lambda: shown.as_github(findings),
    }[arguments.format]()
    if text:
        print(text)
    return 1 if findings else 0


def _codes(text: str) -> frozenset[str]:
    return frozenset(code.strip().upper() for code in text.split(",") if code.strip())
