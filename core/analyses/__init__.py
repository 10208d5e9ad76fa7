"""One file per question: a `@wire` Spec (SPEC), a `@wire` Result and run(spec, context).

Nothing here imports torch at module level: the window reads these types. `run` imports what it
needs when it is called, inside a worker.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any


@functools.cache
def discover() -> dict[type, Callable[..., Any]]:
    """Spec class -> run, for every module of this package that defines SPEC."""
    found: dict[type, Callable[..., Any]] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(loaded, "SPEC"):
            found[loaded.SPEC] = loaded.run
    return found
