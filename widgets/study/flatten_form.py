"""What a flattened training set is made with: data set, force field, groups and rounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.analyses.flatten import FlattenSpec, compared
from widgets.forms import NumberBox
from widgets.naming import named, text_label
from widgets.study.cost import Question
from widgets.study.field import FieldChoice
from widgets.study.form import count_box
from widgets.study.one_field import OneFieldForm

HALF = "Frames to compare on; 0 = half of what is left, at most 1000: the rest can be chosen"
FEW = 3  # test frames that a group should have on average


class FlattenForm(OneFieldForm):
    """Makes FlattenSpecs."""

    ACTION, TIP = "Flatten the error", "Train, add frames from the worst groups, repeat"
    WORD = "Flattened"

    def build(self) -> None:
        self.field = FieldChoice(self.settings)
        self.n_train = count_box(200, "Frames of the finished training set", low=2)
        self.n_test = count_box(0, HALF, zero="half of the rest")
        self.groups = NumberBox("int", low=2, high=10_000)
        self.groups.set_value(50)
        named(self.groups, "Groups", "Groups of like shapes that the data set is sorted into")
        self.rounds = NumberBox("int", low=1, high=1000)
        self.rounds.set_value(8)
        named(self.rounds, "Rounds", "How often frames are added from the worst groups")
        self.begin = NumberBox("float", low=1, high=99)
        self.begin.set_value(25)
        named(self.begin, "First share in %", "Share of the frames drawn at first, in %")
        self.trainings = text_label("Number of trainings", wrap=True)
        self.section("Data", (("", self.data),))
        self.section("Force field", (("", self.field), ("Device", self.device)))
        self.section(
            "Training set",
            (
                ("Training", self.n_train),
                ("Validation", self.n_valid),
                ("Test", self.n_test),
                ("Groups", self.groups),
                ("Rounds", self.rounds),
                ("Drawn first (%)", self.begin),
                ("Drawn", self.method),
                ("Seed", self.seed),
                ("Name", self.name),
                ("", self.trainings),
            ),
        )
        self.field.changed.connect(self.edited)
        self.field.field_changed.connect(self.edited)
        for box in (self.n_train, self.n_test, self.groups, self.rounds, self.begin):
            box.changed.connect(self.edited)

    def data_loaded(self) -> None:
        usable = self.data.usable()
        for box, most in (
            (self.n_train, usable // 3),
            (self.n_valid, usable // 10),
            (self.groups, usable // 10),
        ):
            if not box.problem() and box.value() > most:
                box.set_value(max(2, most))

    def _boxes(self) -> list[tuple[str, NumberBox]]:
        return [
            ("Training", self.n_train),
            ("Test", self.n_test),
            ("Groups", self.groups),
            ("Rounds", self.rounds),
            ("Drawn first", self.begin),
        ]

    def own_problems(self) -> list[str]:
        rows = [f"{title}: {box.problem()}" for title, box in self._boxes() if box.problem()]
        self.trainings.setText("")
        if rows or self.n_valid.problem():
            return rows
        usable = self.data.usable()
        asked = self.n_train.value() + self.n_valid.value() + self.n_test.value()
        rest = usable - int(asked)
        left = int(self.n_test.value()) or (compared(rest) if rest > 0 else 0)
        if not usable:
            rows.append("No frame has forces: groups are compared by their forces")
        elif asked > usable or left < 1:
            rows.append(f"{asked} frames asked of {usable}, and some must be left to compare on")
        elif self.groups.value() >= usable:
            rows.append(f"Groups: fewer than the {usable} frames")
        else:
            total = len(self.sizes())
            text = f"{total} trainings, compared on {left} frames"
            if left < FEW * self.groups.value():
                text += ": few for so many groups"
            self.trainings.setText(text)
        return rows

    def sizes(self) -> list[int]:
        """Numbers of frames of each training."""
        total = int(self.n_train.value())
        first = max(2, round(self.begin.value() / 100 * total))
        steps = np.round(np.linspace(first, total, int(self.rounds.value()) + 1)).astype(int)
        return [*(int(n) for n in steps[:-1]), total, total]

    def questions(self) -> list[Question]:
        return [(self.estimate(n), 1.0) for n in self.sizes()]

    def make(self, name: str) -> Any:
        return FlattenSpec(
            fit=self.fit(n_test=int(self.n_test.value())),
            groups=int(self.groups.value()),
            start=float(self.begin.value()) / 100,
            rounds=int(self.rounds.value()),
            label=name,
        )
