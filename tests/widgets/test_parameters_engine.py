"""The parameter editor on the real engine: from a data set to a saved force field."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.bridge import Bridge
from core.analyses.surface import Axis, SurfaceSpec
from core.engine.client import Engine
from core.fieldref import FieldRef
from core.project import Project
from tests.molecules import ETHANOL, HYDROXYL, METHYL, labelled
from tests.tolerances import BATCH_EQUALS_SINGLE
from widgets.panels.parameters import ParametersPanel
from widgets.parameter import rows
from widgets.parameter.bar import MAP
from widgets.session import Session

SLOWEST = 0.5  # s: a redraw on a busy test machine; on a quiet one it takes 15 to 30 ms


@pytest.fixture
def session(qtbot, tmp_path):
    made = Session()
    project = Project.create(tmp_path / "project", "parameters")
    made.project = project
    made.axes = (HYDROXYL, METHYL)
    step = 2 * np.pi / 24
    axis = Axis(HYDROXYL, -np.pi, np.pi - step, 24)
    from core.analyses import parameter_scan
    from core.analyses.parameter_scan import ParameterScanSpec
    from core.engine.context import Context

    scan = parameter_scan.run(ParameterScanSpec(ETHANOL, (axis,)), Context(lambda *_a, **_k: None))
    project.add("datasets", "scan", labelled(scan.positions, key="mmff94"))
    bridge = Bridge(made, Engine)
    bridge.start()
    yield made
    bridge.shutdown()
    project.close()


def drawn_within(qtbot, panel, change) -> float:
    """Seconds from an edit until its energies are drawn."""
    start = time.perf_counter()
    with qtbot.waitSignal(panel.follow.answered, timeout=10_000):
        change()
    return time.perf_counter() - start


def test_from_a_data_set_to_a_force_field_on_a_surface(qtbot, session):
    panel = ParametersPanel(session)
    qtbot.addWidget(panel)
    panel.resize(800, 600)
    panel.show()
    plots = panel.plots
    qtbot.waitUntil(
        lambda: plots.original is not None and plots.current is not None, timeout=60_000
    )
    assert np.isfinite(panel.plots.scan.reference).all()
    assert "mmff94" in panel.plots.figures.toolTip()

    topology = panel.document.topology
    keys = rows.on_atoms(topology, HYDROXYL)
    panel.table.select(keys[:1])
    panel._chosen(keys[:1])
    qtbot.waitUntil(lambda: not panel.follow.job, timeout=10_000)
    slider = panel.editor.rows[0].slider
    slider.setSliderDown(True)
    took = [
        drawn_within(qtbot, panel, lambda place=place: slider.setValue(place))
        for place in range(540, 700, 10)
    ]
    slider.setSliderDown(False)
    assert np.median(took) < SLOWEST
    assert session.undo.count() == 1

    panel.bar.scan.setCurrentIndex(panel.bar.scan.findData(MAP))
    panel.scan()
    qtbot.waitUntil(
        lambda: panel.plots.current is not None and len(panel.plots.current.energy) == 576,
        timeout=20_000,
    )
    edited = panel.document.topology
    panel.name.setText("by hand")
    panel.save.click()
    qtbot.waitUntil(lambda: not panel.saver.job, timeout=20_000)
    item = session.project.items("fits")[0]
    assert item.finished
    fit = session.project.load(item)
    assert fit.errors.n_energies == 24

    ended = []
    session.job_event.connect(lambda _job, event: ended.append(event))
    ref = FieldRef("gaff", model=str(item.folder / "model.npz"))
    axis = Axis(HYDROXYL, -np.pi, np.pi / 2, 4)
    session.submit(SurfaceSpec(panel.document.molecule, (axis,), (ref,)))
    qtbot.waitUntil(lambda: any(e.kind == "done" for e in ended), timeout=20_000)
    surface = next(e.payload["result"] for e in ended if e.kind == "done")
    from core.forcefields.gaff import GAFF

    field = GAFF.from_topology(panel.document.molecule, edited)
    expected = field.predict(surface.layers[0].positions).energy
    assert np.abs(surface.layers[0].energy - expected).max() < BATCH_EQUALS_SINGLE
    panel.bar.choose(item.id)
    qtbot.waitUntil(
        lambda: panel.document is not None and panel.document.parameters.label == "by hand",
        timeout=20_000,
    )
    again = panel.document.topology.torsion.parameters["k"]
    assert np.array_equal(again, edited.torsion.parameters["k"])
