"""Who shares a cause by what it stands on: twelve apps that report one database down are one incident. Pure.

A component carries the `identity` of the thing that its check uses. Where components of several endpoints
with the same identity are not well, they belong together: in the open incident that one of them is in, or in
a new one named by the identity. What else is not well at such an endpoint goes along, unless the endpoint has
an incident already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from checker.model import Incident, Member, MonitorSpec
from checker.rules.causes import group_of
from checker.rules.trouble import Trouble

Placed = tuple[str, Trouble]


def placed(
    fresh: Sequence[Trouble],
    incidents: Mapping[str, Incident],
    known: Mapping[str, str],
    waiting: Collection[str],
) -> Iterator[Placed]:
    """Yield trouble that is in no incident yet, with the group whose incident it belongs to.

    `known`: the identities that an open incident is about already, with its group. `waiting`: endpoints that
    are left for a later call.
    """
    targets = {**known, **_meeting(fresh, known)}
    moves = {
        group_of(each.spec): targets[each.spec.identity] for each in fresh if each.spec.identity in targets
    }
    for trouble in fresh:
        base = group_of(trouble.spec)
        if base in waiting:
            continue
        group = base if base in incidents else moves.get(base, base)
        group = targets.get(trouble.spec.identity, group)
        joins = group != base and group in incidents
        yield group, replace(trouble, known=True) if joins else trouble


def shared_identity(found: Sequence[tuple[MonitorSpec, Member]]) -> str:
    """Return the identity that members of several endpoints have in common; empty where there is none."""
    groups: dict[str, set[str]] = defaultdict(set)
    for spec, _ in found:
        if spec.identity:
            groups[spec.identity].add(group_of(spec))
    most = max(groups, key=lambda each: len(groups[each]), default="")
    return most if most and len(groups[most]) > 1 else ""


def _meeting(fresh: Sequence[Trouble], known: Mapping[str, str]) -> dict[str, str]:
    """Return the identities that several endpoints report now, each with itself as the group."""
    bases: dict[str, set[str]] = defaultdict(set)
    for each in fresh:
        if each.spec.identity and each.spec.identity not in known:
            bases[each.spec.identity].add(group_of(each.spec))
    return {identity: identity for identity, found in bases.items() if len(found) > 1}
