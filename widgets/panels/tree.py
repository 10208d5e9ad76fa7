"""Project: everything there is, by kind."""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from widgets.commands import RemoveItem, RenameItem
from widgets.frames import geometries_of
from widgets.loading import load_item
from widgets.session import Session

ITEM, KIND = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
GROUPS = (
    ("molecules", "Molecules", "Import a SMILES, SDF or MOL below"),
    ("datasets", "Data sets", "Drop a file below"),
    ("fits", "Force fields", "being listed …"),
    ("surfaces", "Surfaces", "Tick force fields, press Compute"),
    ("runs", "Runs", "Start one under Dynamics"),
    ("studies", "Studies", "Start one under Studies"),
)
WORKSPACES = {
    "fits": "Training",
    "surfaces": "Surface",
    "runs": "Dynamics",
    "studies": "Studies",
}
WITHOUT_FRAMES = ("fits", "studies")  # opened in their panel, nothing for the molecule view
HIDDEN_WHEN_EMPTY = ("molecules", "studies")  # a short tree: only where there is one


class TreePanel(QWidget):
    """The items of the project and the force fields that can be used."""

    TITLE = "Project"
    ORDER = 0
    AREA = "left"
    HELP = (
        "Everything in this project: data sets, force fields (trained ones first, then those that "
        "come with PEScape), surfaces, runs and studies. Click selects an item everywhere; "
        "double-click opens it. F2 renames, Del deletes (Ctrl+Z brings it back)."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.running: dict[str, str] = {}  # item id -> what its job says
        self._quiet = False
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Project")
        self.tree.setHeaderHidden(True)
        self.tree.setColumnCount(2)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setIndentation(14)
        self.tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.customContextMenuRequested.connect(self._menu)
        self.tree.currentItemChanged.connect(self._selected)
        self.tree.itemDoubleClicked.connect(lambda row, _column: self.open(row.data(0, ITEM)))
        self.tree.itemChanged.connect(self._renamed)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.tree)
        self._wanted = ""  # selected elsewhere, but not listed yet
        self.groups: dict[str, QTreeWidgetItem] = {}
        for kind, title, _hint in GROUPS:
            row = QTreeWidgetItem(self.tree, [title])
            row.setFlags(Qt.ItemFlag.ItemIsEnabled)
            row.setFirstColumnSpanned(True)
            font = row.font(0)
            font.setBold(True)
            row.setFont(0, font)
            row.setExpanded(True)
            self.groups[kind] = row
        self._actions()
        session.project_changed.connect(self.refresh)
        session.items_changed.connect(lambda kind: self._fill(kind))
        session.catalog_changed.connect(lambda: self._fill("fits"))
        session.item_selected.connect(self._select)
        session.job_event.connect(self._job)
        self.refresh()

    def _actions(self) -> None:
        def make(text: str, slot: Any, *keys: Any, tip: str) -> QAction:
            action = QAction(text, self)
            action.setShortcuts([QKeySequence(k) for k in keys])
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setToolTip(tip)
            action.triggered.connect(slot)
            self.addAction(action)
            return action

        self.open_action = make(
            "Open item",
            lambda: self.open(self.current_id()),
            tip="Open the selected item where it belongs",
        )
        self.show_action = make(
            "Show in the molecule view",
            lambda: self.show_frames(self.current_id()),
            tip="Put the frames of the selected item into the molecule view",
        )
        self.rename_action = make(
            "Rename item", self.rename, Qt.Key.Key_F2, tip="Give the selected item another name"
        )
        self.delete_action = make(
            "Delete item",
            self.delete,
            QKeySequence.StandardKey.Delete,
            tip="Take the selected item out of the project; undo brings it back",
        )

    # -- filling ------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Fill everything from the project."""
        self.running.clear()
        for kind in self.groups:
            self._fill(kind)

    def _fill(self, kind: str) -> None:
        group = self.groups.get(kind)
        if group is None:
            return
        keep = self._wanted or self.current_id()
        self._quiet = True
        group.takeChildren()
        project = self.session.project
        rows = []  # added together: the tree is laid out once
        for item in project.items(kind) if project is not None else ():
            row = QTreeWidgetItem([item.name])
            rows.append(row)
            row.setData(0, ITEM, item.id)
            row.setData(0, KIND, kind)
            if not self.session.read_only:
                row.setFlags(row.flags() | Qt.ItemFlag.ItemIsEditable)
            made = time.strftime("%Y-%m-%d %H:%M", time.localtime(item.created))
            row.setToolTip(0, item.problem or f"{item.name}\nmade {made}")
            if item.problem:
                row.setText(1, "damaged")
                row.setForeground(1, self.palette().brightText())
            elif not item.finished:
                row.setText(1, self.running.get(item.id, "not finished"))
                row.setForeground(1, self.palette().placeholderText())
        if kind == "fits":
            for info in self.session.catalog:
                row = QTreeWidgetItem([info.label])
                rows.append(row)
                row.setForeground(0, self.palette().placeholderText())
                use = "can be trained" if info.trainable else "ready to use"
                if info.trainable and info.ready:
                    use = "ready to use, and can be fitted to data"
                row.setToolTip(0, f"{info.label}: {use}\n{info.about}".strip())
                row.setFlags(Qt.ItemFlag.ItemIsEnabled)
        hint = next(h for k, _t, h in GROUPS if k == kind)
        if not rows and hint:
            row = QTreeWidgetItem([hint])
            row.setFlags(Qt.ItemFlag.NoItemFlags)
            rows.append(row)
        group.addChildren(rows)
        for row in rows:  # a narrow tree: room for the name
            if not row.text(1):
                row.setFirstColumnSpanned(True)
        group.setHidden(kind in HIDDEN_WHEN_EMPTY and not self._items(group))
        self._quiet = False
        self._select(keep)

    @staticmethod
    def _items(group: QTreeWidgetItem) -> list[QTreeWidgetItem]:
        rows = [group.child(i) for i in range(group.childCount())]
        return [r for r in rows if r is not None and r.data(0, ITEM)]

    def row(self, item_id: str) -> QTreeWidgetItem | None:
        """The row of an item."""
        for group in self.groups.values():
            for row in self._items(group):
                if row.data(0, ITEM) == item_id:
                    return row
        return None

    def _job(self, job: str, event: Any) -> None:
        record = self.session.jobs.get(job)
        if record is None or not record.item:
            return
        if event.kind in ("done", "failed", "cancelled"):
            self.running.pop(record.item, None)
            return
        fraction = event.fraction
        if event.kind == "queued":
            self.running[record.item] = "waiting"
        elif fraction == fraction:
            self.running[record.item] = f"{100 * fraction:.0f} %"
        row = self.row(record.item)
        text = self.running.get(record.item)
        if row is not None and text and row.text(1) != text:
            self._quiet = True
            row.setText(1, text)
            row.setFirstColumnSpanned(False)
            self._quiet = False

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "groups"):
            for kind in self.groups:
                self._fill(kind)  # greys and reds belong to the theme
        super().changeEvent(event)

    # -- selection ----------------------------------------------------------------------------
    def current_id(self) -> str:
        """Id of the selected item, "" for none."""
        row = self.tree.currentItem()
        return (row.data(0, ITEM) or "") if row is not None else ""

    def _selected(self, row: QTreeWidgetItem | None, _before: QTreeWidgetItem | None) -> None:
        has = row is not None and bool(row.data(0, ITEM))
        for action in (self.open_action, self.show_action):
            action.setEnabled(has)
        for action in (self.rename_action, self.delete_action):
            action.setEnabled(has and not self.session.read_only)
        if has and row is not None and not self._quiet:
            self.session.item_selected.emit(row.data(0, ITEM))

    def _select(self, item_id: str) -> None:
        row = self.row(item_id) if item_id else None
        self._wanted = item_id if row is None else ""  # a new item is listed a turn later
        if row is not None and row is not self.tree.currentItem():
            self._quiet = True
            self.tree.setCurrentItem(row)
            self._quiet = False

    # -- what a person can do -----------------------------------------------------------------
    def open(self, item_id: str | None) -> None:
        """Show an item where it belongs."""
        row = self.row(item_id or "")
        if row is None or item_id is None:
            return
        self.session.item_selected.emit(item_id)
        kind = row.data(0, KIND)
        if kind in WORKSPACES:
            self.session.open_workspace.emit(WORKSPACES[kind])
        if kind not in WITHOUT_FRAMES:
            self.show_frames(item_id)

    def show_frames(self, item_id: str) -> None:
        """Put the frames of an item into the molecule view."""
        project = self.session.project
        if not item_id or project is None:
            return
        item = project.item(item_id)
        if not item.finished:
            self.session.message.emit(f"“{item.name}” is not finished yet.", "info")
            return

        def done(record: Any) -> None:
            geometries = geometries_of(record, source=item_id)
            if geometries is None:
                self.session.message.emit(f"“{item.name}” holds no geometries.", "info")
            else:
                self.session.show(geometries)

        load_item(
            self,
            project,
            item,
            done=done,
            failed=lambda text: self.session.message.emit(text, "error"),
        )

    def rename(self) -> None:
        """Edit the name in place."""
        row = self.row(self.current_id())
        if row is not None:
            self.tree.editItem(row, 0)

    def _renamed(self, row: QTreeWidgetItem, column: int) -> None:
        if self._quiet or column != 0 or not row.data(0, ITEM):
            return
        item = self.session.project.item(row.data(0, ITEM))
        name = row.text(0).strip()
        if name and name != item.name:
            self.session.undo.push(RenameItem(self.session, item, name))
        else:
            self._fill(item.kind)

    def delete(self) -> None:
        """Take the selected item out of the project."""
        item_id = self.current_id()
        if not item_id:
            return
        busy = [j for j in self.session.jobs.values() if j.item == item_id]
        if item_id in self.running and busy:
            self.session.message.emit(
                "This item is still being computed: cancel its job first.", "warning"
            )
            return
        item = self.session.project.item(item_id)
        self.session.undo.push(RemoveItem(self.session, item))
        self.session.message.emit(f"Deleted “{item.name}”; Ctrl+Z brings it back.", "info")

    def _menu(self, where: QPoint) -> None:
        row = self.tree.itemAt(where)
        if row is None or not row.data(0, ITEM):
            return
        self.tree.setCurrentItem(row)
        menu = QMenu(self)
        menu.addActions([self.open_action, self.show_action])
        menu.addSeparator()
        menu.addActions([self.rename_action, self.delete_action])
        menu.popup(self.tree.viewport().mapToGlobal(where))


PANEL = TreePanel
