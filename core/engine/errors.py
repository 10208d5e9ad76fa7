"""What the engine raises."""

from __future__ import annotations


class EngineError(RuntimeError):
    """The engine cannot do what was asked, or the other side sent something ill-formed."""


class JobFailed(EngineError):
    """A job failed; `details` holds the traceback or the worker's last lines."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class JobCancelled(EngineError):
    """A job was cancelled before it had a result."""
