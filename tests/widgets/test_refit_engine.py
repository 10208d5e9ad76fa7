"""Refit on the real engine: the profile comes nearer, an edit is drawn meanwhile, and back."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from app.bridge import Bridge
from core.analyses import parameter_scan
from core.analyses.fit import FitSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.surface import Axis
from core.engine.client import Engine
from core.engine.context import Context
from core.project import Project
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames, labelled
from widgets.panels.parameters import ParametersPanel
from widgets.parameter.document import same_terms
from widgets.refit.history import START
from widgets.session import Session

BEHIND = 10.0  # s: an answer that had to wait for the training would take longer


@pytest.fixture
def session(qtbot, tmp_path):
    made = Session()
    made.project = Project.create(tmp_path / "project", "refit")
    made.axes = (HYDROXYL, METHYL)
    axis = Axis(HYDROXYL, -np.pi, np.pi - np.pi / 12, 24)
    spec = ParameterScanSpec(ETHANOL, (axis,))
    scan = parameter_scan.run(spec, Context(lambda *_a, **_k: None))
    points = labelled(scan.positions, key="mmff94")
    made.project.add("datasets", "scan", dataclasses.replace(points, forces=None))
    frames = labelled(ethanol_frames(200, seed=1), key="mmff94")
    made.project.add("datasets", "frames", frames)
    bridge = Bridge(made, lambda: Engine(quick=True))
    bridge.start()
    yield made
    bridge.shutdown()
    made.project.close()


def test_a_refit_from_the_editor_and_back(qtbot, session):
    panel = ParametersPanel(session)
    qtbot.addWidget(panel)
    panel.resize(800, 600)
    panel.show()
    tab, plots = panel.refit, panel.plots
    qtbot.waitUntil(lambda: plots.current is not None, timeout=60_000)
    for box, name in ((panel.bar.reference, "scan"), (tab.form.data, "frames")):
        box.setCurrentIndex(box.findText(name))
    panel.scan()
    qtbot.waitUntil(lambda: plots.current is not None and tab.form.reference, timeout=20_000)
    qtbot.waitUntil(tab.refit.isEnabled, timeout=20_000)
    tab.form.frames.set_value(60)
    with qtbot.waitSignal(tab.job.done, timeout=60_000) as done:
        tab.refit.click()
    refit, item = done.args
    qtbot.waitUntil(lambda: not panel.follow.job, timeout=20_000)
    assert panel.document.topology is refit.topology
    (profile,) = refit.profiles
    assert profile.used
    assert profile.rmse_after < profile.rmse_before
    before, after = refit.held_out["energy"]
    assert after < before
    assert len(refit.fit.split.test) > 0
    assert tab.history.shown()[0][0] == "GAFF refit"
    assert tab.history.shown()[0][4] == "GAFF"
    assert tab.result.changes.changes == refit.changes
    tab.load(START)
    assert panel.document.topology is panel.document.original
    tab.load(item)  # it may have been read again from its file meanwhile
    assert same_terms(panel.document.topology, refit.topology)
    assert session.undo.count() == 3

    # a training runs, and an edit is drawn all the same
    dataset = str(next(i for i in session.project.items("datasets") if i.name == "frames").record)
    ended = []
    session.job_event.connect(lambda j, e: ended.append(j) if e.kind in ("done", "failed") else 0)
    training = session.submit(FitSpec("gaff-nn", dataset, n_train=150, n_valid=20))
    qtbot.waitUntil(lambda: not panel.follow.job, timeout=20_000)
    start = time.perf_counter()
    with qtbot.waitSignal(panel.follow.answered, timeout=20_000):
        panel.document.set_value([("torsion", 0)], "k", 0.02)
    assert time.perf_counter() - start < BEHIND
    assert training not in ended
    session.cancel(training)
