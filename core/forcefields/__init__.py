"""One file per force field; `discover` finds them.

Importing this package imports no torch: the window reads the catalogue that a worker sends.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.forcefields.base import ForceField
    from core.forcefields.info import Info


@functools.cache
def discover() -> dict[str, type[ForceField]]:
    """key -> class, for every module of this package that defines FIELD."""
    found: dict[str, type[ForceField]] = {}
    for module in pkgutil.iter_modules(__path__):
        field = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FIELD", None)
        if field is not None:
            found[field.INFO.key] = field
    return found


def absent() -> dict[str, str]:
    """key -> what is missing, for force fields whose program is not installed."""
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(importlib.import_module(f"{__name__}.{module.name}"), "ABSENT", {})
    return found


def catalog() -> tuple[Info, ...]:
    """What can be chosen, with the parameters of each, as data."""
    import dataclasses

    return tuple(
        dataclasses.replace(f.INFO, parameters=f.parameters()) for f in discover().values()
    )
