"""`dns://name`: what a name server answers about a name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from checker.conditions import Seen
from checker.conditions.judge import Outcome, asks_for
from checker.http import ErrorKind, Http, HttpError
from checker.looks.connection import addresses
from checker.model import Cause, MonitorSpec, Verdict
from healthkit.durations import humanize

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

PORT = 53
MAX_ANSWERS = 100


async def look(http: Http, spec: MonitorSpec, target: SplitResult) -> tuple[Seen, Outcome]:
    """Ask once; a name that is not there, or has no such record, is a failure unless a condition wants it."""
    import dns.resolver  # with the first dns endpoint

    loop = asyncio.get_running_loop()
    name, record = target.hostname or "", spec.probe.record
    start = loop.time()
    try:
        rcode, answers = "NOERROR", await _ask(await _resolver(http, spec), name, record, spec.timeout)
    except dns.resolver.NXDOMAIN:
        rcode, answers = "NXDOMAIN", ()
    except dns.resolver.NoNameservers as problem:
        rcode, answers = _refusal(problem), ()
    except dns.resolver.LifetimeTimeout:
        who = spec.probe.server or "the name servers"
        reason = f"{who} gave no answer about {name} within {humanize(spec.timeout)}"
        raise HttpError(ErrorKind.TIMEOUT, reason) from None
    except dns.exception.DNSException as problem:
        raise HttpError(ErrorKind.DNS, f"{name} cannot be asked for: {type(problem).__name__}") from None
    seen = Seen(latency=loop.time() - start, answers=answers, rcode=rcode)
    return seen, _outcome(spec, name, rcode, answers)


async def _ask(resolver: Resolver, name: str, record: str, timeout: float) -> tuple[str, ...]:
    import dns.reversename

    wanted: Any = dns.reversename.from_address(name) if record == "PTR" and _is_address(name) else name
    found = await resolver.resolve(wanted, record, lifetime=timeout, raise_on_no_answer=False, search=False)
    return tuple(_text(each) for each in list(found.rrset or ())[:MAX_ANSWERS])


async def _resolver(http: Http, spec: MonitorSpec) -> Resolver:
    from dns.asyncresolver import Resolver

    server = spec.probe.server
    if not server:
        return Resolver()
    place = urlsplit(f"//{server}")
    resolver = Resolver(configure=False)
    resolver.nameservers = [*await addresses(http, spec, place.hostname or "")]
    resolver.port = place.port or PORT
    return resolver


def _outcome(spec: MonitorSpec, name: str, rcode: str, answers: tuple[str, ...]) -> Outcome:
    conditions = spec.probe.all_conditions
    if rcode != "NOERROR" and not asks_for(conditions, "rcode"):
        return Verdict.FAIL, Cause.HTTP, f"the name server answered {rcode} about {name}"
    if not answers and not asks_for(conditions, "rcode") and not asks_for(conditions, "answers"):
        return Verdict.FAIL, Cause.HTTP, f"{name} has no {spec.probe.record} record"
    return Verdict.PASS, Cause.NONE, ""


def _refusal(problem: Any) -> str:
    """Return the code that the last server refused with; SERVFAIL where there is none."""
    import dns.rcode

    responses = [each[-1] for each in problem.kwargs.get("errors", ()) if each[-1] is not None]
    return dns.rcode.to_text(responses[-1].rcode()) if responses else "SERVFAIL"


def _text(record: Any) -> str:
    """Return a record without the marks of zone files: no quotes, no last dot."""
    parts = getattr(record, "strings", None)
    if parts is not None:
        return b"".join(parts).decode("utf-8", "replace")
    return str(record.to_text()).removesuffix(".")


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()
