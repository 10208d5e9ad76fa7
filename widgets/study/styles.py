"""Styles of the curves of one plot: each force field its own, and no two alike."""

from __future__ import annotations

from collections.abc import Iterable

from widgets.palette import STYLES, Style, palette

ALIKE = 4000.0  #: squares of RGB: below, two colours are one to the eye (two blues, two greens)


def distinct(labels: Iterable[str]) -> dict[str, Style]:
    """label -> style. Where two would look alike, the later takes the free one most unlike all."""
    found: dict[str, Style] = {}
    for label in labels:
        style = palette().style(label)
        if found and _nearest(style, found) < ALIKE:
            free = [Style(*s) for s in STYLES[1:] if Style(*s) not in found.values()]
            style = max(free, key=lambda s: _nearest(s, found), default=style)
        found[label] = style
    return found


def _nearest(style: Style, taken: dict[str, Style]) -> float:
    """How far the colour is from the nearest one taken, in both themes (squares of RGB)."""
    return min(
        min(_away(style.light, other.light), _away(style.dark, other.dark))
        for other in taken.values()
    )


def _away(a: str, b: str) -> float:
    first, second = (bytes.fromhex(c.lstrip("#")) for c in (a, b))
    return float(sum((x - y) ** 2 for x, y in zip(first, second, strict=True)))
