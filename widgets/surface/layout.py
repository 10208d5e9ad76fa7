"""Where maps stand side by side: the arrangement that makes them largest."""

from __future__ import annotations

import math
from dataclasses import dataclass

from widgets.surface import view as surface_view

TITLE = 20  # pixels above each map
GAP = 6
INNER = surface_view.INNER
GOOD = 130  # pixels: where differences of all force fields get this much, all are shown
#: Pixels around the maps that only the outermost ones take, and that every map takes.
EDGE_X = surface_view.LEFT + surface_view.NAME - INNER
EDGE_Y = surface_view.BOTTOM + surface_view.NAME - INNER
PAD_X = INNER + surface_view.RIGHT + GAP
PAD_Y = INNER + surface_view.TOP + TITLE + GAP


@dataclass(frozen=True)
class Layout:
    """side: pixels of the longer edge of a map. cells: (row, column) of each map that is shown.

    every: all differences are shown, not only one. paired: each difference stands under its
    energy, so that the first scale belongs to the first row and the second to the second.
    """

    side: float
    cells: tuple[tuple[int, int], ...]
    every: bool = True
    paired: bool = False

    @property
    def rows(self) -> int:
        """Rows in use."""
        return 1 + max((r for r, _ in self.cells), default=0)

    @property
    def columns(self) -> int:
        """Columns in use."""
        return 1 + max((c for _, c in self.cells), default=0)

    def edges(self, k: int) -> tuple[bool, bool]:
        """Whether nothing stands to the left of map k, and nothing below it."""
        row, column = self.cells[k]
        return (row, column - 1) not in self.cells, (row + 1, column) not in self.cells


def room(rows: int, columns: int, size: tuple[float, float], shape: tuple[float, float]) -> float:
    """Pixels of the longer edge of rows x columns maps of `shape` (1 = that edge) in `size`."""
    across = ((size[0] - EDGE_X) / columns - PAD_X) / shape[0]
    return min(across, ((size[1] - EDGE_Y) / rows - PAD_Y) / shape[1])


def plain(n: int, size: tuple[float, float], shape: tuple[float, float], **more: bool) -> Layout:
    """n maps, row by row."""
    best, columns = -math.inf, 1
    for c in range(1, n + 1):
        side = room(math.ceil(n / c), c, size, shape)
        if side > best + 1:
            best, columns = side, c
    return Layout(best, tuple(divmod(k, columns) for k in range(n)), **more)


def arrange(
    energies: list[int], differences: list[int], size: tuple[float, float], shape: tuple
) -> Layout:
    """Energies, and differences of the same force fields; both lists hold layers.

    Each difference stands under (or beside) its energy where there is room for that, else one
    difference follows the energies.
    """
    n = len(energies)
    if not differences:
        return plain(n, size, shape)
    at = [energies.index(k) for k in differences]
    down = [(0, k) for k in range(n)] + [(1, k) for k in at]
    beside = [(k, 0) for k in range(n)] + [(k, 1) for k in at]
    pairs = (
        Layout(room(2, n, size, shape), tuple(down), paired=True),
        Layout(room(n, 2, size, shape), tuple(beside)),
    )
    together = max(pairs, key=lambda x: x.side)
    one = plain(n + 1, size, shape, every=len(differences) == 1)
    return together if together.side >= min(GOOD, 0.85 * one.side) else one
