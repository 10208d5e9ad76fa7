"""What a person can do: menus, shortcuts and tooltips, one row per action."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QAction, QActionGroup, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu

if TYPE_CHECKING:
    from app.window import Window

Key = QKeySequence.StandardKey


@dataclass(frozen=True)
class Entry:
    """One action: `slot` is the name of a method of the window (dots allowed)."""

    menu: str
    name: str
    text: str
    slot: str
    keys: Any = None
    tip: str = ""
    icon: str = ""


LINE = Entry("", "", "", "")
ENTRIES: tuple[Entry, ...] = (
    Entry(
        "File",
        "new",
        "New project …",
        "files.new_project",
        Key.New,
        "Make an empty project folder",
        "mdi6.folder-plus-outline",
    ),
    Entry(
        "File",
        "open",
        "Open project …",
        "files.open_project",
        Key.Open,
        "Open a project folder",
        "mdi6.folder-open-outline",
    ),
    Entry(
        "File",
        "example",
        "Open the example",
        "files.open_example",
        None,
        "Ethanol: quantum data and its reference surface",
        "mdi6.school-outline",
    ),
    Entry(
        "File",
        "copy",
        "Save copy as …",
        "files.copy_project",
        Key.SaveAs,
        "Everything is saved as you go; this makes a second copy of the project",
        "mdi6.content-copy",
    ),
    LINE,
    Entry(
        "File",
        "import",
        "Import data …",
        "files.import_data",
        "Ctrl+I",
        "Geometries with energies and forces, or one molecule",
        "mdi6.import",
    ),
    Entry(
        "File",
        "export",
        "Export frames …",
        "files.export_frames",
        "Ctrl+E",
        "Write the frames of the molecule view to an extxyz file, for labelling",
        "mdi6.export",
    ),
    LINE,
    Entry(
        "File",
        "quit",
        "Quit",
        "close",
        Key.Quit,
        "Close the window; running jobs can go on when it is opened again",
        "mdi6.exit-to-app",
    ),
    Entry(
        "Compute",
        "stop_all",
        "Stop all jobs",
        "stop_all",
        "Ctrl+.",
        "Finish every job early and keep what is there",
        "mdi6.stop-circle-outline",
    ),
    Entry(
        "Compute",
        "cancel_all",
        "Cancel all jobs",
        "cancel_all",
        None,
        "Throw every job away",
        "mdi6.close-circle-outline",
    ),
    Entry(
        "View",
        "palette",
        "Find an action …",
        "guide.show_palette",
        "Ctrl+K",
        "Every action by name",
        "mdi6.magnify",
    ),
    Entry(
        "View",
        "detach",
        "Detach the tab in front",
        "detach",
        "Ctrl+Shift+D",
        "Make the tab a window of its own, and back; a double-click on the tab does it too",
        "mdi6.dock-window",
    ),
    Entry("View", "full", "Full screen", "toggle_full_screen", "F11", "", "mdi6.fullscreen"),
    Entry(
        "View",
        "reset_layout",
        "Reset layout",
        "reset_layout",
        None,
        "Put every panel back where it was at first",
        "mdi6.view-dashboard-outline",
    ),
    Entry(
        "Help",
        "help_panel",
        "Help for the panel under the cursor",
        "guide.help_here",
        "F1",
        "What this panel shows and what can be done in it",
        "mdi6.help-circle-outline",
    ),
    Entry(
        "Help", "keys", "Keyboard shortcuts", "guide.show_keys", None, "", "mdi6.keyboard-outline"
    ),
    Entry(
        "Help",
        "guide.about",
        "About PEScape",
        "guide.about",
        None,
        "Version and licence",
        "mdi6.information-outline",
    ),
)
MENUS = ("File", "Edit", "View", "Compute", "Help")
FULL = "full name"  # property of an action whose text needs the menu it stands in
THEMES = (("system", "As the system"), ("light", "Light"), ("dark", "Dark"))


class Actions:
    """All actions of the window by name, and the menus they stand in."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.all: dict[str, QAction] = {}
        self.menus: dict[str, QMenu] = {m: window.menuBar().addMenu(f"&{m}") for m in MENUS}
        self.icons: dict[str, str] = {}
        menu = "File"
        for entry in ENTRIES:
            menu = entry.menu or menu
            if entry is LINE:
                self.menus[menu].addSeparator()
                continue
            slot = attrgetter(entry.slot)(window)
            action = self._add(entry.name, entry.text, slot, entry.keys, entry.tip, entry.icon)
            self.menus[menu].addAction(action)
        self._edit()
        self._view()
        self.recent = QMenu("Open recent", window)
        self.menus["File"].insertMenu(self.all["example"], self.recent)

    def _add(self, name: str, text: str, slot: Any, keys: Any, tip: str, icon: str = "") -> QAction:
        action = QAction(text, self.window)
        if keys is not None:
            action.setShortcut(QKeySequence(keys))
        action.setToolTip(tip or text.removesuffix(" …"))
        action.setStatusTip(tip)
        action.triggered.connect(lambda _checked=False: slot())
        self.all[name] = action
        if icon:
            self.icons[name] = icon
        return action

    def _edit(self) -> None:
        stack = self.window.session.undo
        undo = stack.createUndoAction(self.window, "Undo")
        undo.setShortcut(QKeySequence(Key.Undo))
        redo = stack.createRedoAction(self.window, "Redo")
        redo.setShortcuts([QKeySequence(Key.Redo), QKeySequence("Ctrl+Y")])
        self.all.update(undo=undo, redo=redo)
        self.icons.update(undo="mdi6.undo", redo="mdi6.redo")
        self.menus["Edit"].addActions([undo, redo])
        self.menus["Edit"].addSeparator()
        self.units = QActionGroup(self.window)
        sub = self.menus["Edit"].addMenu("Energy unit")
        from core.units import ENERGY_UNITS

        for unit in ENERGY_UNITS.values():
            action = QAction(unit.label, self.window, checkable=True)
            action.setData(unit.key)
            action.setToolTip(f"Show energies in {unit.label}")
            action.setProperty(FULL, f"Energy unit: {unit.label}")
            self.units.addAction(action)
            sub.addAction(action)
            self.all[f"unit {unit.key}"] = action
        self.units.triggered.connect(lambda a: self.window.set_unit(a.data()))

    def _view(self) -> None:
        menu, first = self.menus["View"], self.all["palette"]
        self.panels = QMenu("Panels", self.window)
        menu.insertMenu(first, self.panels)
        self.themes = QActionGroup(self.window)
        sub = QMenu("Theme", self.window)
        menu.insertMenu(first, sub)
        for key, label in THEMES:
            action = QAction(label, self.window, checkable=True)
            action.setData(key)
            action.setToolTip(f"Theme: {label.lower()}")
            action.setProperty(FULL, f"Theme: {label.lower()}")
            self.themes.addAction(action)
            sub.addAction(action)
            self.all[f"theme {key}"] = action
        self.themes.triggered.connect(lambda a: self.window.set_theme(a.data()))
        menu.insertSeparator(first)

    def add_workspaces(self, titles: list[str]) -> None:
        """A button and Ctrl+1 … for each tab of the centre."""
        bar = self.window.bar
        self.workspaces = QActionGroup(self.window)
        for number, title in enumerate(titles, 1):
            action = QAction(title, self.window, checkable=True)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.setToolTip(f"Go to {title} (Ctrl+{number})")
            action.setProperty(FULL, f"Go to: {title}")
            action.triggered.connect(lambda _on=False, t=title: self.window.open_workspace(t))
            self.workspaces.addAction(action)
            self.all[f"go {title}"] = action
            bar.addAction(action)
        self.menus["Compute"].insertActions(
            self.all["stop_all"], [self.all[f"go {t}"] for t in titles]
        )
        self.menus["Compute"].insertSeparator(self.all["stop_all"])

    def fill_recent(self, folders: list[str]) -> None:
        """The list of recent projects."""
        self.recent.clear()
        for folder in folders:
            action = self.recent.addAction(folder)
            action.setProperty(FULL, f"Open recent: {folder}")
            action.setToolTip(folder)
            action.triggered.connect(lambda _on=False, f=folder: self.window.files.open_folder(f))
        self.recent.setEnabled(bool(folders))

    def load_icons(self) -> None:
        """Icons are loaded after the window is up: their fonts take a tenth of a second."""
        import qtawesome

        colours = QGuiApplication.palette()  # the widgets' own follow one event later
        colour, grey = colours.windowText().color(), colours.placeholderText().color()
        for name, icon in self.icons.items():
            self.all[name].setIcon(qtawesome.icon(icon, color=colour, color_disabled=grey))


def every_action(window: Window) -> list[QAction]:
    """All actions that have a name, those of the panels included, in alphabetical order."""
    seen: dict[str, QAction] = {}
    for action in window.findChildren(QAction):
        text = plain(action)
        if text and action.menu() is None and not action.isSeparator() and text not in seen:
            seen[text] = action
    return [seen[t] for t in sorted(seen, key=str.lower)]


def plain(action: QAction) -> str:
    """What an action is called on its own, without mnemonics."""
    return (action.property(FULL) or action.text()).replace("&", "").removesuffix(" …").strip()


def shortcut_text(action: QAction) -> str:
    """Its shortcuts as a person reads them."""
    form = QKeySequence.SequenceFormat.NativeText
    return ", ".join(s.toString(form) for s in action.shortcuts())
