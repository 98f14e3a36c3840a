"""Turns waiting changes into incidents and notifications owed: in one transaction, by one node at a time."""

from checker.assembler.assembler import Assembled, Assembler
from checker.assembler.telling import Manner

__all__ = ["Assembled", "Assembler", "Manner"]
