"""The form of the training panel: on what, how split, which force field, with which settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.analyses.estimate import EstimateSpec
from core.analyses.fit import FitSpec
from core.dataset import Dataset
from core.forcefields.info import Info
from widgets.dataset_choice import holds
from widgets.forms import Choice, Form
from widgets.later import Refill
from widgets.loading import load_item
from widgets.naming import named, push_button, text_label
from widgets.session import Session
from widgets.training.cost import Cost
from widgets.training.delta import KEY, OnTop, correction_of, settings_from
from widgets.training.rows import group
from widgets.training.split import METHODS, REGION, SplitGroup
from widgets.training.together import Together

__all__ = ["METHODS", "TrainingForm"]


class TrainingForm(QWidget):
    """Makes FitSpecs. Emits `train_requested` when it is valid and Train is pressed."""

    train_requested = Signal(object, str)  # FitSpec without out, name of the fit
    edited = Signal()  # something that a spec is made of

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.dataset: Dataset | None = None
        self._dataset_problem = ""
        self._kept: dict[str, dict[str, Any]] = {}  # settings of each force field, while switching
        self._shown_key = ""
        self._named = False  # the person gave the name
        self._data_by_hand = False  # the person chose the data set
        self._refusal = ""
        self._build()
        session.catalog_changed.connect(self.fill_fields)
        Refill(self, session, self._items_changed)
        self.fill_datasets()
        self.fill_fields()

    # -- building -----------------------------------------------------------------------------
    def _build(self) -> None:
        self.data = Choice()
        self.found = text_label("What the data set holds", wrap=True)
        self.together = Together(self.session)
        self.split = SplitGroup(self.session)
        self.n_train, self.n_valid = self.split.n_train, self.split.n_valid
        self.n_test, self.seed = self.split.n_test, self.split.seed
        self.method = self.split.method
        self.field = Choice()
        self.about = text_label("About the force field", wrap=True)
        self.about.setOpenExternalLinks(True)
        self.form = Form()
        self.on_top = OnTop(self.session)
        self.name = named(QLineEdit(), "Name of the new force field")
        self.device = Choice()
        for combo in (self.data, self.field, self.device):  # long names must not widen the form
            combo.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(8)
        self.problem = text_label("What must be corrected", wrap=True)
        self.problem.setForegroundRole(self.palette().ColorRole.BrightText)
        self.cost = Cost(self.session)
        self.train = push_button("Train", "Start training (Ctrl+Return)")
        self.train.setShortcut("Ctrl+Return")

        data = group("Data", (("Data set", self.data, "Frames with energies and forces"),
                              ("", self.found, ""), ("", self.together, "")))  # fmt: skip
        field = group("Force field", (("Method", self.field, "What is trained"),
                                      ("", self.about, "")))  # fmt: skip
        rows = field.layout()
        assert isinstance(rows, QFormLayout)
        rows.addRow(self.form)
        rows.addRow(self.on_top)
        rows.addRow("Device", self.device)
        rows.addRow("Name", self.name)
        self.device.setToolTip("Where it is computed; never changed silently")
        self.device.setAccessibleName("Device")
        self.name.setToolTip("What the new force field is called in plots and tables")
        for text in (self.found, self.about, self.problem):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 4, 6, 4)
        for w in (data, self.split, field):
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
        self.split.changed.connect(self._edited)
        self.together.changed.connect(self._edited)
        self.form.changed.connect(self._edited)
        self.on_top.changed.connect(self._edited)
        self.name.textEdited.connect(self._name_edited)
        self.train.clicked.connect(self._train)
        self.cost.timer.timeout.connect(self._ask_cost)
        self.cost.judged.connect(self._judged)

    # -- data set -----------------------------------------------------------------------------
    def fill_datasets(self) -> None:
        """Read the project's data sets again; keeps the choice of the person, else the largest."""
        project = self.session.project
        items = () if project is None else project.items("datasets")
        items = tuple(i for i in items if i.record.exists())
        before = self.data.currentData()
        kept = before if self._data_by_hand else None
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
        else:
            self.together.fill(str(before), self.dataset)

    def choose_dataset(self, item_id: str) -> None:
        """Choose a data set by its item; unknown ones are ignored."""
        at = self.data.findData(item_id)
        if at >= 0:
            self._data_by_hand = True
            self.data.setCurrentIndex(at)

    def _load(self) -> None:
        self.dataset, self._dataset_problem = None, ""
        self.split.split = None  # those frames were of another data set
        item_id = self.data.currentData()
        self.together.fill(item_id or "", None)
        if item_id is None:
            self.found.setText("")
            self.split.give(None)
            return
        self.found.setText("reading …")
        item = self.session.project.item(item_id)
        load_item(self, self.session.project, item,
                  done=self._only_if(item_id, self._loaded),
                  failed=self._only_if(item_id, self._not_loaded))  # fmt: skip
        self.split.give(None)

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
        found, self._dataset_problem = holds(dataset)
        self.found.setText(found)
        self.on_top.fill(dataset)
        self.together.fill(self.data.currentData(), dataset)
        self._edited()

    # -- force field --------------------------------------------------------------------------
    def fill_fields(self) -> None:
        """Read the catalogue again; keeps the choice, else sGDML."""
        kept = self.field.currentData() or "sgdml"
        self.field.blockSignals(True)
        self.field.clear()
        for info in self.session.catalog:
            if info.trainable and info.key != KEY:  # "On top of" makes the composite
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
        self.on_top.fill(self.dataset)
        self._field_chosen()

    def _items_changed(self, kind: str) -> None:
        if kind == "fits":
            self.on_top.fill(self.dataset)

    def info(self) -> Info | None:
        """The chosen force field."""
        key = self.field.currentData()
        return next((i for i in self.session.catalog if i.key == key), None)

    def _tell_method(self) -> None:
        """Let the list of other molecules know whether they can be learnt too."""
        info, corrects = self.info(), self.on_top.ref() is not None
        self.together.set_method(
            info.label if info else "",
            combines=info is not None and info.combines and not corrects,
            energies_suffice=info is not None and info.energies_suffice,
            corrects=corrects,
        )

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

    # -- judging ------------------------------------------------------------------------------
    def problems(self) -> tuple[str, ...]:
        """All that keeps Train from working, in words; empty = ready."""
        if self.data.currentData() is None:
            return ("Open a file with energies and forces first (File, Open).",)
        if self._dataset_problem:
            return (self._dataset_problem,)
        if not self.field.count():
            return ("The list of force fields is on its way …",)
        rows = [*self.split.problems(self.dataset), *self.form.problems()]
        rows += self.together.problems()
        if self.together.ticked() and self.method.currentText() == REGION:
            rows.append(f"Drawn {REGION}: its dihedral is of one molecule, not of several")
        info = self.info()
        if not rows and self.dataset is not None and info is not None:
            few = self.split.too_many(
                self.dataset, energies_suffice=info.energies_suffice, method=info.label
            )
            rows += [few] if few else []
        if not self.name.text().strip():
            rows.append("Name: a name is needed")
        return tuple(rows)

    def _edited(self) -> None:
        self._refusal = ""
        self._tell_method()
        if not self._named:
            self.name.setText(self._suggest())
        self._show_state()
        self.cost.wait()
        self.edited.emit()

    def _show_state(self) -> None:
        problems = self.problems() or ((self._refusal,) if self._refusal else ())
        self.problem.setText("\n".join(problems))
        self.problem.setVisible(bool(problems))
        self.train.setEnabled(not problems and self.dataset is not None)

    def _suggest(self) -> str:
        info = self.info()
        if info is None or (self.split.split is None and self.n_train.problem()):
            return ""
        base = f"{self.on_top.label(info.label)} {self.split.train_size()}"
        base += self.together.sizes_text()
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
        key, hyper = self._key_and_hyper()
        self.cost.ask(
            EstimateSpec(
                key, self.dataset.molecule, self.split.train_size(), hyper,
                device=str(self.device.currentData()), others=self.together.costs(),
            )
        )  # fmt: skip

    def showEvent(self, event) -> None:
        super().showEvent(event)
        if not self.cost.text():
            self.cost.timer.start()

    def _judged(self, problem: str) -> None:
        self._refusal = problem
        self._show_state()

    # -- train --------------------------------------------------------------------------------
    def _key_and_hyper(self) -> tuple[str, dict[str, Any]]:
        return self.on_top.wrap(str(self.field.currentData()), self.form.values())

    def spec(self) -> FitSpec:
        """What Train would submit, without `out`. Raises ValueError while there is a problem."""
        problems = self.problems()
        if problems:
            raise ValueError(problems[0])
        item = self.session.project.item(self.data.currentData())
        key, hyper = self._key_and_hyper()
        given = self.split.split
        sizes = (self.n_train, self.n_valid, self.n_test)
        n_train, n_valid, n_test = (
            (len(given.train), len(given.valid), len(given.test))
            if given is not None
            else (int(box.value()) for box in sizes)
        )
        return FitSpec(
            key=key,
            dataset=str(item.record),
            n_train=n_train,
            n_valid=n_valid,
            n_test=n_test,
            seed=int(self.seed.value()),
            method=self.method.currentText(),
            hyper=hyper,
            split=given,
            device=str(self.device.currentData()),
            label=self.name.text().strip(),
            region=self.split.region_text(),
            others=self.together.shares(),
        )

    def _train(self) -> None:
        if self.train.isEnabled():
            self.train_requested.emit(self.spec(), self.name.text().strip())

    def fill(self, spec: FitSpec) -> str:
        """Show a spec that somebody proposes (a study, an earlier fit).

        Returns "" or what could not be taken over, in words.
        """
        infos = {i.key: i for i in self.session.catalog}
        project = self.session.project
        items = () if project is None else project.items("datasets")
        item = next((i for i in items if str(i.record) == spec.dataset), None)
        key = correction_of(spec.key, spec.hyper, infos)
        if item is None:
            return "The data set of this proposal is not in the project any more."
        if not key or self.field.findData(key) < 0:
            return f"This force field is not here: {spec.key}"
        self.choose_dataset(item.id)
        self.field.setCurrentIndex(self.field.findData(key))
        below = spec.key == KEY
        if self.dataset is None:
            self.on_top.fill(None)  # on its way: any base may fit
        problem = self.on_top.take(spec.hyper if below else None)
        texts: dict[str, Any] = spec.hyper
        if below:
            texts = settings_from(str(spec.hyper.get("correction_settings", "")))
        self.form.reset()
        problem = self.form.take(texts) or problem
        sizes = (spec.n_train, spec.n_valid, spec.n_test)
        self.split.fill(sizes=sizes, seed=spec.seed, method=spec.method, region=spec.region)
        self.split.give(spec.split)
        problem = self.together.take(spec.others) or problem
        at = self.device.findData(spec.device)
        self.device.setCurrentIndex(at if at >= 0 else self.device.currentIndex())
        self.suggest_again()
        return problem
