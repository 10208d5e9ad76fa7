"""The layout that panels with a form share: settings at the left that fold away, result right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)


def lay_out(
    panel: QWidget,
    left: Sequence[QWidget | QLayout | None],
    right: Sequence[QWidget],
    *,
    width: int,
    rest: int,
    stretch_first: bool = False,
) -> tuple[QScrollArea, QSplitter]:
    """Fill `panel`; returns the scroll area with the settings (to fold away) and the splitter.

    left: from top to bottom, None = empty space that stretches. right: the last one stretches.
    width, rest: pixels of both sides at first. stretch_first: the first of `left` takes the space.
    """
    settings = QWidget()
    column = QVBoxLayout(settings)
    column.setContentsMargins(6, 4, 6, 4)
    column.setSpacing(4)
    for place, part in enumerate(left):
        if part is None:
            column.addStretch(1)
        elif isinstance(part, QLayout):
            column.addLayout(part)
        else:
            column.addWidget(part, int(stretch_first and place == 0))
    scroll = QScrollArea(widgetResizable=True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(settings)
    scroll.setMinimumWidth(width)
    result = QWidget()
    box = QVBoxLayout(result)
    box.setContentsMargins(4, 4, 6, 4)
    box.setSpacing(3)
    for place, widget in enumerate(right):
        box.addWidget(widget, int(place == len(right) - 1))
    splitter = QSplitter(Qt.Orientation.Horizontal)
    splitter.addWidget(scroll)
    splitter.addWidget(result)
    splitter.setStretchFactor(1, 1)
    splitter.setCollapsible(1, False)
    splitter.setSizes([width, rest])
    outer = QVBoxLayout(panel)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(splitter)
    return scroll, splitter


def in_a_row(*parts: QWidget, stretch: Sequence[int] = ()) -> QHBoxLayout:
    """Widgets beside each other; stretch defaults to 1 for each."""
    row = QHBoxLayout()
    for place, part in enumerate(parts):
        row.addWidget(part, stretch[place] if stretch else 1)
    return row


def under_head(panel: QWidget, headline: QWidget, button: QWidget, body: QWidget) -> None:
    """Fill `panel`: a line with a text and a button, and all the rest below it."""
    top = in_a_row(headline, button, stretch=(1, 0))
    top.setContentsMargins(6, 2, 6, 0)
    box = QVBoxLayout(panel)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(2)
    box.addLayout(top)
    box.addWidget(body, 1)


def with_list(panel: QWidget, left: QWidget, result: QWidget, below: QWidget) -> None:
    """Fill `panel`: `left` (a form), beside it the result above the list of all there are."""
    down = QSplitter(Qt.Orientation.Vertical)
    down.addWidget(result)
    down.addWidget(below)
    down.setStretchFactor(0, 4)
    down.setStretchFactor(1, 1)
    down.setSizes([420, 130])
    across = QSplitter(Qt.Orientation.Horizontal)
    across.addWidget(left)
    across.addWidget(down)
    across.setStretchFactor(1, 1)
    across.setSizes([270, 560])
    outer = QVBoxLayout(panel)
    outer.setContentsMargins(0, 0, 0, 0)
    outer.addWidget(across)
