"""The monitors in memory: what the hot paths look up, loaded from the store and kept in step with it."""

from checker.registry.index import unique_key
from checker.registry.registry import Registry

__all__ = ["Registry", "unique_key"]
