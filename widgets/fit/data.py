"""The data set that a fit was trained on, read once, in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject

from core.dataset import Dataset
from widgets.loading import load_item
from widgets.session import Geometries, Session


class FitData(QObject):
    """`get` hands out the data set of the record set last."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.record = ""  # path
        self._held: tuple[str, Dataset] | None = None
        self._coming = ""  # record being read
        self._waiting: list[tuple[Callable[[Dataset], None], Callable[[str], None]]] = []
        session.project_changed.connect(self.forget)

    def set_record(self, record: str) -> None:
        """Another data set; the one held is kept while it is the same."""
        if record != self.record:
            self._waiting.clear()  # they asked about the one before
        self.record = record
        if self._held is not None and self._held[0] != record:
            self._held = None

    def forget(self) -> None:
        """Another project was opened."""
        self.record, self._held, self._coming = "", None, ""
        self._waiting.clear()

    def get(self, done: Callable[[Dataset], None], failed: Callable[[str], None]) -> None:
        """Call done(dataset), at once where it is held; failed(sentence) where it is gone."""
        if self._held is not None and self._held[0] == self.record:
            done(self._held[1])
            return
        project = self.session.project
        items = () if project is None else project.items("datasets")
        item = next((i for i in items if str(i.record) == self.record), None)
        if item is None:
            failed("Its data set is not in this project any more.")
            return
        self._waiting.append((done, failed))
        if self._coming == self.record:
            return
        record = self._coming = self.record
        load_item(self, project, item, done=lambda d: self._ended(record, d, ""),
                  failed=lambda why: self._ended(record, None, why))  # fmt: skip

    def _ended(self, record: str, dataset: Any, why: str) -> None:
        if record != self._coming:
            return
        waiting, self._waiting, self._coming = self._waiting, [], ""
        if record != self.record:
            return  # nobody looks at that fit any more
        good = isinstance(dataset, Dataset)
        if good:
            self._held = (record, dataset)
        for done, failed in waiting:
            if good:
                done(dataset)
            else:
                failed(why or "Its data set cannot be read.")

    def show_molecule(self, failed: Callable[[str], None], then: Callable[[], None]) -> None:
        """Have this molecule in the molecule view, then call `then`; what fits there stays."""

        def show(dataset: Dataset) -> None:
            now = self.session.geometries
            here = dataset.molecule.numbers.tolist()
            if now is None or now.molecule.numbers.tolist() != here:
                shown = Geometries(
                    dataset.molecule, dataset.positions[:1],
                    None if dataset.energies is None else dataset.energies[:1],
                    caption=dataset.name,
                )  # fmt: skip
                self.session.show(shown)
            then()

        self.get(show, failed)
