"""One colour and marker per force field, the colour maps, and the plots' light and dark inks.

Colours are Okabe and Ito's set (https://jfly.uni-koeln.de/color/) without its yellow, plus four of
Paul Tol's "muted" set: told apart with every common kind of colour blindness, and the marker tells
apart what the colour does not.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, field

import numpy as np

#: (light theme, dark theme, pyqtgraph marker, marker as text)
STYLES = (
    ("#1a1a1a", "#f2f2f2", "o", "●"),  # kept for the reference
    ("#0072b2", "#3fa0dc", "s", "■"),
    ("#d55e00", "#f07f2a", "t1", "▲"),
    ("#009e73", "#1fc096", "d", "◆"),
    ("#cc79a7", "#dd93bc", "t", "▼"),
    ("#b97a00", "#e69f00", "star", "★"),
    ("#2f8fc9", "#7cc7f2", "h", "⬢"),
    ("#882255", "#c65f92", "p", "⬟"),
    ("#77771f", "#b9b94a", "t2", "▶"),
    ("#2d8a7e", "#5cc4b6", "t3", "◀"),
    ("#5648a8", "#9d92e6", "o", "●"),
)
REFERENCE = 0
#: First letters of a label -> its style in every session.
KNOWN = {"reference": REFERENCE, "mmff94": 1, "uff": 2, "gfn2": 3, "sgdml": 4, "gaff": 5, "gfn1": 6}


@dataclass(frozen=True)
class Style:
    """How one force field is drawn: colours as #rrggbb, marker for pyqtgraph and as text."""

    light: str
    dark: str
    marker: str
    glyph: str

    def color(self, *, dark: bool = False) -> str:
        """#rrggbb for the theme."""
        return self.dark if dark else self.light


@dataclass
class Palette:
    """Hands out styles: a label's own (by name or hash) if free, else the next free one."""

    given: dict[str, int] = field(default_factory=dict)

    def style(self, label: str) -> Style:
        """The style of `label`, the same on every call."""
        key = label.strip().lower()
        if key not in self.given:
            wanted = next((i for start, i in KNOWN.items() if key.startswith(start)), None)
            if wanted is None:
                # never the style of a known name: that one may come later and keeps its own
                open_ones = [i for i in range(1, len(STYLES)) if i not in KNOWN.values()]
                wanted = open_ones[zlib.crc32(key.encode()) % len(open_ones)]
            self.given[key] = self._free(wanted)
        return Style(*STYLES[self.given[key]])

    def reference(self, label: str) -> None:
        """Give `label` the reference's style: reference layers are called by their level."""
        self.given[label.strip().lower()] = REFERENCE

    def _free(self, wanted: int) -> int:
        used = list(self.given.values())
        names = set(KNOWN.values())
        if used.count(wanted) == 0:
            return wanted
        order = [1 + (wanted + i) % (len(STYLES) - 1) for i in range(len(STYLES) - 1)]
        free = [i for i in order if i not in used]
        # a name such as UFF keeps its own style for later, as long as another one is free
        unnamed = [i for i in free if i not in names]
        return (unnamed or free or [min(order, key=used.count)])[0]


@functools.cache
def palette() -> Palette:
    """The palette of this process: every plot asks this one."""
    return Palette()


def color_of(label: str, *, dark: bool = False) -> str:
    """#rrggbb of a force field; stable, and different from every other one's while they last."""
    return palette().style(label).color(dark=dark)


def marker_of(label: str) -> str:
    """pyqtgraph symbol of a force field."""
    return palette().style(label).marker


def glyph_of(label: str) -> str:
    """The marker as one character, for lists and legends."""
    return palette().style(label).glyph


def chip(label: str, *, dark: bool = False) -> str:
    """Rich text: the coloured marker of a force field."""
    return f'<span style="color:{color_of(label, dark=dark)}">{glyph_of(label)}</span>'


@dataclass(frozen=True)
class Inks:
    """Colours of a plot that are not data."""

    paper: str
    ink: str
    muted: str
    grid: str
    accent: str
    bad: str


LIGHT = Inks("#ffffff", "#222222", "#6b6b6b", "#d9d9d9", "#c2185b", "#b3261e")
DARK = Inks("#1b1e24", "#e6e6e6", "#a0a0a0", "#3a3c40", "#ff6fa5", "#ff8a80")


def inks(*, dark: bool = False) -> Inks:
    """The inks of a theme."""
    return DARK if dark else LIGHT


@functools.cache
def table(name: str) -> np.ndarray:
    """(256,3) uint8 colours: "sequential" (cividis) or "diverging" (colorcet CET-D1).

    pyqtgraph carries both tables; reading them takes 2 ms where importing colorcet takes 300.
    """
    import pyqtgraph as pg

    source = {"sequential": "cividis", "diverging": "CET-D1"}[name]
    colours = pg.colormap.get(source).getLookupTable(nPts=256, alpha=False)
    out = np.asarray(colours, dtype=np.uint8)
    out.setflags(write=False)
    return out
