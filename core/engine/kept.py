"""What one job may leave in the worker's memory for the next, so that it is not computed again."""

from __future__ import annotations

from typing import Any

from core.engine.system import free_memory

LIMIT = 3e9  #: bytes of what a worker keeps
SPARE = 2.0  #: it is dropped where less than so many times its size is free


class Kept:
    """One thing under one key. It belongs to the cache once it is put: nobody may change it."""

    def __init__(self, limit: float = 0.0) -> None:
        """limit: bytes; 0 keeps nothing."""
        self.limit, self.size = limit, 0.0
        self._key, self._value = "", None

    def get(self, key: str) -> Any:
        """What was put under this key, or None."""
        return self._value if self._value is not None and self._key == key else None

    def put(self, key: str, value: Any, size: float) -> bool:
        """Keep a value of `size` bytes instead of what was there; False where it has no room."""
        self.drop()
        if not self.has_room(size):
            return False
        self._key, self._value, self.size = key, value, size
        return True

    def has_room(self, size: float, *, more: float = 0.0) -> bool:
        """Whether a value of `size` bytes, `more` of which are still to be made, may be kept."""
        return size <= self.limit and SPARE * size + more <= free_memory()

    def drop(self) -> None:
        """Forget it."""
        self._key, self._value, self.size = "", None, 0.0

    def only(self, prefix: str) -> None:
        """Forget what another kind of work left, which has no key with this beginning."""
        if not self._key.startswith(prefix):
            self.drop()

    def trim(self) -> None:
        """Forget it where memory has become scarce."""
        if self.size and free_memory() < SPARE * self.size:
            self.drop()
