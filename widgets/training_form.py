"""The form of the training panel: on what, how split, which force field, with which settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.analyses.estimate import Estimate, EstimateSpec
from core.analyses.fit import FitSpec
from core.dataset import Dataset
from core.forcefields.info import Info
from widgets.fit_result import bytes_text, rough_seconds
from widgets.forms import Choice, Form, NumberBox
from widgets.loading import load_item
from widgets.naming import named, push_button, text_label
from widgets.session import Session

WAIT_MS = 350  # after the last keystroke, before the cost is asked for
#: How training frames are drawn (the keys of core.fitting.splits.METHODS), and what that means.
METHODS = {
    "energy-stratified": "training frames cover the energies as the data set does",
    "random": "every frame is as likely as any other",
    "evenly-spaced": "every k-th frame: for trajectories",
    "farthest-point": "the most different geometries first",
    "cluster": "as many frames from every group of like shapes",
    "trajectory-block": "training, validation and test frames from separate stretches of the file",
    "surface-region": "trained inside a range of a dihedral, tested outside",
}


class TrainingForm(QWidget):
    """Makes FitSpecs. Emits `train_requested` when it is valid and Train is pressed."""

    train_requested = Signal(object, str)  # FitSpec without out, name of the fit

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.dataset: Dataset | None = None
        self._dataset_problem = ""
        self._kept: dict[str, dict[str, Any]] = {}  # settings of each force field, while switching
        self._shown_key = ""
        self._estimating = ""  # job
        self._named = False  # the person gave the name
        self._data_by_hand = False  # the person chose the data set
        self._refusal = ""
        self._build()
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self._ask_cost)
        session.catalog_changed.connect(self.fill_fields)
        session.job_event.connect(self._job_event)
        self.fill_datasets()
        self.fill_fields()

    # -- building -----------------------------------------------------------------------------
    def _build(self) -> None:
        self.data = Choice()
        self.found = text_label("What the data set holds", wrap=True)
        self.n_train = self._count(200, "Frames to train on", low=1)
        self.n_valid = self._count(100, "Frames to choose settings on (for example σ)")
        self.n_test = self._count(0, "Frames to measure errors on; 0 = all that are left, "
                                  "at most 1000")  # fmt: skip
        self.seed = self._count(0, "The same seed draws the same frames")
        self.method = Choice()
        for k, (key, tip) in enumerate(METHODS.items()):
            self.method.addItem(key)
            self.method.setItemData(k, tip, Qt.ItemDataRole.ToolTipRole)
        self.field = Choice()
        self.about = text_label("About the force field", wrap=True)
        self.about.setOpenExternalLinks(True)
        self.form = Form()
        self.name = named(QLineEdit(), "Name of the new force field")
        self.device = Choice()
        for combo in (self.data, self.field, self.device):  # long names must not widen the form
            combo.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(8)
        self.problem = text_label("What must be corrected", wrap=True)
        self.problem.setForegroundRole(self.palette().ColorRole.BrightText)
        self.cost = text_label("Cost of this training", wrap=True)
        self.train = push_button("Train", "Start training (Ctrl+Return)")
        self.train.setShortcut("Ctrl+Return")

        data = self._group("Data", (("Data set", self.data, "Frames with energies and forces"),
                                    ("", self.found, "")))  # fmt: skip
        split = self._group("Split", (
            ("Training", self.n_train, self.n_train.toolTip()),
            ("Validation", self.n_valid, self.n_valid.toolTip()),
            ("Test", self.n_test, self.n_test.toolTip()),
            ("Drawn", self.method, "How the frames are drawn"),
            ("Seed", self.seed, self.seed.toolTip()),
        ))  # fmt: skip
        field = self._group("Force field", (("Method", self.field, "What is trained"),
                                            ("", self.about, "")))  # fmt: skip
        rows = field.layout()
        assert isinstance(rows, QFormLayout)
        rows.addRow(self.form)
        rows.addRow("Device", self.device)
        rows.addRow("Name", self.name)
        self.device.setToolTip("Where it is computed; never changed silently")
        self.device.setAccessibleName("Device")
        self.name.setToolTip("What the new force field is called in plots and tables")
        for text in (self.found, self.about, self.problem, self.cost):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 4, 6, 4)
        for w in (data, split, field):
            box.addWidget(w)
        box.addStretch(1)
        # stays in sight however long the form is: the panel puts it under the scrolling part
        self.foot = QWidget()
        foot = QVBoxLayout(self.foot)
        foot.setContentsMargins(6, 0, 6, 4)
        for part in (self.problem, self.cost, self.train):
            foot.addWidget(part)

        self.data.activated.connect(self._chosen_by_hand)
        self.data.currentIndexChanged.connect(lambda _i: self._load())
        self.field.currentIndexChanged.connect(lambda _i: self._field_chosen())
        for number in (self.n_train, self.n_valid, self.n_test, self.seed):
            number.changed.connect(self._edited)
        self.method.currentIndexChanged.connect(lambda _i: self._edited())
        self.form.changed.connect(self._edited)
        self.name.textEdited.connect(self._name_edited)
        self.train.clicked.connect(self._train)

    def _count(self, value: int, tip: str, *, low: int = 0) -> NumberBox:
        box = NumberBox("int", low=low, high=10_000_000)
        box.set_value(value)
        box.setToolTip(tip)
        return box

    def _group(self, title: str, rows: tuple[tuple[str, QWidget, str], ...]) -> QGroupBox:
        group = QGroupBox(title)
        form = QFormLayout(group)
        form.setContentsMargins(8, 4, 8, 6)
        form.setVerticalSpacing(3)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for text, widget, tip in rows:
            if not text:
                form.addRow(widget)
                continue
            widget.setToolTip(tip)
            widget.setAccessibleName(text)
            form.addRow(text, widget)
        return group

    # -- filling ------------------------------------------------------------------------------
    def fill_datasets(self) -> None:
        """Read the project's data sets again; keeps the choice, else takes the largest."""
        before = self.data.currentData()
        kept = before if self._data_by_hand else None
        items = [] if self.session.project is None else self.session.project.items("datasets")
        items = [i for i in items if i.record.exists()]
        self.data.blockSignals(True)
        self.data.clear()
        for item in items:
            self.data.addItem(item.name, item.id)
        at = self.data.findData(kept)
        if at < 0 and items:  # the most to train on; a surface or a test set is smaller
            at = max(range(len(items)), key=lambda k: items[k].record.stat().st_size)
        self.data.setCurrentIndex(at)
        self.data.blockSignals(False)
        if self.data.currentData() != before or self.dataset is None:
            self._load()

    def choose_dataset(self, item_id: str) -> None:
        """Choose a data set by its item; unknown ones are ignored."""
        at = self.data.findData(item_id)
        if at >= 0:
            self._data_by_hand = True
            self.data.setCurrentIndex(at)

    def fill_fields(self) -> None:
        """Read the catalogue again; keeps the choice, else sGDML."""
        kept = self.field.currentData() or "sgdml"
        self.field.blockSignals(True)
        self.field.clear()
        for info in self.session.catalog:
            if info.trainable:
                self.field.addItem(info.label, info.key)
        at = self.field.findData(kept)
        self.field.setCurrentIndex(at if at >= 0 else (0 if self.field.count() else -1))
        self.field.blockSignals(False)
        devices = getattr(self.session, "devices", None) or {"cpu": "CPU"}
        device = self.device.currentData() or "cpu"
        self.device.clear()
        for name, what in devices.items():
            self.device.addItem(name if name == what else f"{name}: {what}", name)
        self.device.setCurrentIndex(max(0, self.device.findData(device)))
        self._field_chosen()

    def info(self) -> Info | None:
        """The chosen force field."""
        key = self.field.currentData()
        return next((i for i in self.session.catalog if i.key == key), None)

    def _field_chosen(self) -> None:
        if self._shown_key and not self.form.problems():
            self._kept[self._shown_key] = self.form.values()
        info = self.info()
        self._shown_key = info.key if info else ""
        self.form.set_parameters(info.parameters if info else ())
        if info and info.key in self._kept:
            self.form.set_values(self._kept[info.key])
        doi = f' <a href="https://doi.org/{info.doi}">Paper</a>' if info and info.doi else ""
        self.about.setText((info.about if info else "") + doi)
        self.about.setVisible(bool(self.about.text()))
        self._edited()

    def _load(self) -> None:
        self.dataset, self._dataset_problem = None, ""
        item_id = self.data.currentData()
        if item_id is None:
            self.found.setText("")
            self._edited()
            return
        self.found.setText("reading …")
        item = self.session.project.item(item_id)
        load_item(self, self.session.project, item,
                  done=self._only_if(item_id, self._loaded),
                  failed=self._only_if(item_id, self._not_loaded))  # fmt: skip
        self._edited()

    def _chosen_by_hand(self, _row: int) -> None:
        self._data_by_hand = True

    def _only_if(self, item_id: str, call: Callable[[Any], None]) -> Callable[[Any], None]:
        """Drop the answer when another data set was chosen meanwhile."""
        return lambda what: call(what) if self.data.currentData() == item_id else None

    def _not_loaded(self, sentence: str) -> None:
        self._dataset_problem = sentence
        self.found.setText("")
        self._edited()

    def _loaded(self, dataset: Dataset) -> None:
        self.dataset = dataset
        energies, forces = int(dataset.has_energy.sum()), int(dataset.has_forces.sum())
        level = f", {dataset.level}" if dataset.level else ""
        self.found.setText(
            f"{dataset.molecule.formula}: {len(dataset)} frames, {energies} energies and {forces} "
            f"forces found{level}"
        )
        if not forces and not energies:
            self._dataset_problem = "No frame of this data set has labels: nothing to train on."
        self._edited()

    # -- judging ------------------------------------------------------------------------------
    def problems(self) -> tuple[str, ...]:
        """All that keeps Train from working, in words; empty = ready."""
        if self.data.currentData() is None:
            return ("Open a file with energies and forces first (File, Open).",)
        if self._dataset_problem:
            return (self._dataset_problem,)
        if not self.field.count():
            return ("The list of force fields is on its way …",)
        rows = []
        titles = (("Training", self.n_train), ("Validation", self.n_valid),
                  ("Test", self.n_test), ("Seed", self.seed))  # fmt: skip
        rows += [f"{title}: {box.problem()}" for title, box in titles if box.problem()]
        rows += self.form.problems()
        if not rows and self.dataset is not None:
            usable, what = int(self.dataset.has_forces.sum()), "forces"
            info = self.info()
            if not usable and info is not None and info.energies_suffice:
                usable, what = int(self.dataset.has_energy.sum()), "an energy"
            asked = self.n_train.value() + self.n_valid.value() + self.n_test.value()
            if not usable:
                method = info.label if info is not None else "it"
                rows.append(f"No frame has forces: nothing to train on for {method}")
            elif self.n_train.value() >= usable or asked > usable:
                rows.append(f"{asked} frames asked, but only {usable} have {what}")
        if not self.name.text().strip():
            rows.append("Name: a name is needed")
        return tuple(rows)

    def _edited(self) -> None:
        self._refusal = ""
        if not self._named:
            self.name.setText(self._suggest())
        self._show_state()
        self.cost.setText("")
        self._timer.start()

    def _show_state(self) -> None:
        problems = self.problems() or ((self._refusal,) if self._refusal else ())
        self.problem.setText("\n".join(problems))
        self.problem.setVisible(bool(problems))
        self.train.setEnabled(not problems and self.dataset is not None)

    def _suggest(self) -> str:
        info = self.info()
        if info is None or self.n_train.problem():
            return ""
        base = f"{info.label} {self.n_train.value()}"
        names = set()
        if self.session.project is not None:
            names = {i.name for i in self.session.project.items("fits")}
        k, name = 2, base
        while name in names:
            name, k = f"{base} ({k})", k + 1
        return name

    def suggest_again(self) -> None:
        """After a fit was added: the next one needs another name."""
        self._named = False
        self.name.setText(self._suggest())
        self._show_state()

    def _name_edited(self, text: str) -> None:
        self._named = bool(text.strip())
        self._show_state()

    # -- cost ---------------------------------------------------------------------------------
    def _ask_cost(self) -> None:
        if not self.isVisible() or self.problems() or self.dataset is None:
            return
        spec = EstimateSpec(
            str(self.field.currentData()),
            self.dataset.molecule,
            int(self.n_train.value()),
            self.form.values(),
        )
        if self._estimating:
            self.session.cancel(self._estimating)
        try:
            self._estimating = self.session.submit(spec, title="Estimating the cost")
            self.cost.setText("Estimating the cost …")
        except RuntimeError:
            self._estimating = ""  # no engine yet: the catalogue's arrival asks again

    def showEvent(self, event) -> None:
        super().showEvent(event)
        if not self.cost.text():
            self._timer.start()

    def _job_event(self, job: str, event: Any) -> None:
        if not job or job != self._estimating or event.kind not in ("done", "failed", "cancelled"):
            return
        self._estimating = ""
        self.cost.setText("")
        if event.kind == "done" and isinstance(event.payload.get("result"), Estimate):
            self._show_cost(event.payload["result"])

    def _show_cost(self, e: Estimate) -> None:
        self._refusal = e.problem
        self.cost.setText("")
        if e.seconds > 0 or e.bytes > 0:
            memory = f", {bytes_text(e.bytes)} of memory" if e.bytes > 0 else ""
            self.cost.setText(f"About {rough_seconds(e.seconds)}{memory}")
            if e.available and e.bytes > e.available:
                self.cost.setText(
                    f"{self.cost.text()}: more than the {bytes_text(e.available)} that are free. "
                    "Take fewer training frames."
                )
        self._show_state()

    # -- train --------------------------------------------------------------------------------
    def spec(self) -> FitSpec:
        """What Train would submit, without `out`. Raises ValueError while there is a problem."""
        problems = self.problems()
        if problems:
            raise ValueError(problems[0])
        item = self.session.project.item(self.data.currentData())
        return FitSpec(
            key=str(self.field.currentData()),
            dataset=str(item.record),
            n_train=int(self.n_train.value()),
            n_valid=int(self.n_valid.value()),
            n_test=int(self.n_test.value()),
            seed=int(self.seed.value()),
            method=self.method.currentText(),
            hyper=self.form.values(),
            device=str(self.device.currentData()),
            label=self.name.text().strip(),
        )

    def _train(self) -> None:
        if self.train.isEnabled():
            self.train_requested.emit(self.spec(), self.name.text().strip())
