"""The pictures of studies, one kind in front; each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from widgets.session import Session
from widgets.study.flatten_view import FlattenView
from widgets.study.learning_view import LearningView
from widgets.study.search_view import SearchView

VIEWS = (LearningView, SearchView, FlattenView)


class StudyViews(QStackedWidget):
    """One place per kind of study. To make a view takes 20 ms: too long for all three at once."""

    fit_wanted = Signal(object)  # FitSpec to train

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.made: dict[int, Any] = {}  # by kind
        self._places: list[QVBoxLayout] = []
        for _kind in VIEWS:
            place = QWidget()
            room = QVBoxLayout(place)
            room.setContentsMargins(0, 0, 0, 0)
            self._places.append(room)
            self.addWidget(place)

    def view(self, kind: int) -> Any:
        """What shows studies of a kind (place in VIEWS)."""
        if kind not in self.made:
            made = VIEWS[kind](self.session)
            if isinstance(made, SearchView | FlattenView):
                made.fit_wanted.connect(self.fit_wanted)
            self._places[kind].addWidget(made)
            self.made[kind] = made
        return self.made[kind]

    def pieces(self) -> list[Callable[[], object]]:
        """Calls that make one view each, ahead of its need."""
        return [partial(self.view, kind) for kind in range(len(VIEWS))]
