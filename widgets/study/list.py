"""The list of all studies of the project: what they asked, what came out, rename, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtWidgets import QWidget

from core.storage import peek
from widgets.item_list import ItemList, Live
from widgets.session import Session
from widgets.tables import Column, Row

KINDS = {"Learning": "learning curves", "Search": "search", "Flatten": "flattened set"}


class StudyList(ItemList):
    """All studies, newest first."""

    def __init__(
        self,
        session: Session,
        live: Mapping[str, Live],
        specs: Mapping[str, Any],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(
            "Studies", session, live, kind="studies", noun="study", job="study", parent=parent
        )
        self.specs = specs  # of the live ones
        self._known: dict[str, tuple[float, tuple[str, str | None, float, bool]]] = {}

    def _told(self, item: Any) -> tuple[str, str | None, float, bool]:
        """(kind, what came out, seconds, stopped early) without reading arrays."""
        try:
            stamp = item.record.stat().st_mtime
            if self._known.get(item.id, (0.0,))[0] != stamp:
                tree = peek(item.record)
                kind = str(tree["!"]).split(".")[-1].split(":")[-1]
                found = (KINDS.get(kind, kind), _outcome(kind, tree), float(tree["seconds"]),
                         bool(tree["stopped"]))  # fmt: skip
                self._known[item.id] = (stamp, found)
            return self._known[item.id][1]
        except (OSError, ValueError, KeyError, TypeError):
            return ("", None, float("nan"), False)

    def fill(self, shown: str) -> None:
        """Read the project again; `shown` is the item to select ("" = as it was)."""
        columns = (
            Column("Name"),
            Column("State"),
            Column("Study"),
            Column("Trainings", digits=None),
            Column("Time", "s", 1, "since it was last started"),
        )
        rows = []
        for item in reversed(self.items()):
            live = self.live.get(item.id)
            kind, outcome, seconds, stopped = self._told(item) if item.record.exists() else (
                "", None, float("nan"), False
            )  # fmt: skip
            if live is not None:
                state = live.state
                kind = KINDS.get(type(self.specs.get(item.id)).__name__.removesuffix("Spec"), "")
            elif not item.record.exists():
                state = "not finished"
            else:
                state = "damaged" if not kind else "stopped early" if stopped else "done"
            rows.append(Row(item.id, (item.name, state, kind, outcome, seconds)))
        self.set_table(columns, rows)
        if shown:
            self.select(shown)


def _outcome(kind: str, tree: dict[str, Any]) -> str | None:
    if kind == "Learning":
        return _with_failed(tree["points"])
    if kind == "Search":
        return _with_failed(tree["trials"])
    # a training in each round, one on the frames drawn, one on those chosen
    return str(len(tree["sizes"]) + 2) if tree.get("sizes") else None


def _with_failed(rows: list[dict[str, Any]]) -> str:
    failed = sum(bool(r.get("problem")) for r in rows)
    return f"{len(rows)}, {failed} failed" if failed else str(len(rows))
