"""What force fields raise."""

from __future__ import annotations


class ForceFieldError(ValueError):
    """A force field cannot do what was asked; the message says why and what to do."""
