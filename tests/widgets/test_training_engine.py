"""Training on the real engine: the split before it, delta-learning, and what is shown after it."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from app.bridge import Bridge
from core.engine.client import Engine
from core.fieldref import FieldRef
from core.forcefields.load import make
from core.project import Project
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import DELTA_GAIN
from widgets.panels.training import TrainingPanel
from widgets.session import Session

LEFT = Qt.MouseButton.LeftButton
N_TRAIN = 40


@pytest.fixture
def session(qtbot, tmp_path):
    made = Session()
    made.project = Project.create(tmp_path / "project", "training")
    made.project.add("datasets", "ethanol", labelled(ethanol_frames(80, seed=3)))
    bridge = Bridge(made, lambda: Engine(quick=True))
    bridge.start()
    yield made
    bridge.shutdown()
    made.project.close()


def test_sgdml_on_top_of_mmff94(qtbot, session):
    panel = TrainingPanel(session)
    qtbot.addWidget(panel)
    panel.resize(900, 640)
    panel.show()
    form, result = panel.form, panel.result
    qtbot.waitUntil(lambda: form.dataset is not None and form.field.count() > 0, timeout=60_000)
    form.n_train.set_value(N_TRAIN)
    form.n_valid.set_value(10)
    form.form.set_values({"sigma": 20.0})
    form.on_top.base.setCurrentIndex(form.on_top.base.findText("MMFF94"))
    qtbot.waitUntil(lambda: form.cost.text().startswith("About"), timeout=30_000)
    view = panel.preview.view
    qtbot.waitUntil(lambda: len(view.parts.frames.get("training", ())) == N_TRAIN, timeout=30_000)
    before = view.splitting.split
    assert view.splitting.angles.shape == (80, 2)

    with qtbot.waitSignal(session.item_selected):
        qtbot.mouseClick(form.train, LEFT)
    memory = []
    session.job_event.connect(
        lambda _job, event: memory.append(event.payload.get("memory", 0.0))
        if event.kind == "progress" else None
    )  # fmt: skip
    qtbot.waitUntil(lambda: result.fit is not None, timeout=60_000)
    fit = result.fit
    assert fit.key == "composite"
    assert fit.label == "MMFF94 + sGDML 40"
    assert max(memory) > 50e6, "a process with torch takes more"
    for part in ("train", "valid", "test"):  # as shown before
        assert np.array_equal(getattr(fit.split, part), getattr(before, part))

    test = form.dataset.positions[fit.split.test]
    alone = make(FieldRef("mmff94"), ETHANOL).predict(test).forces
    error = np.abs(alone - form.dataset.forces[fit.split.test]).mean()
    assert fit.errors.force_mae < DELTA_GAIN * error

    place = list(result.pages).index("Symmetries")
    qtbot.waitUntil(lambda: result.symmetry.list.count() > 0, timeout=10_000)
    assert result.tabs.isTabVisible(place)
    result.go_to("Frames")
    result.frames.step(0)
    qtbot.waitUntil(lambda: session.geometries is not None)
    worst = fit.split.test[np.argmax(fit.errors.frame_force_mae)]
    assert np.array_equal(session.geometries.positions[0], form.dataset.positions[worst])
