"""A Lab that computes the editor's small questions, and refits made by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from core import storage
from core.analyses import parameter_preview, parameter_scan, parameters
from core.analyses.fit import Fit
from core.analyses.parameter_preview import PreviewSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import ParametersSpec
from core.analyses.refit import ParameterChange, ProfileFit, Refit, RefitSpec
from core.dataset import Split
from core.engine.context import Context
from core.forcefields.info import Info, Parameter
from core.mm.topology import Topology
from core.units import KCAL_MOL
from tests.molecules import labelled
from tests.widgets.lab import Lab, make_errors, show
from tests.widgets.parameters_lab import filled
from widgets.panels.parameters import ParametersPanel

RUN = {
    ParametersSpec: parameters.run,
    ParameterScanSpec: parameter_scan.run,
    PreviewSpec: parameter_preview.run,
}
GAFF = Info(
    "gaff", "GAFF", "MM", trainable=True, ready=True, energies_suffice=True,
    parameters=(
        Parameter("flavour", "str", "gaff", "Version", choices=("gaff", "gaff2")),
        Parameter("fit_terms", "str", "all", "Fit", choices=("all", "bonded", "torsions")),
        Parameter("fit_tie", "str", "type", "Tie", choices=("type", "symmetry")),
        Parameter("fit_orders", "int", 4, "Orders", low=0, high=12),
        Parameter("fit_prior", "float", 1.0, "Prior", low=0.0, high=1e9),
    ),
)  # fmt: skip


class Working(Lab):
    """A Lab that computes the small questions when `work` is called."""

    def work(self) -> int:
        """Answer everything that waits, in order; how many answers there were."""
        done = 0
        context = Context(lambda *_a, **_k: None)
        while True:
            cancelled = {j for what, j in self.asked if what == "cancel"}
            waiting = [j for j, s in self.specs.items() if type(s) in RUN and j not in cancelled]
            if not waiting:
                return done
            spec = self.specs.pop(waiting[0])
            self.say(waiting[0], "done", 1.0, result=RUN[type(spec)](spec, context))
            done += 1

    def finish_refit(self, job: str, **changes) -> Refit:
        """The refit's files appear, then `done`."""
        spec = self.specs.pop(job)
        refit = dataclasses.replace(make_refit(spec), **changes)
        storage.save(Path(spec.out) / "refit.npz", refit)
        storage.save(Path(spec.out) / "record.npz", refit.fit)
        (Path(spec.out) / "model.npz").write_bytes(b"")
        self.say(job, "done", 1.0, result=refit)
        self.session.items_changed.emit("fits")
        return refit


def editor(qtbot, lab: Working, *size: int) -> ParametersPanel:
    """On the screen, with the terms of ethanol and all it asks answered."""
    return filled(qtbot, lab, show(qtbot, ParametersPanel(lab.session), *size))


def stronger(topology: Topology, factor: float = 2.0) -> Topology:
    """The terms with every torsion amplitude changed."""
    columns = {**topology.torsion.parameters}
    columns["k"] = factor * columns["k"] + 0.01 * KCAL_MOL
    torsion = dataclasses.replace(topology.torsion, parameters=columns)
    return dataclasses.replace(topology, torsion=torsion)


def energies(topology: Topology, positions: np.ndarray) -> np.ndarray:
    """(G,) eV, mean 0."""
    spec = PreviewSpec(topology, positions)
    e = parameter_preview.run(spec, Context(lambda *_a, **_k: None)).energy
    return e - e.mean()


def make_refit(spec: RefitSpec) -> Refit:
    """What a refit of `spec` could have given."""
    new = stronger(spec.topology)
    profiles = []
    for p in spec.profiles:
        ends = [energies(t, p.positions) for t in (spec.topology, new)]
        reference = p.energies - np.nanmean(p.energies)
        rmse = [float(np.sqrt(np.nanmean((e - reference) ** 2))) for e in ends]
        cause = "the reference has a barrier that cosines up to n = 4 cannot make"
        found = ProfileFit(
            p.name, p.positions, reference, *ends, *rmse, cause=cause, used=p.weight > 0
        )
        profiles.append(found)
    n = spec.n_train
    split = Split(np.arange(n), np.zeros(0, dtype=int), np.arange(n, n + 7))
    model = str(Path(spec.out) / "model.npz") if spec.out else ""
    k = KCAL_MOL
    changes = (
        ParameterChange("torsion c3-c3-oh-ho n=3", "torsion.k", 0.16 * k, 0.33 * k, 4.2),
        ParameterChange("bond c3-oh", "bond.k", 316 * k, 290 * k, -1.9),
        ParameterChange("atom 3 oh", "charges", -0.39, -0.40, -0.1),
        ParameterChange("lj hc", "rmin_half", 1.487, 1.490, 0.05),
    )
    return Refit(
        Fit(spec.label, "gaff", model, split, make_errors(spec.label, 0.04), dict(spec.hyper)),
        spec.molecule,
        new,
        spec.flags,
        changes,
        tuple(profiles),
        {"energy": (1.21 * k, 0.64 * k), "force": (6.37 * k, 4.78 * k)} if n else {},
        {"torsion": (0.6 * k, 0.9 * k), "bond": (2.1 * k, 2.0 * k), "improper": (0.0, 0.0)},
        spec.parent,
    )


def scanned(qtbot, lab: Lab) -> ParametersPanel:
    """The editor on ethanol, with a labelled scan of the hydroxyl's torsion."""
    made = editor(qtbot, lab, 800, 600)
    scan = labelled(made.plots.scan.positions, key="mmff94")
    item = lab.project.add("datasets", "scan", dataclasses.replace(scan, forces=None))
    lab.session.items_changed.emit("datasets")
    made.bar.fill_references(made.document.molecule)
    made.bar.reference.setCurrentIndex(made.bar.reference.findData(item.id))
    made.scan()
    lab.work()
    made.tabs.setCurrentWidget(made.refit)
    qtbot.waitUntil(lambda: made.refit.form.choice.usable > 0)
    return made


def begun(lab: Lab, panel: ParametersPanel) -> str:
    """Press Refit; the job."""
    assert panel.refit.refit.isEnabled(), panel.refit.problem.text()
    panel.refit.refit.click()
    return lab.jobs(RefitSpec)[-1]
