"""The list of all fits of the project: figures, rename, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from core.storage import peek
from widgets.item_list import ItemList, Live
from widgets.palette import color_of
from widgets.session import Session
from widgets.tables import Column, Row

__all__ = ["FitList", "Live", "waits"]
ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def waits(live: Mapping[str, Live], item_id: str) -> int:
    """Place in the line of trainings (the one that runs is 1); 0 = does not wait."""
    busy = [i for i, x in live.items() if x.busy]
    if item_id not in busy or live[item_id].state != "waiting":
        return 0
    return busy.index(item_id) + 1


def state_text(live: Mapping[str, Live], item_id: str) -> str:
    """State of a fit under way, such as "running" or "waits (2nd)"."""
    place = waits(live, item_id)
    if not place:
        return live[item_id].state
    ending = "th" if 10 < place % 100 < 14 else ENDINGS.get(place % 10, "th")
    return f"waits ({place}{ending})"


class FitList(ItemList):
    """All fits, newest first; those that wait their turn can be taken out of the line."""

    def __init__(
        self, session: Session, live: Mapping[str, Live], parent: QWidget | None = None
    ) -> None:
        super().__init__(
            "Fits", session, live, kind="fits", noun="fit", job="training", parent=parent
        )
        self._known: dict[str, tuple[float, tuple]] = {}  # item -> (mtime, figures)
        self.cancel_action = QAction("Cancel this training", self)
        self.cancel_action.triggered.connect(lambda _=False: self.cancel())
        self.view.addAction(self.cancel_action)
        self.extra.append(self.cancel_action)

    def cancel(self) -> None:
        """Throw the selected training away, whether it runs or waits."""
        live = self.live.get(self.selected())
        if live is not None and live.busy:
            self.session.cancel(live.job)
        else:
            self.session.message.emit("This training is over: Del deletes the fit.", "info")

    def _figures(self, item: Any) -> tuple:
        """(key, n_train, energy MAE, force MAE, seconds) without reading arrays."""
        try:
            stamp = item.record.stat().st_mtime
            if self._known.get(item.id, (0.0, ()))[0] != stamp:
                tree = peek(item.record)
                n = getattr(self.session.project.job(item.id), "n_train", None)
                used = str(tree.get("info", {}).get("training frames", "")).split(" ")[0]
                n = int(used) if used.isdecimal() else n  # fewer when it was stopped early
                e = tree["errors"]
                row = (tree["key"], n, e["energy_mae"], e["force_mae"], tree["fit_seconds"])
                self._known[item.id] = (stamp, row)
            return self._known[item.id][1]
        except (OSError, ValueError, KeyError):
            return ("", None, None, None, None)

    def fill(self, shown: str) -> None:
        """Read the project again; `shown` is the item to select ("" = as it was)."""
        unit = self.session.unit
        labels = {i.key: i.label for i in self.session.catalog}
        columns = (
            Column("Name"),
            Column("State"),
            Column("Energy MAE", unit.label, unit.digits, "on the fit's own test frames"),
            Column("Force MAE", f"{unit.label}/Å", unit.digits, "on the fit's own test frames"),
            Column("Frames", digits=0, tip="number of training frames"),
            Column("Time", "s", 1),
            Column("Force field"),
        )
        rows = []
        nothing = (None, None, None, None, "")
        for item in reversed(self.items()):
            live = self.live.get(item.id)
            values: tuple[Any, ...]
            if live is not None:
                values = (item.name, state_text(self.live, item.id), *nothing)
            elif not item.record.exists():
                values = (item.name, "not finished", *nothing)
            else:
                key, n, energy, force, seconds = self._figures(item)
                energy, force = (x if x is None else unit.from_ev(x) for x in (energy, force))
                state = "done" if key else "damaged"
                values = (item.name, state, energy, force, n, seconds, labels.get(key, key))
            rows.append(Row(item.id, values, color_of(item.name, dark=self.session.dark)))
        self.set_table(columns, rows)
        if shown:
            self.select(shown)
