"""What an endpoint's answer means: status code and document, judged together. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from checker import documents
from checker.conditions import Seen
from checker.conditions.judge import Outcome, asks_for, judged
from checker.http import ErrorKind, HttpError, Response
from checker.model import Cause, Origin, Poll, Verdict
from checker.probe_spec import USUAL, ProbeSpec
from checker.proof import doubts, stale
from healthkit.bounds import clean
from healthkit.errors import WireError
from healthkit.status import Status
from healthkit.wire import STATUSES, Component, Document, has_too_many_parts, parse

MAX_REASON = 500
MAX_NAMED = 3  # components named in the endpoint's own reason; each has a monitor of its own besides

VERDICTS = {Status.PASS: Verdict.PASS, Status.WARN: Verdict.WARN, Status.FAIL: Verdict.FAIL}
_CAUSES = {Verdict.PASS: Cause.NONE, Verdict.WARN: Cause.DEGRADED, Verdict.FAIL: Cause.FAILING}
_WITHOUT_BODY = (204, 304)
# Something did answer; every other error means that nothing did.
_ANSWERED = {
    ErrorKind.TOO_LARGE: Cause.DOCUMENT,
    ErrorKind.PROTOCOL: Cause.DOCUMENT,
    ErrorKind.TOO_MANY_REDIRECTS: Cause.HTTP,
}


def no_answer(error: HttpError, at: float) -> Poll:
    """Return the poll of an endpoint that gave no answer."""
    cause = _ANSWERED.get(error.kind, Cause.UNREACHABLE)
    return Poll(Verdict.FAIL, at, cause, clean(error.reason, MAX_REASON))


def read(response: Response, at: float, probe: ProbeSpec = USUAL, *, nonce: str | None = None) -> Poll:
    """Return what an answer says: the worst of status code, document and conditions, and its components.

    With a `nonce` that was sent along, a document that does not give it back is unproven: a cache or a stub
    may have answered.
    """
    details: dict[str, Any] = {}
    if response.certificate_expires is not None:
        details["certificate_expires"] = response.certificate_expires
    document, trouble, note = _document(response) if probe.document else (None, "", "")
    if note:
        details["note"] = note
    fine = is_fine(response.status) or asks_for(probe.all_conditions, "status")
    components: Components = ()
    origin = None
    if document is None:
        outcome = _by_status_code(response.status, trouble, fine=fine)
    else:
        details.update(_about(document))
        components = _components(document, at, probe)
        origin = _origin(document)
        outcome = _judge(response.status, document, components, fine=fine)
        outcome = _with_doubts(outcome, document, doubts(document, probe, at, nonce))
    if probe.conditions or probe.warn_conditions:
        outcome = judged(probe, _seen(response, at, components), outcome)
    return _poll(response, at, outcome, details, components, origin)


Components = tuple[tuple[str, Poll], ...]


def _about(document: Document) -> dict[str, Any]:
    """Return what is worth keeping of a document itself."""
    found = {
        "version": document.version,
        "problems": list(document.problems),
        "instance": document.instance,
        "dialect": document.dialect,
    }
    return {name: value for name, value in found.items() if value}


def _origin(document: Document) -> Origin:
    unsaid = tuple(each.key for each in document.components if each.status not in VERDICTS)
    return Origin(
        document.instance or "", document.sequence, document.time, unsaid, is_whole=not document.problems
    )


def _seen(response: Response, at: float, components: Components) -> Seen:
    ends = response.certificate_expires
    return Seen(
        status=response.status,
        latency=response.latency,
        body=response.body,
        headers=response.headers,
        certificate=None if ends is None else ends - at,
        components={name: (part.value, str(part.verdict), part.reason) for name, part in components},
    )


def _poll(
    response: Response,
    at: float,
    outcome: Outcome,
    details: dict[str, Any],
    components: Components,
    origin: Origin | None,
) -> Poll:
    verdict, cause, reason = outcome
    return Poll(
        verdict,
        at,
        cause,
        clean(reason, MAX_REASON),
        http_status=response.status,
        latency=response.latency,
        details=details,
        components=components,
        origin=origin,
    )


def _document(response: Response) -> tuple[Document | None, str, str]:
    """Return (document, trouble, note): trouble when a document was promised and cannot be read.

    A page, or JSON that is something else, is no trouble: then the status code alone counts.
    """
    if not _looks_like_json(response):
        return documents.word(response.body), "", ""
    if response.unread:
        return None, response.unread, ""
    if response.truncated:
        return None, f"the document is larger than {len(response.body):,} bytes, and was not read", ""
    try:
        document = parse(response.body)
        return document if document.components else documents.recognise(response.body) or document, "", ""
    except WireError as error:
        if other := documents.recognise(response.body):
            return other, "", ""
        if response.content_type != "application/health+json" and _is_other_json(response.body):
            return None, "", f"not a health document, so the status code alone counts: {error}"
        return None, str(error), ""


def _looks_like_json(response: Response) -> bool:
    if response.status in _WITHOUT_BODY:
        return False
    media_type = response.content_type
    if media_type == "application/json" or media_type.endswith("+json"):
        return True
    return response.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _is_other_json(body: bytes) -> bool:
    if has_too_many_parts(body):
        return b'"checks"' not in body  # to look into it would keep every other endpoint waiting
    try:
        root = json.loads(body)
    except (ValueError, RecursionError):
        return False
    status = root.get("status") if isinstance(root, dict) else None
    return not (isinstance(status, str) and status.strip().lower() in STATUSES)


def _by_status_code(status: int, trouble: str, *, fine: bool) -> Outcome:
    if not fine:
        return Verdict.FAIL, Cause.HTTP, f"answered {status}" + (f"; {trouble}" if trouble else "")
    if trouble:
        return Verdict.WARN, Cause.DOCUMENT, f"answered {status}, but {trouble}"
    return Verdict.PASS, Cause.NONE, ""


def is_fine(status: int) -> bool:
    """Tell whether a status code says that all is well: 2xx and 3xx (draft-inadarei, section 3)."""
    return 200 <= status < 400


def _judge(status: int, document: Document, components: Components, *, fine: bool) -> Outcome:
    verdict = VERDICTS.get(document.status, Verdict.PASS)
    if fine and verdict is Verdict.PASS:
        return verdict, Cause.NONE, ""
    says = f"answered {status}, yet its document says {document.status}"
    why = _why(verdict, document, components)
    if fine:
        if verdict is Verdict.FAIL:
            return verdict, Cause.FAILING, f"{says}: {why}" if is_fine(status) else why
        return verdict, _CAUSES[verdict], why
    if verdict is Verdict.FAIL:
        return verdict, Cause.FAILING, why
    return Verdict.FAIL, Cause.DOCUMENT, says + (f": {why}" if why else "")


def _why(verdict: Verdict, document: Document, components: Components) -> str:
    """Name the components that explain a verdict, the first few of them."""
    if verdict is Verdict.PASS:
        return ""
    worst = [(key, poll) for key, poll in components if poll.verdict is verdict]
    named = [f"{key}: {poll.reason}" if poll.reason else key for key, poll in worst[:MAX_NAMED]]
    if len(worst) > MAX_NAMED:
        named.append(f"and {len(worst) - MAX_NAMED:,} more")
    if named:
        return "; ".join(named)
    return document.output or f"it says {document.status}, and not why"


def _with_doubts(outcome: Outcome, document: Document, doubted: tuple[list[str], bool]) -> Outcome:
    """Turn a pass into a warning when the document was not wholly understood, or is not proven fresh.

    One that is too old by far fails: it tells nothing of now.
    """
    unproven, is_beyond = doubted
    told = [*unproven, *document.problems[:MAX_NAMED]]
    if not told:
        return outcome
    verdict, cause, reason = outcome
    said = "; ".join(part for part in (reason, *told) if part)
    if is_beyond and verdict is not Verdict.FAIL:
        return Verdict.FAIL, Cause.DOCUMENT, said
    return (Verdict.WARN, Cause.DOCUMENT, said) if verdict is Verdict.PASS else (verdict, cause, said)


def _components(document: Document, at: float, probe: ProbeSpec) -> Components:
    known = [component for component in document.components if component.status in VERDICTS]
    names = _names(known)
    found = zip(names, known, strict=True)
    if not probe.components:
        return tuple((name, _component(component, at, probe)) for name, component in found)
    ignored = probe.ignored
    return tuple((name, _component(each, at, probe)) for name, each in found if not ignored(name))


def _component(component: Component, at: float, probe: ProbeSpec) -> Poll:
    verdict = VERDICTS[component.status]
    reason = ""
    if verdict is not Verdict.PASS:
        reason = clean(component.output, MAX_REASON)
    elif probe.stale_after is not None and (old := stale(component, probe, at)):
        return Poll(Verdict.WARN, at, Cause.DOCUMENT, old, value=component.value, unit=component.unit)
    return Poll(
        verdict,
        at,
        _CAUSES[verdict],
        reason,
        value=component.value,
        unit=component.unit,
        details=component.details,
    )


def _names(components: Sequence[Component]) -> list[str]:
    """Return a name for each: its key, with `#` and the component's id where a key has several entries.

    The first of several keeps the bare key when it has no id: it is of the whole.
    """
    if len({component.key for component in components}) == len(components):
        return [component.key for component in components]
    entries = Counter(component.key for component in components)
    taken: set[str] = set()
    begun: set[str] = set()
    names = []
    for place, component in enumerate(components, 1):
        name = component.key
        is_whole = component.component_id is None and component.key not in begun
        begun.add(component.key)
        if entries[component.key] > 1 and not is_whole:
            name = f"{component.key}#{component.component_id or place}"
        while name in taken:
            name = f"{name}#{place}"
        taken.add(name)
        names.append(name)
    return names
