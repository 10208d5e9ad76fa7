"""Files that the command line writes: JSON that is JSON, and nothing half written."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from app.console import UserError


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically. Raises UserError when that cannot be."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


def plain(value: Any) -> Any:
    """Plain JSON values; null stands for "not known" where a number is NaN or infinite."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
