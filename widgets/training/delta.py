"""What a machine-learned force field is trained on top of (delta-learning)."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QLineEdit, QSizePolicy, QWidget

from core.dataset import Dataset
from core.fieldref import FieldRef
from core.forcefields.info import Info
from widgets.field_list import built_in, trained
from widgets.forms import Choice, Value
from widgets.naming import named, text_label
from widgets.session import Session

KEY = "composite"  # of core.forcefields.composite, which adds the two
FAMILIES = ("MM", "semi-empirical", "ML")  # what can lie below; references and codes cannot
WORDS = {True: "true", False: "false"}


def settings_text(values: dict[str, Value]) -> str:
    """Settings as one text that the composite force field reads: "sigma=20; perms=true;"."""
    rows = []
    for name, value in values.items():
        text = WORDS[value] if isinstance(value, bool) else str(value).replace(";", ",")
        if text.strip():
            rows.append(f"{name}={text}")
    return "; ".join(rows) + (";" if rows else "")


def settings_from(text: str) -> dict[str, str]:
    """Names and texts out of such a line (also with commas between them, as typed by hand)."""
    parts = text.split(";") if ";" in text else text.split(",")
    pairs = (p.partition("=") for p in parts if "=" in p)
    return {name.strip(): value.strip() for name, _, value in pairs}


class OnTop(QWidget):
    """ "On top of": nothing, or the force field whose errors are learnt."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.base = named(
            Choice(),
            "On top of",
            "Learn what this force field misses, instead of everything: fewer frames are needed",
        )
        self.base.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.base.setMinimumContentsLength(8)
        self.atoms = named(
            QLineEdit(),
            "Atoms of the correction",
            "Counted from 1, such as 1-4, 7: only these are seen and moved by the correction",
        )
        self.atoms.setPlaceholderText("all")
        self.problem = text_label("What is wrong with the base", wrap=True)
        self.problem.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.problem.hide()
        self._kept: dict[str, Value] = {}  # settings of the base that this form does not show
        self._refs: list[FieldRef | None] = [None]
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setVerticalSpacing(3)
        self._rows.addRow("On top of", self.base)
        self._rows.addRow("Its atoms", self.atoms)
        self._rows.addRow(self.problem)
        self.base.currentIndexChanged.connect(lambda _i: self._chosen())
        self.atoms.textChanged.connect(lambda _t: self.changed.emit())
        self._chosen()

    def fill(self, dataset: Dataset | None) -> None:
        """Read the catalogue and the project again; keeps the choice."""
        kept = self.ref()
        numbers = None if dataset is None else tuple(int(z) for z in dataset.molecule.numbers)
        infos = {i.key: i for i in self.session.catalog}
        there = KEY in infos
        rows = [(ref, tip) for ref, _, tip in built_in(self.session)
                if infos[ref.key].family in FAMILIES] if there else []  # fmt: skip
        rows += [(ref, tip) for ref, _, tip in trained(self.session, numbers)
                 if ref.key not in ("", KEY)] if there else []  # fmt: skip
        self.base.blockSignals(True)
        self.base.clear()
        self.base.addItem("nothing")
        self._refs = [None]
        for ref, tip in rows:
            self.base.addItem(ref.label)
            self.base.setItemData(self.base.count() - 1, tip, 3)  # as a tool tip
            self._refs.append(ref)
        same = [k for k, r in enumerate(self._refs) if _same(r, kept)]
        self.base.setCurrentIndex(same[0] if same else 0)
        self.base.blockSignals(False)
        self.setVisible(there)
        if not same:
            self._chosen()

    def _chosen(self) -> None:
        self._kept = {}
        self.problem.hide()
        self._rows.setRowVisible(self.atoms, self.ref() is not None)
        self.changed.emit()

    # -- for the form -------------------------------------------------------------------------
    def ref(self) -> FieldRef | None:
        """The force field below, None = none."""
        at = self.base.currentIndex()
        return self._refs[at] if 0 <= at < len(self._refs) else None

    def wrap(self, key: str, values: dict[str, Value]) -> tuple[str, dict[str, Value]]:
        """(key, hyper) to train: those given, or the composite of the base and them."""
        ref = self.ref()
        if ref is None:
            return key, values
        hyper: dict[str, Value] = {
            **self._kept,
            "base": ref.key,
            "base_model": ref.model,
            "correction": key,
            "correction_settings": settings_text(values),
            "atoms": self.atoms.text().strip(),
        }
        return KEY, hyper

    def label(self, name: str) -> str:
        """What the trained field may be called: "GFN2-xTB + sGDML"."""
        ref = self.ref()
        return name if ref is None else f"{ref.label} + {name}"

    def take(self, hyper: dict[str, Any] | None) -> str:
        """Show the base of a composite's settings, None = nothing; "" or why it is not there."""
        if hyper is None:
            self.base.setCurrentIndex(0)
            self.atoms.clear()
            return ""
        wanted = FieldRef(str(hyper.get("base", "")), model=str(hyper.get("base_model", "")))
        found = [k for k, r in enumerate(self._refs) if k and _same(r, wanted)]
        if not found:
            return f"The force field below, {wanted.model or wanted.key}, is not in this project"
        self.base.setCurrentIndex(found[0])
        self.atoms.setText(str(hyper.get("atoms", "")))
        shown = ("base", "base_model", "correction", "correction_settings", "atoms")
        self._kept = {k: v for k, v in hyper.items() if k not in shown and v}
        return ""


def _same(a: FieldRef | None, b: FieldRef | None) -> bool:
    if a is None or b is None:
        return a is b
    return (a.key, a.model) == (b.key, b.model)


def correction_of(spec_key: str, hyper: dict[str, Any], infos: dict[str, Info]) -> str:
    """The key of what is learnt: the correction of a composite, else the key itself."""
    key = str(hyper.get("correction", "")) if spec_key == KEY else spec_key
    return key if key in infos else ""
