"""One file per panel. A panel module defines PANEL, a QWidget class with TITLE, ORDER and AREA.

The window finds them by itself and builds each with the one Session.
"""

from __future__ import annotations

import importlib
import pkgutil


def discover() -> list[type]:
    """All panel classes, in the order they want to be shown."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        panel = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PANEL", None)
        if panel is not None:
            found.append(panel)
    return sorted(found, key=lambda p: p.ORDER)
