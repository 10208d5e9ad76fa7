"""Studies on the real engine: the window goes in the middle, the study goes on when it is back."""

from __future__ import annotations

import pytest

from app.bridge import Bridge
from app.interrupted import Interrupted
from core.analyses.estimate import EstimateSpec
from core.engine.client import Engine
from core.project import Project
from core.storage import load
from tests.molecules import ethanol_frames, labelled
from widgets.notice import Notices
from widgets.panels.studies import StudiesPanel
from widgets.session import Session

SIZES = (10, 12, 14, 16, 18, 20)


def open_window(qtbot, project: Project) -> tuple[Session, Bridge, StudiesPanel]:
    session = Session()
    session.project = project
    bridge = Bridge(session, lambda: Engine(quick=True))
    panel = StudiesPanel(session)
    qtbot.addWidget(panel)
    panel.resize(900, 640)
    panel.show()
    bridge.start()
    qtbot.waitUntil(lambda: bool(session.catalog), timeout=60_000)
    qtbot.waitUntil(lambda: panel.learning.data.dataset is not None)
    return session, bridge, panel


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project", "studies") as made:
        made.add("datasets", "frames", labelled(ethanol_frames(80), key="mmff94"))
        yield made


def test_a_learning_curve_goes_on_after_the_window_was_closed(qtbot, project):
    session, bridge, panel = open_window(qtbot, project)
    form = panel.learning
    form.sizes.setText(", ".join(str(n) for n in SIZES))
    form.repeats.set_value(2)
    form.n_valid.set_value(10)
    qtbot.waitUntil(lambda: form.cost_text.text().startswith("About"), timeout=20_000)
    estimates = [j for j in session.jobs.values() if isinstance(j.spec, EstimateSpec)]
    assert len(estimates) >= len(SIZES)
    form.start.click()
    (item,) = project.items("studies")
    assert next(reversed(session.jobs.values())).item == item.id
    qtbot.waitUntil(lambda: len(panel.curves.points) >= 2, timeout=60_000)
    bridge.shutdown()  # as when the window is closed: the worker ends at once
    panel.close()
    kept = load(item.folder / "partial.npz").points
    assert 2 <= len(kept) < 2 * len(SIZES)
    assert not item.record.exists()

    session, bridge, panel = open_window(qtbot, project)
    notices = Notices()
    qtbot.addWidget(notices)
    Interrupted(session, notices).offer(project)
    (offer,) = notices.shown()
    assert "The study “Learning curves, frames” was interrupted" in offer.text
    offer.buttons["Go on"].click()
    session.item_selected.emit(item.id)
    qtbot.waitUntil(item.record.exists, timeout=60_000)
    found = load(item.record)
    assert len(found.points) == 2 * len(SIZES)
    assert str(found.points[: len(kept)]) == str(kept)
    assert not [p for p in found.points if p.problem]
    qtbot.waitUntil(lambda: not panel.live)
    qtbot.waitUntil(lambda: len(panel.curves.points) == 2 * len(SIZES))
    sizes, mean, _ = found.mean("sGDML")
    assert sizes.tolist() == list(SIZES)
    assert mean[0] > mean[-1]
    bridge.shutdown()
