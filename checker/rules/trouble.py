"""The noun that the rules of incidents speak of: a monitor that is not well."""

from __future__ import annotations

from dataclasses import dataclass

from checker.model import Member, MonitorSpec


@dataclass(frozen=True, slots=True)
class Trouble:
    """A monitor that is not well, or was not for a moment; `at` is the moment that counts for maintenance.

    `over`: it is well again. `calm`: it flaps, and is well just now. `known`: what it tells was told already,
    by another one with the same cause.
    """

    member: Member
    spec: MonitorSpec
    at: float
    change_id: int = 0
    known: bool = False
    over: bool = False
    calm: bool = False
