"""The list of all fits of the project: figures, rename, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from core.storage import peek
from widgets.item_list import ItemList, Live
from widgets.palette import color_of
from widgets.queue import place_of, place_text
from widgets.session import Session
from widgets.tables import Column, Row

__all__ = ["FitList", "Live"]


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
        """(key, n_train, energy MAE, force MAE, seconds, names of its other molecules)."""
        try:
            stamp = item.record.stat().st_mtime
            if self._known.get(item.id, (0.0, ()))[0] != stamp:
                tree = peek(item.record)
                job = self.session.project.job(item.id)
                n = getattr(job, "n_train", None)
                more = [s.n_train for s in getattr(job, "others", ())]
                n = n + sum(more) if n is not None and more else n
                used = str(tree.get("info", {}).get("training frames", "")).split(" ")[0]
                n = int(used) if used.isdecimal() else n  # fewer when it was stopped early
                e = tree["errors"]
                names = ", ".join(str(o["name"]) for o in tree.get("others") or ())
                row = (tree["key"], n, e["energy_mae"], e["force_mae"], tree["fit_seconds"], names)
                self._known[item.id] = (stamp, row)
            return self._known[item.id][1]
        except (OSError, ValueError, KeyError):
            return ("", None, None, None, None, "")

    def _state(self, live: Live) -> str:
        """State of a fit under way, such as "running" or "waits, 2nd in line"."""
        place = place_of(self.session, live.job) if live.state == "waiting" else 0
        return place_text(place) or live.state

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
            tip = ""
            if live is not None:
                values = (item.name, self._state(live), *nothing)
            elif not item.record.exists():
                values = (item.name, "not finished", *nothing)
            else:
                key, n, energy, force, seconds, others = self._figures(item)
                if others:
                    tip = f"Learnt together with {others}; the errors are of its first molecule"
                energy, force = (x if x is None else unit.from_ev(x) for x in (energy, force))
                state = "done" if key else "damaged"
                values = (item.name, state, energy, force, n, seconds, labels.get(key, key))
            rows.append(Row(item.id, values, color_of(item.name, dark=self.session.dark), tip))
        self.set_table(columns, rows)
        if shown:
            self.select(shown)
