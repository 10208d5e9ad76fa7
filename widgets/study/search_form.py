"""What a search of settings is made with: data set, force field, ranges, grid or Optuna."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.analyses.search import Range, SearchSpec, grid_values
from widgets.dataset_choice import narrow
from widgets.forms import Choice
from widgets.naming import named, text_label
from widgets.study.cost import Question
from widgets.study.field import FieldChoice
from widgets.study.form import count_box
from widgets.study.one_field import OneFieldForm
from widgets.study.ranges import RangeTable

MOST = 2000  # trainings of one search, as core.fitting.search has it
ASKED = 8  # trainings whose cost stands for that of all
METHODS = (("Grid: all combinations", "grid"), ("Optuna: learns from the trials", "optuna"))
OBJECTIVES = (
    ("Force RMSE", "force"),
    ("Energy RMSE", "energy"),
    ("Both (their product)", "both"),
)


class SearchForm(OneFieldForm):
    """Makes SearchSpecs."""

    ACTION, TIP = "Search", "Train with every combination, judge on the validation frames"
    WORD = "Search"

    def build(self) -> None:
        self.field = FieldChoice(self.settings)
        self.ranges = RangeTable()
        self.how = named(narrow(Choice()), "Method of the search", "Which settings are tried")
        for text, key in METHODS:
            self.how.addItem(text, key)
        self.trials = count_box(30, "Trainings that Optuna may make", low=1)
        self.objective = named(narrow(Choice()), "Objective", "What is made small")
        for text, key in OBJECTIVES:
            self.objective.addItem(text, key)
        self.objective.setToolTip("What is made small, on the validation frames")
        self.n_train = count_box(200, "Frames of each training", low=1)
        self.trainings = text_label("Number of trainings", wrap=True)
        self.section("Data", (("", self.data), ("Training", self.n_train),
                              ("Validation", self.n_valid), ("Drawn", self.method),
                              ("Seed", self.seed)))  # fmt: skip
        self.section("Force field", (("", self.field), ("Device", self.device)))
        self.section("Settings that vary", (("", self.ranges),))
        form = self.section("Search", (("Method", self.how), ("Trials", self.trials),
                                       ("Objective", self.objective), ("Name", self.name),
                                       ("", self.trainings)))  # fmt: skip
        self._trials_row = form
        self.n_valid.setToolTip("Frames on which the trainings are compared")
        self.n_valid.low = 1
        self.field.changed.connect(self.edited)
        self.field.field_changed.connect(self._field_chosen)
        self.ranges.changed.connect(self.edited)
        for box in (self.trials, self.n_train):
            box.changed.connect(self.edited)
        self.how.currentIndexChanged.connect(lambda _i: self._how_chosen())
        self.objective.currentIndexChanged.connect(lambda _i: self.edited())
        self._trials_row.setRowVisible(self.trials, False)

    def _field_chosen(self) -> None:
        info = self.field.info()
        self.ranges.set_parameters(info.parameters if info is not None else ())
        self.edited()

    def _how_chosen(self) -> None:
        optuna = self.how.currentData() == "optuna"
        self._trials_row.setRowVisible(self.trials, optuna)
        for row in self.ranges.rows:
            if row.numeric:
                row.steps.setEnabled(not optuna)
        self.edited()

    def _usable(self) -> int:
        info = self.field.info()
        return self.data.usable(energies_suffice=bool(info and info.energies_suffice))

    def data_loaded(self) -> None:
        usable = self._usable()
        for box, most in ((self.n_train, usable // 2), (self.n_valid, usable // 4)):
            if not box.problem() and box.value() > most:
                box.set_value(max(1, most))

    def count(self) -> int:
        """How many trainings it makes; only where no range has a problem."""
        if self.how.currentData() == "optuna":
            return int(self.trials.value())
        return math.prod(len(grid_values(r)) for r in self.ranges.ranges())

    def own_problems(self) -> list[str]:
        titles = [("Training", self.n_train)]
        if self.how.currentData() == "optuna":
            titles.append(("Trials", self.trials))
        rows = [f"{title}: {box.problem()}" for title, box in titles if box.problem()]
        rows += self.ranges.problems()
        self.trainings.setText("")
        if rows or self.n_valid.problem():
            return rows
        asked, usable = self.n_train.value() + self.n_valid.value(), self._usable()
        if asked > usable:
            rows.append(f"{asked} frames asked, but only {usable} have labels")
        total = self.count()
        if total > MOST:
            rows.append(f"{total} trainings; at most {MOST}: take fewer steps")
        elif not rows:
            self.trainings.setText(f"{total} trainings")
        return rows

    def questions(self) -> list[Question]:
        """A few of the trainings stand for all."""
        rng = np.random.default_rng(0)
        ranges, total = self.ranges.ranges(), self.count()
        asked = min(ASKED, total)
        if self.how.currentData() == "grid":
            axes = [grid_values(r) for r in ranges]
            shape = tuple(len(a) for a in axes)
            places = np.unravel_index(np.linspace(0, total - 1, asked).round().astype(int), shape)
            tried = [
                {r.name: axis[i] for r, axis, i in zip(ranges, axes, at, strict=True)}
                for at in zip(*(p.tolist() for p in places), strict=True)
            ]
        else:
            tried = [{r.name: _somewhere(r, rng) for r in ranges} for _ in range(asked)]
        n = int(self.n_train.value())
        return [(self.estimate(n, **one), total / asked) for one in tried]

    def make(self, name: str) -> Any:
        return SearchSpec(
            fit=self.fit(),
            ranges=self.ranges.ranges(),
            method=str(self.how.currentData()),
            trials=int(self.trials.value()) if self.how.currentData() == "optuna" else self.count(),
            objective=str(self.objective.currentData()),
            label=name,
        )


def _somewhere(r: Range, rng: np.random.Generator) -> Any:
    if r.choices:
        return r.choices[int(rng.integers(len(r.choices)))]
    if r.log:
        value = float(np.exp(rng.uniform(np.log(r.low), np.log(r.high))))
    else:
        value = float(rng.uniform(r.low, r.high))
    return round(value) if r.whole else value
