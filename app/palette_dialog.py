"""Ctrl+K: every action by name."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from app.actions import plain, shortcut_text


def score(query: str, text: str) -> float:
    """How well typed letters fit a name; 0 = not at all."""
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 1.0
    if text.startswith(query):
        return 4.0
    if any(word.startswith(query) for word in text.split()):
        return 3.0
    if all(part in text for part in query.split()):
        return 2.0
    place = -1
    for letter in query.replace(" ", ""):
        place = text.find(letter, place + 1)
        if place < 0:
            return 0.0
    return 1.0


class PaletteDialog(QDialog):
    """A line to type in and the actions that fit; Return does the chosen one."""

    def __init__(self, actions: list[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.actions_ = actions
        self.line = QLineEdit(placeholderText="What do you want to do?")
        self.line.setAccessibleName("Find an action")
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        self.list.setIconSize(QSize(16, 16))
        pixmap = QPixmap(16, 16)
        pixmap.fill(Qt.GlobalColor.transparent)
        self.blank = QIcon(pixmap)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.line)
        box.addWidget(self.list)
        self.resize(460, 340)
        self.line.textChanged.connect(self.fill)
        self.line.returnPressed.connect(self.run)
        self.list.itemClicked.connect(lambda _item: self.run())
        self.line.installEventFilter(self)
        self.fill("")

    def fill(self, query: str) -> None:
        """List what fits, best first."""
        self.list.clear()
        fits = [(score(query, plain(a)), a) for a in self.actions_]
        for points, action in sorted(fits, key=lambda f: (-f[0], plain(f[1]).lower())):
            if not points:
                continue
            keys = shortcut_text(action)
            row = QListWidgetItem(f"{plain(action)}    {keys}" if keys else plain(action))
            row.setIcon(action.icon() if not action.icon().isNull() else self.blank)
            row.setToolTip(action.toolTip())
            row.setData(Qt.ItemDataRole.UserRole, self.actions_.index(action))
            if not action.isEnabled():
                row.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(row)
        for i in range(self.list.count()):
            if self.list.item(i).flags() & Qt.ItemFlag.ItemIsEnabled:
                self.list.setCurrentRow(i)
                break

    def run(self) -> None:
        """Do the chosen action."""
        row = self.list.currentItem()
        if row is None:
            return
        action = self.actions_[row.data(Qt.ItemDataRole.UserRole)]
        self.accept()
        action.trigger()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            if step:
                rows = self.list.count()
                self.list.setCurrentRow(max(0, min(rows - 1, self.list.currentRow() + step)))
                return True
        return False
