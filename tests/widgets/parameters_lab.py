"""The parameter editor on ethanol, for the tests of its panels."""

from __future__ import annotations

from core.analyses.parameters import ParametersSpec
from widgets.panels.parameters import ParametersPanel
from widgets.parameter import rows


def empty_panel(qtbot, lab) -> ParametersPanel:
    """The panel before it was seen."""
    made = ParametersPanel(lab.session)
    qtbot.addWidget(made)
    made.resize(800, 600)
    return made


def filled(qtbot, lab, panel: ParametersPanel) -> ParametersPanel:
    """The same, seen and with its terms and scan."""
    panel.show()
    qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
    lab.work()
    assert panel.document is not None
    assert panel.plots.current is not None
    return panel


def line(panel, text: str, column: int = 0):
    """The table's line that starts so."""
    return next(i for i, _ in panel.table._lines if i.text(column).startswith(text))


def torsions(panel, text: str) -> list:
    """Keys of the torsions of these types."""
    topology = panel.document.topology
    every = [("torsion", i) for i in range(len(topology.torsion))]
    return [k for k in every if rows.types(topology, k) == text]


def choose(panel, keys) -> None:
    """Select these rows."""
    panel.table.select(keys)
    panel._chosen(keys)


def rows_of(panel, kind: str, types: str) -> list[int]:
    """Places of the terms of these types."""
    topology = panel.document.topology
    n = rows.count(topology, kind)
    return [i for i in range(n) if rows.types(topology, (kind, i)) == types]
