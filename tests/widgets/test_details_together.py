"""The details of a combined fit: frames of one molecule are told apart from those of all."""

from __future__ import annotations

import dataclasses

from core.analyses.fit import FitSpec
from core.units import ENERGY_UNITS
from tests.widgets.lab import make_fit
from widgets.fit.molecules import Portion
from widgets.fit.result import FitResult
from widgets.training.preview import SplitPreview


def shown(qtbot, lab, *, molecules: int) -> dict[str, str]:
    spec = FitSpec("gap", str(lab.data.record), n_train=10, label="both")
    fit = make_fit(lab.project.reserve("fits", "both"), spec, 0.04)
    fit = dataclasses.replace(fit, info={"training frames": "22"})
    portions = tuple(Portion(f"m{k}", "C2H6O", "", fit) for k in range(molecules))
    before = SplitPreview(lab.session, lambda: "", list)
    result = FitResult(lab.session, before)
    qtbot.addWidget(result)
    unit = ENERGY_UNITS["kcal/mol"]
    result.show_fit(fit, "both", unit, item_id="x", portions=portions if molecules > 1 else ())
    return dict(result.details.shown())


def test_the_frames_of_one_molecule_and_of_all(qtbot, lab):
    facts = shown(qtbot, lab, molecules=2)
    assert facts["training frames"] == "10"
    assert facts["training frames of all"] == "22"


def test_what_a_fit_of_one_molecule_says_itself_comes_first(qtbot, lab):
    facts = shown(qtbot, lab, molecules=1)
    assert facts["training frames"] == "22"  # for example fewer, where it was stopped
    assert "training frames of all" not in facts
