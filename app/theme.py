"""Light and dark: Qt's Fusion style with a palette of our own for each, the same everywhere."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

_ROLES = QPalette.ColorRole
_LIGHT = {
    _ROLES.Window: "#f3f4f6",
    _ROLES.WindowText: "#1b1f24",
    _ROLES.Base: "#ffffff",
    _ROLES.AlternateBase: "#f6f7f9",
    _ROLES.Text: "#1b1f24",
    _ROLES.Button: "#e9ebee",
    _ROLES.ButtonText: "#1b1f24",
    _ROLES.ToolTipBase: "#ffffff",
    _ROLES.ToolTipText: "#1b1f24",
    _ROLES.Highlight: "#1f6fb2",
    _ROLES.HighlightedText: "#ffffff",
    _ROLES.PlaceholderText: "#6b7480",
    _ROLES.Link: "#1f6fb2",
    _ROLES.Mid: "#c3c8ce",
    _ROLES.Midlight: "#dfe2e6",
    _ROLES.Dark: "#a0a7af",
    _ROLES.Light: "#ffffff",
    _ROLES.Shadow: "#7b838c",
    _ROLES.BrightText: "#b3261e",
    _ROLES.Accent: "#1f6fb2",
}
_DARK = {
    _ROLES.Window: "#20242a",
    _ROLES.WindowText: "#e6e9ee",
    _ROLES.Base: "#2b3038",
    _ROLES.AlternateBase: "#30353e",
    _ROLES.Text: "#e6e9ee",
    _ROLES.Button: "#363c46",
    _ROLES.ButtonText: "#e6e9ee",
    _ROLES.ToolTipBase: "#2f343d",
    _ROLES.ToolTipText: "#e6e9ee",
    _ROLES.Highlight: "#3d8fd1",
    _ROLES.HighlightedText: "#ffffff",
    _ROLES.PlaceholderText: "#98a2ae",
    _ROLES.Link: "#6db3ea",
    _ROLES.Mid: "#3b424d",
    _ROLES.Midlight: "#39404a",
    _ROLES.Dark: "#14171b",
    _ROLES.Light: "#4a525e",
    _ROLES.Shadow: "#0c0e11",
    _ROLES.BrightText: "#ff8a80",
    _ROLES.Accent: "#3d8fd1",
}


def system_is_dark() -> bool:
    """What the desktop asks for; light when it does not say."""
    return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark


def apply(app: QApplication, choice: str) -> bool:
    """Apply "system", "light" or "dark"; returns whether it is dark now."""
    hints = QGuiApplication.styleHints()
    scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(choice)
    if scheme is None:
        hints.unsetColorScheme()
        dark = system_is_dark()
    else:
        hints.setColorScheme(scheme)
        dark = choice == "dark"
    if app.style().objectName().lower() != "fusion":
        app.setStyle("Fusion")
    # Not every platform plug-in follows setColorScheme (offscreen and bare X do not).
    app.setPalette(palette(dark))
    return dark


def palette(dark: bool) -> QPalette:
    """The colours of one theme."""
    made = QPalette()
    for role, colour in (_DARK if dark else _LIGHT).items():
        made.setColor(role, QColor(colour))
    grey = QColor("#7d8793" if dark else "#9199a3")
    for role in (_ROLES.WindowText, _ROLES.Text, _ROLES.ButtonText, _ROLES.HighlightedText):
        made.setColor(QPalette.ColorGroup.Disabled, role, grey)
    made.setColor(
        QPalette.ColorGroup.Disabled, _ROLES.Highlight, QColor("#3b424d" if dark else "#c3c8ce")
    )
    return made
