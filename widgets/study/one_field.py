"""What the forms of studies on one force field share: its choice, the fit that is varied, names."""

from __future__ import annotations

from typing import Any

from core.analyses.estimate import EstimateSpec
from core.analyses.fit import FitSpec
from widgets.forms import NumberBox
from widgets.study.field import FieldChoice
from widgets.study.form import StudyForm


class OneFieldForm(StudyForm):
    """Base of the forms with one `field`; a subclass makes it and `n_train` in `build`."""

    WORD = ""  # what its studies are called, before the force field's name
    field: FieldChoice
    n_train: NumberBox

    def fill_fields(self) -> None:
        self.field.fill()
        super().fill_fields()

    def suggestion(self) -> str:
        info = self.field.info()
        if info is None or self.n_train.problem():
            return ""
        return f"{self.WORD} {info.label} {self.n_train.value()}"

    def estimate(self, n_train: int, **hyper: Any) -> EstimateSpec:
        """The cost of one training on the chosen data set; hyper: settings that differ."""
        assert self.data.dataset is not None
        return EstimateSpec(
            str(self.field.field.currentData()),
            self.data.dataset.molecule,
            n_train,
            {**self.field.hyper(), **hyper},
            str(self.device.currentData()),
        )

    def fit(self, *, n_test: int = 0) -> FitSpec:
        """The training that the study varies."""
        return FitSpec(
            key=str(self.field.field.currentData()),
            dataset=str(self.data.item().record),
            n_train=int(self.n_train.value()),
            n_valid=int(self.n_valid.value()),
            n_test=n_test,
            seed=int(self.seed.value()),
            method=self.method.currentText(),
            region=self.region_text(),
            hyper=self.field.hyper(),
            device=str(self.device.currentData()),
        )
