"""Amounts in words, with the digits that a person wants to know."""

from __future__ import annotations


def time_left(seconds: float) -> str:
    """ "12 s left", "3 min left"; "" when nobody knows."""
    if seconds != seconds or seconds < 0:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"


def sentence(text: str) -> str:
    """With a capital and an end, so that another sentence may follow; "" stays empty."""
    text = text.strip()
    end = "" if not text or text.endswith((".", "!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def bytes_text(size: float) -> str:
    """About two digits: 80 MB, 1.5 GB."""
    return f"{size / 1e6:.0f} MB" if size < 0.95e8 else f"{size / 1e9:.1f} GB"
