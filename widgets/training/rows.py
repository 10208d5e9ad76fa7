"""A titled box with the rows of a form."""

from __future__ import annotations

from PySide6.QtWidgets import QFormLayout, QGroupBox, QWidget


def group(title: str, rows: tuple[tuple[str, QWidget, str], ...]) -> QGroupBox:
    """Rows of (label, widget, tool tip); a widget without a label takes the whole width."""
    box = QGroupBox(title)
    form = QFormLayout(box)
    form.setContentsMargins(8, 4, 8, 6)
    form.setVerticalSpacing(3)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    for text, widget, tip in rows:
        if not text:
            form.addRow(widget)
            continue
        form.addRow(text, widget)
        widget.setToolTip(tip)
        widget.setAccessibleName(text)
    return box
