"""The window: menus, docks, notices. It finds the panels by itself."""

from __future__ import annotations

import base64
import gc
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QChildEvent, QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenuBar,
    QTabBar,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.actions import FULL, Actions
from app.bridge import Bridge
from app.docks import LAYOUT, Docks
from app.example import SOURCE
from app.files import Files
from app.help import Guide
from app.projects import Projects, is_project
from app.settings import Settings
from core.units import ENERGY_UNITS
from widgets.background import in_background
from widgets.loading import reading
from widgets.notice import Notices
from widgets.panels import discover
from widgets.session import Session

SMALL = 1400  # screens narrower than this get the window maximised
MESSAGE_MS = 8000


class Window(QMainWindow):
    """The main window.

    engine: makes a core.engine.client.Engine; folder: where projects without a place go;
    panels, example: other panel classes and example data (tests).
    """

    def __init__(
        self,
        settings: Settings,
        engine: Callable[[], Any],
        folder: Path,
        *,
        panels: list[type] | None = None,
        example: Path | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.session = Session(self)
        self.session.unit = ENERGY_UNITS[settings.unit]
        self.session.dark = theme.apply(_app(), settings.theme)
        self.bridge = Bridge(self.session, engine, self)
        self._closing = False
        self.setWindowTitle("PEScape")
        self.setAcceptDrops(True)
        self.setAnimated(False)
        self.guide = Guide(self)
        self.files = Files(self)
        self._header()
        self.docks = Docks(self, discover() if panels is None else panels, self.session)
        self.actions_.add_workspaces([d.windowTitle() for d in self.docks.of("center")])
        for dock in self.docks.all.values():
            toggle = dock.toggleViewAction()
            toggle.setToolTip(f"Show or hide {dock.windowTitle()}")
            toggle.setProperty(FULL, f"Show or hide: {dock.windowTitle()}")
            self.actions_.panels.addAction(toggle)
            dock.fronted.connect(self._fronted)
        self.projects = Projects(self, folder, example or SOURCE)
        self.device = QLabel()
        self.statusBar().addPermanentWidget(self.device)
        self.session.message.connect(self._message)
        self.session.catalog_changed.connect(self._show_devices)
        self.session.open_workspace.connect(self.open_workspace)
        self.session.unit_changed.connect(self._unit_changed)
        self.session.import_requested.connect(lambda _path: self.raise_panel("Data"))
        _app().styleHints().colorSchemeChanged.connect(self._scheme_changed)
        self.actions_.fill_recent(settings.recent)
        self._unit_changed(self.session.unit)
        self.actions_.all[f"theme {settings.theme}"].setChecked(True)
        self.resize(self._size())
        self._restore()
        if settings.problem:
            self.notices.add(settings.problem, "warning")

    def _header(self) -> None:
        """One line for menus, workspaces and units; notices under it."""
        header, line = QWidget(), QHBoxLayout()
        self._menus = QMenuBar(header)
        self._menus.setNativeMenuBar(False)
        self.bar = QToolBar("Workspaces")
        self.bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.unit = QComboBox()
        self.unit.setAccessibleName("Energy unit")
        self.unit.setToolTip("Energy unit of the whole window")
        for unit in ENERGY_UNITS.values():
            self.unit.addItem(unit.label, unit.key)
        self.unit.activated.connect(lambda i: self.set_unit(self.unit.itemData(i)))
        line.setContentsMargins(0, 0, 6, 0)
        line.addWidget(self._menus, 0, Qt.AlignmentFlag.AlignVCenter)
        line.addStretch(1)
        line.addWidget(self.bar)
        line.addStretch(1)
        line.addWidget(QLabel("units"))
        line.addWidget(self.unit)
        self.notices = Notices()
        box = QVBoxLayout(header)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(line)
        box.addWidget(self.notices)
        self.setMenuWidget(header)
        self.actions_ = Actions(self)

    def menuBar(self) -> QMenuBar:
        return self._menus

    # -- start --------------------------------------------------------------------------------
    def begin(self, path: str | None = None, *, then: Callable[[], object] | None = None) -> None:
        """After the first show: panels that are seen, the project, then the rest in the background.

        `then` is called once the window can be used.
        """
        self.docks.build_visible()
        if path is not None and not is_project(Path(path)):
            self.projects.example()
            self.session.import_requested.emit(path)
        elif path is not None:
            if not self.projects.open(Path(path)):
                self.projects.example()
        else:
            self.projects.example()
        self._show_devices()
        QTimer.singleShot(0, lambda: self._when_read(then))

    def _show_devices(self) -> None:
        from widgets.panels.jobs import devices

        found = self.session.devices
        self.device.setText(devices(found))
        self.device.setToolTip("\n".join(f"{name}: {what}" for name, what in found.items()))

    def _when_read(self, then: Callable[[], object] | None) -> None:
        if reading() and not self._closing:  # molecule and surface come in threads of their own
            QTimer.singleShot(5, lambda: self._when_read(then))
            return
        if then is not None:
            then()
        QTimer.singleShot(0, lambda: self.docks.build_rest(self._built))

    def _built(self) -> None:
        tree = self.docks.all.get("Project")
        if tree is not None and tree.panel is not None:  # what can be done with what is selected
            self.actions_.menus["Edit"].addSeparator()
            self.actions_.menus["Edit"].addActions(tree.panel.actions())
        # what the icons need is read in a thread: only the fonts must come in this one
        in_background(
            self,
            lambda: importlib.import_module("qtawesome"),
            done=lambda _module: self.actions_.load_icons(),
            failed=lambda text: self.session.message.emit(f"No icons: {text}", "warning"),
        )
        gc.freeze()  # what stays for good need not be looked through again: a full look takes 50 ms

    def _size(self) -> QSize:
        screen = self.screen().availableGeometry()
        return QSize(round(0.9 * screen.width()), round(0.88 * screen.height()))

    def _restore(self) -> None:
        def raw(text: str) -> QByteArray:
            try:
                return QByteArray(base64.b64decode(text))
            except ValueError:
                return QByteArray()

        known = self.settings.layout == self.docks.version
        placed = known and bool(self.settings.geometry)
        if placed:
            self.restoreGeometry(raw(self.settings.geometry))
        elif self.screen().availableGeometry().width() <= SMALL:
            self.resize(self.screen().availableSize())  # where no window manager maximises
            self.setWindowState(Qt.WindowState.WindowMaximized)
        restored = (
            known
            and bool(self.settings.state)
            and self.restoreState(raw(self.settings.state), LAYOUT)
        )
        if restored:
            self.open_workspace(self.settings.workspace)
        else:
            QTimer.singleShot(0, self.docks.proportions)

    # -- panels -------------------------------------------------------------------------------
    def panel(self, title: str) -> Any:
        """A panel by its title, made if need be."""
        dock = self.docks.all.get(title)
        return None if dock is None else dock.build()

    def raise_panel(self, title: str) -> None:
        """Bring a panel to the front, made if need be."""
        dock = self.docks.all.get(title)
        if dock is not None:
            dock.build()
            dock.show()
            dock.raise_()

    def open_workspace(self, title: str) -> None:
        """Bring a panel to the front."""
        self.raise_panel(title)

    def _fronted(self, title: str) -> None:
        dock = self.docks.all[title]
        if dock.area != "center" or self._closing:
            return
        if self.isVisible():
            dock.build()
        self.settings.workspace = title
        action = self.actions_.all.get(f"go {title}")
        if action is not None:
            action.setChecked(True)

    def reset_layout(self) -> None:
        """Put every panel back where it was at first."""
        self.docks.place()
        QTimer.singleShot(0, self.docks.proportions)

    def detach(self) -> None:
        """Make the tab in front a window of its own, or put it back."""
        dock = self.docks.all.get(self.settings.workspace)
        if dock is not None:
            dock.build()
            dock.setFloating(not dock.isFloating())
            dock.show()

    def _tab_double_clicked(self, bar: QTabBar, index: int) -> None:
        dock = self.docks.all.get(bar.tabText(index))
        if dock is not None:
            dock.setFloating(True)

    def childEvent(self, event: QChildEvent) -> None:
        super().childEvent(event)
        bar = event.child()
        if event.type() == QEvent.Type.ChildPolished and isinstance(bar, QTabBar):
            # Qt makes one for each group of docks
            bar.tabBarDoubleClicked.connect(lambda i, b=bar: self._tab_double_clicked(b, i))

    def toggle_full_screen(self) -> None:
        """Full screen and back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    # -- preferences --------------------------------------------------------------------------
    def set_unit(self, key: str) -> None:
        """Change the energy unit of the whole window."""
        self.session.set_unit(ENERGY_UNITS[key])

    def _unit_changed(self, unit: Any) -> None:
        self.settings.unit = unit.key
        self.unit.setCurrentIndex(self.unit.findData(unit.key))
        self.actions_.all[f"unit {unit.key}"].setChecked(True)

    def set_theme(self, choice: str) -> None:
        """Light, dark, or as the system."""
        self.settings.theme = choice
        self.actions_.all[f"theme {choice}"].setChecked(True)
        self.session.set_dark(theme.apply(_app(), choice))
        self.actions_.load_icons()

    def _scheme_changed(self, _scheme: Any) -> None:
        if self.settings.theme == "system" and theme.system_is_dark() != self.session.dark:
            self.set_theme("system")

    # -- messages -----------------------------------------------------------------------------
    def _message(self, text: str, level: str) -> None:
        if level == "info":
            self.statusBar().showMessage(text, MESSAGE_MS)
        else:
            self.notices.add(text, level)

    # -- jobs and files -----------------------------------------------------------------------
    def stop_all(self) -> None:
        """Finish every job early."""
        for job in self.bridge.running:
            self.session.stop(job)

    def cancel_all(self) -> None:
        """Throw every job away."""
        for job in self.bridge.running:
            self.session.cancel(job)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(u.isLocalFile() for u in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            path = Path(url.toLocalFile())
            if url.isLocalFile() and is_project(path):
                self.projects.open(path)
            elif url.isLocalFile():
                self.session.import_requested.emit(str(path))
        event.acceptProposedAction()

    # -- end ----------------------------------------------------------------------------------
    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._closing:
            self._closing = True
            self.settings.geometry = base64.b64encode(self.saveGeometry().data()).decode()
            self.settings.state = base64.b64encode(self.saveState(LAYOUT).data()).decode()
            self.settings.layout = self.docks.version
            self.settings.save()
            self.hide()  # at once; ending the engine may take a moment
            for dock in self.docks.all.values():
                if dock.panel is not None:
                    dock.panel.close()
            self.bridge.shutdown()
            self.projects.close()
        event.accept()


def _app() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app
