"""Widgets with the name that a screen reader says, in one line."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtWidgets import QLabel, QPushButton, QToolButton, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, tip: str = "") -> W:
    """The widget itself, with an accessible name and a tool tip."""
    widget.setAccessibleName(name)
    if tip:
        widget.setToolTip(tip)
    return widget


def text_label(name: str, text: str = "", *, wrap: bool = False) -> QLabel:
    """A label whose text changes; `name` says what it tells."""
    label = named(QLabel(text), name)
    label.setWordWrap(wrap)
    return label


def tool_button(text: str, tip: str = "", *, name: str = "", check: bool = False) -> QToolButton:
    """A flat button; check: it stays pressed."""
    button = named(QToolButton(), name or text, tip)
    button.setText(text)
    button.setAutoRaise(True)
    button.setCheckable(check)
    return button


def push_button(text: str, tip: str = "", *, name: str = "") -> QPushButton:
    """An ordinary button."""
    return named(QPushButton(text), name or text, tip)
