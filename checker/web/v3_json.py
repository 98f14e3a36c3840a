"""Checks, pings and flips in the words of Healthchecks' management API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from checker.model import Change, MonitorSpec, MonitorState, PingRules, State
from checker.registry import unique_key
from checker.schedule import Every
from checker.store.views import PingView, Watched
from checker.web.v3_spec import shown_name

_STATUSES = {State.WARN: "down"}  # a heartbeat is never degraded; whoever reads an unknown word would stumble
_FORMATS = ("svg", "json", "shields")


def channel_id(name: str) -> str:
    """Return the id of a channel: a uuid that stays as long as its name does."""
    return str(uuid5(NAMESPACE_URL, f"healthkit:channel:{name}"))


def channels_json(channels: Mapping[str, str]) -> dict[str, Any]:
    """Return the configured channels, name to kind."""
    return {
        "channels": [{"id": channel_id(name), "name": name, "kind": kind} for name, kind in channels.items()]
    }


def check_json(
    watched: Watched, *, root: str, version: int, readonly: bool, channels: Iterable[str]
) -> dict[str, Any]:
    """Return a check; `root` is the checker's address, `channels` are the names of all that are configured.

    A read-only caller gets a `unique_key` in place of all that tells the ping URL.
    """
    spec, state = watched.spec, watched.state
    document = _common(spec, state, version) | _rules(spec.rules or PingRules())
    document["badge_url"] = f"{root}/badge/{quote(spec.name, safe='')}.svg"
    if state.last_duration:
        document["last_duration"] = int(state.last_duration)
    if readonly:
        document["unique_key"] = unique_key(spec.token)
    else:
        document |= _addresses(spec, root, version)
        told = [name for name in channels if spec.channels is None or name in spec.channels]
        document["channels"] = ",".join(sorted(channel_id(name) for name in told))
    if isinstance(spec.schedule, Every):
        document["timeout"] = int(spec.schedule.seconds)
    elif spec.schedule is not None:
        document |= {"schedule": spec.schedule.expression, "tz": spec.schedule.timezone}
    return document


def ping_json(view: PingView, token: str, *, root: str, version: int) -> dict[str, Any]:
    """Return a ping."""
    body = f"{root}/api/v{version}/checks/{token}/pings/{view.n}/body" if view.size else None
    document = {
        "type": view.kind,
        "date": datetime.fromtimestamp(view.at, UTC).isoformat(),
        "n": view.n,
        "scheme": view.scheme,
        "remote_addr": view.remote,
        "method": view.method,
        "ua": view.user_agent,
        "rid": view.rid,
        "body_url": body,
    }
    if view.exit_code is not None:
        document["exitstatus"] = view.exit_code
    if view.duration is not None:
        document["duration"] = round(view.duration, 2)
    return document


def flip_json(change: Change) -> dict[str, Any]:
    """Return a change of status."""
    return {"timestamp": _moment(change.at), "up": int(change.new in (State.UP, State.GRACE))}


def is_flip(change: Change) -> bool:
    """Tell whether a change is one of Healthchecks' flips: being late is not."""
    return change.new is not State.GRACE and not (change.old is State.GRACE and change.new is State.UP)


def badges_json(tags: Iterable[str], root: str) -> dict[str, Any]:
    """Return where the badges of all checks (`*`) and of each tag are."""
    return {"badges": {tag: _badges(tag, root) for tag in ("*", *sorted(set(tags) - {"*"}))}}


def _badges(tag: str, root: str) -> dict[str, str]:
    place = "" if tag == "*" else f"/{quote(tag, safe='')}"
    found = {}
    for each in _FORMATS:
        found[each] = f"{root}/badges/2{place}.{each}"
        found[f"{each}3"] = f"{root}/badges/3{place}.{each}"
    return found


def _common(spec: MonitorSpec, state: MonitorState, version: int) -> dict[str, Any]:
    status = _STATUSES.get(state.state, state.state.value)
    if version == 1 and state.started and state.state is not State.DOWN:
        status = "started"
    return {
        "name": shown_name(spec),
        "slug": spec.slug,
        "tags": " ".join(spec.tags),
        "desc": spec.description,
        "grace": int(spec.grace),
        "n_pings": state.pings,
        "status": status,
        "started": state.started,
        "last_ping": _moment(_last_ping(state)),
        "next_ping": _moment(_next_ping(state)),
        "manual_resume": spec.manual_resume,
    }


def _rules(rules: PingRules) -> dict[str, Any]:
    return {
        "methods": rules.methods,
        "subject": rules.success_kw if rules.filter_subject else "",
        "subject_fail": rules.failure_kw if rules.filter_subject else "",
        "start_kw": rules.start_kw,
        "success_kw": rules.success_kw,
        "failure_kw": rules.failure_kw,
        "filter_subject": rules.filter_subject,
        "filter_body": rules.filter_body,
        "filter_http_body": rules.filter_http_body,
        "filter_default_fail": rules.filter_default_fail,
    }


def _addresses(spec: MonitorSpec, root: str, version: int) -> dict[str, Any]:
    update = f"{root}/api/v{version}/checks/{spec.token}"
    return {
        "uuid": spec.token,
        "ping_url": f"{root}/ping/{spec.token}",
        "update_url": update,
        "pause_url": f"{update}/pause",
        "resume_url": f"{update}/resume",
    }


def _last_ping(state: MonitorState) -> float | None:
    """Return when the job last said how it went; a resumed one begins anew."""
    if state.state is State.NEW:
        return None
    return max((at for at in (state.last_good, state.last_failure) if at is not None), default=None)


def _next_ping(state: MonitorState) -> float | None:
    """Return when a sign is due: of a running job, when it began, as in Healthchecks."""
    due = [state.due_at] if state.state in (State.UP, State.GRACE) and state.due_at is not None else []
    if state.started and state.state is not State.DOWN and state.last_start is not None:
        due.append(state.last_start)
    return min(due, default=None)


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(int(at), UTC).isoformat()
