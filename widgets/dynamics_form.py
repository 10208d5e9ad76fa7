"""How to run dynamics: force field, start, ensemble, time step, length, temperature, replicas."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.analyses.dynamics import OPENMM, OPENMM_REPLICAS, DynamicsSpec
from core.molecule import Molecule
from widgets.field_list import FieldCombo
from widgets.loading import load_item
from widgets.session import Session
from widgets.surface.form import StartReader

HYDROGEN_STEP = 1.0  # fs: X-H stretches have a period of about 9 fs
HEAVY_STEP = 2.0  # fs: without hydrogen, double bonds at about 18 fs are the fastest
RUN_BY = (
    "Who takes the steps. PEScape: all replicas at once. OpenMM (its Reference platform): one "
    "replica after the other, each many times faster, most of all with few kept frames"
)
NO_OPENMM = "OpenMM is not installed (pip install openmm); PEScape takes the steps"


class DynamicsForm(QWidget):
    """Gives a DynamicsSpec, or says why there is none."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.molecule: Molecule | None = None
        self.error = ""
        self._wanted = ""
        self.field = FieldCombo(session)
        self.start = QComboBox()
        self.ensemble = QComboBox()
        self.ensemble.addItem("Langevin", "langevin")
        self.ensemble.addItem("NVE", "nve")
        self.engine = QComboBox()
        self.engine.addItem("PEScape", "pescape")
        self.engine.addItem("OpenMM", "openmm")
        for box, name, tip in (
            (self.engine, "Run by", RUN_BY),
            (self.field, "Force field", "The force field that drives the atoms"),
            (self.start, "Start", "The geometry that every replica starts from"),
            (
                self.ensemble,
                "Ensemble",
                "Langevin: coupled to a bath at constant temperature. NVE: constant energy; shows "
                "how well force field and time step conserve it",
            ),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(110)
        self.dt = _number("Time step", 0.01, 20, 0.5, 2, "fs", 0.25, "fs; 0.5 is safe with H atoms")
        self.time = _number("Length", 0.001, 1e6, 5, 3, "ps", 1, "ps (1 ps = 1000 fs)")
        self.temperature = _number("Temperature", 0, 20000, 300, 0, "K", 50, "kelvin")
        self.friction = _number(
            "Friction", 0.01, 1000, 10, 2, "1/ps", 1, "1/ps: how tightly the bath holds on"
        )
        self.replicas = _whole("Replicas", 1, 4096, 1, "copies that run at once, batched")
        self.seed = _whole("Seed", 0, 2**31 - 1, 0, "random numbers; same seed, same run")
        self.stride = _whole("Keep every", 1, 100000, 10, "steps between two kept frames")
        self.stretch = _number(
            "Bond limit", 1.05, 10, 1.5, 2, "×", 0.1, "times its first length: stop a replica there"
        )
        self.energy = _number(
            "Energy limit", 0.1, 1e4, 20, 1, "eV", 1, "eV from the start: stop a replica there"
        )
        first, second = _form(), _form()
        rows: list[tuple[str, QWidget]] = [
            ("Force field", self.field),
            ("Start", self.start),
            ("Ensemble", self.ensemble),
            ("Time step", self.dt),
            ("Length", self.time),
            ("Temperature", self.temperature),
            ("Friction", self.friction),
            ("Replicas", self.replicas),
            ("Run by", self.engine),
        ]
        for label, widget in rows:
            first.addRow(label, widget)
        self._rows = first
        extra: list[tuple[str, QWidget]] = [
            ("Keep every", self.stride),
            ("Seed", self.seed),
            ("Bond limit", self.stretch),
            ("Energy limit", self.energy),
        ]
        for label, widget in extra:
            second.addRow(label, widget)
        self.more = QToolButton()
        self.more.setText("More")
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setArrowType(Qt.ArrowType.RightArrow)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setToolTip("Seed, how often a frame is kept, limits of what counts as physical")
        self.extra = QWidget()
        self.extra.setLayout(second)
        self.extra.hide()
        self.more.toggled.connect(self._unfold)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addLayout(first)
        outer.addWidget(self.more)
        outer.addWidget(self.extra)
        self.ensemble.currentIndexChanged.connect(self._changed)
        self.engine.currentIndexChanged.connect(self._changed)
        self.field.currentIndexChanged.connect(self._changed)
        self._by_hand = False
        self.start.activated.connect(self._start_by_hand)
        for number in (self.dt, self.time, self.temperature, self.friction, self.replicas):
            number.valueChanged.connect(self._changed)
        session.catalog_changed.connect(self.fill)
        session.theme_changed.connect(lambda _dark: self.field.fill())
        session.geometries_changed.connect(self._viewed)
        self.fill()

    def _unfold(self, on: bool) -> None:
        self.extra.setVisible(on)
        self.more.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)

    def fill(self) -> None:
        """Read the catalogue and the project again; keeps the choices."""
        self.field.fill()
        before = self.start.currentData()
        kept = before if self._by_hand else None
        self.start.clear()
        project = self.session.project
        for kind in ("datasets", "molecules") if project is not None else ():
            for item in project.items(kind):
                if item.record.exists():
                    text = f"lowest of {item.name}" if kind == "datasets" else item.name
                    self.start.addItem(text, item.id)
        if self.session.geometries is not None:
            self.start.addItem("frame in the molecule view", "")
        at = self.start.findData(kept) if kept is not None else -1
        self.start.setCurrentIndex(max(at, 0) if self.start.count() else -1)
        if self.start.currentData() != before or self.molecule is None:
            self._choose()
        self.changed.emit()

    def _start_by_hand(self, _row: int) -> None:
        self._by_hand = True
        self._choose()

    def _viewed(self, _geometries: Any) -> None:
        if self.start.findData("") < 0:
            self.start.addItem("frame in the molecule view", "")
            if self.start.count() == 1:
                self._choose()

    def _choose(self) -> None:
        chosen = self.start.currentData()
        self.error = ""
        if not chosen:
            self._wanted, self.molecule = "", None
            if chosen == "" and self.session.geometries is not None:
                self.molecule = self.session.geometries.molecule
            self.changed.emit()
            return
        self._wanted = chosen

        def done(start: Any) -> None:
            if self._wanted == chosen:
                self.molecule = start.molecule
                self.field.set_molecule(tuple(int(z) for z in start.molecule.numbers))
                self.changed.emit()

        def failed(text: str) -> None:
            if self._wanted == chosen:
                self.molecule, self.error = None, text
                self.changed.emit()

        project = self.session.project
        load_item(self, StartReader(project), project.item(chosen), done=done, failed=failed)

    def _changed(self) -> None:
        self.friction.setEnabled(self.ensemble.currentData() == "langevin")
        self._offer_openmm()
        self.changed.emit()

    def _offer_openmm(self) -> None:
        """ "Run by" is there for the force fields that OpenMM has, and open where it is installed:
        the worker then has GAFF by OpenMM among its force fields."""
        ref = self.field.ref()
        there = any(info.key == "gaff-openmm" for info in self.session.catalog)
        self._rows.setRowVisible(self.engine, ref is not None and ref.key in OPENMM)
        self.engine.setEnabled(there)
        self.engine.setToolTip(RUN_BY if there else NO_OPENMM)

    def _engine(self) -> str:
        """What was chosen, where it can be chosen."""
        ref = self.field.ref()
        can = ref is not None and ref.key in OPENMM and self.engine.isEnabled()
        return str(self.engine.currentData()) if can else "pescape"

    # -- answers ------------------------------------------------------------------------------
    def problem(self) -> str:
        """Why nothing can be run yet; "" when it can."""
        if self.error:
            return self.error
        if self.field.ref() is None:
            return "The list of force fields is not there yet."
        if self.start.count() == 0:
            return "Import a data set or a molecule first."
        if self.molecule is None:
            return "Reading the starting geometry …"
        if self.time.value() * 1000 < self.dt.value():
            return "The length is shorter than one time step."
        if self._engine() == "openmm" and self.replicas.value() > OPENMM_REPLICAS:
            return f"OpenMM runs up to {OPENMM_REPLICAS} replicas here; let PEScape run more."
        return ""

    def advice(self) -> str:
        """What a person should think about before the run; "" for nothing."""
        if self.molecule is None:
            return ""
        light = bool((self.molecule.numbers == 1).any())
        limit = HYDROGEN_STEP if light else HEAVY_STEP
        if self.dt.value() > limit:
            what = "X–H stretches (period about 9 fs)" if light else "the fastest vibrations"
            return f"A time step above {limit:g} fs is too long for {what}."
        return ""

    def spec(self, *, name: str = "", out: str = "") -> DynamicsSpec:
        """The request. Raises ValueError with `problem()` when there is one."""
        problem, ref, molecule = self.problem(), self.field.ref(), self.molecule
        if problem or ref is None or molecule is None:
            raise ValueError(problem)
        shown = self.session.geometries
        if self.start.currentData() == "" and shown is not None:
            now = np.array(shown.positions[self.session.frame])
            molecule = dataclasses.replace(shown.molecule, positions=now)
        return DynamicsSpec(
            molecule=molecule,
            field=ref,
            ensemble=str(self.ensemble.currentData()),
            dt=self.dt.value(),
            time=self.time.value() * 1000.0,
            temperature=self.temperature.value(),
            friction=self.friction.value() / 1000.0,
            replicas=self.replicas.value(),
            stride=self.stride.value(),
            seed=self.seed.value(),
            max_stretch=self.stretch.value(),
            max_energy=self.energy.value(),
            engine=self._engine(),
            name=name,
            out=out,
        )


def _form() -> QFormLayout:
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(4)
    form.setHorizontalSpacing(6)
    return form


def _number(
    name: str, low: float, high: float, value: float, digits: int, unit: str, step: float, tip: str
) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(digits)
    box.setRange(low, high)
    box.setValue(value)
    box.setSingleStep(step)
    box.setSuffix(f" {unit}")
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setAccessibleName(f"{name} ({unit})")
    box.setToolTip(f"{name}: {tip}")
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumWidth(90)
    return box


def _whole(name: str, low: int, high: int, value: int, tip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setAccessibleName(name)
    box.setToolTip(f"{name}: {tip}")
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumWidth(90)
    return box
