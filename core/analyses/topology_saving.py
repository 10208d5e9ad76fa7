"""Keep edited terms as a force field of the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.errors import Errors
from core.analyses.fit import Fit
from core.analyses.parameters import FLAGS, Flag, flags_to_text
from core.mm.topology import Topology
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

MOST_FRAMES = 1000  #: of the data set, on which the errors are measured
WHOLE = 1e-6  #: e


@wire
@dataclass(frozen=True, eq=False)
class SaveTopologySpec:
    """Save `topology` as a model of GAFF in folder `out`, a fit of the project.

    hyper: as the terms were made with. flags: what a refit may do with each. dataset: path of a
    saved Dataset on which the errors are measured ("" = not at all).
    """

    molecule: Molecule
    topology: Topology
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    label: str = ""
    dataset: str = ""
    out: str = ""


def run(spec: SaveTopologySpec, context: Context) -> Fit:
    """See SaveTopologySpec. Raises ValueError where charges do not add up, or nothing is saved."""
    import dataclasses
    import time
    from pathlib import Path

    from core import storage
    from core.analyses.errors import evaluate
    from core.dataset import Dataset, Split
    from core.engine import system
    from core.forcefields.gaff import GAFF
    from core.forcefields.load import check_atoms, hyper_from, save_model

    start = time.perf_counter()
    total = float(spec.topology.charges.sum())
    if abs(total - spec.molecule.charge) > WHOLE:
        raise ValueError(
            f"the charges add up to {total:+.4f} e, the molecule's charge is "
            f"{spec.molecule.charge:+d}: change them until the sum fits"
        )
    if not spec.out:
        raise ValueError("there is no folder to save the force field in")
    storage.make_folder(spec.out)
    hyper = hyper_from(GAFF, spec.hyper)
    model = GAFF.from_topology(spec.molecule, spec.topology, hyper)
    label = spec.label or "GAFF, edited"
    path = str(Path(spec.out) / "model.npz")
    extra = {"label": label, "made": "in the parameter editor"}
    if spec.flags:
        extra[FLAGS] = flags_to_text(spec.flags)
    frames = np.zeros(0, dtype=np.int64)
    errors = _no_errors(label)
    if spec.dataset:
        dataset = storage.load(spec.dataset, Dataset)
        check_atoms(dataset.molecule, spec.molecule, what=f"the data set {dataset.name}")
        usable = np.flatnonzero(dataset.has_energy | dataset.has_forces)
        if len(usable):
            chosen = np.linspace(0, len(usable) - 1, min(len(usable), MOST_FRAMES))
            frames = usable[chosen.round().astype(int)]
            errors = evaluate(model, dataset, frames, context, label=label)
        extra |= {"dataset": dataset.name, "level": dataset.level}
    save_model(path, model, extra=extra)
    none = np.zeros(0, dtype=np.int64)
    result = Fit(
        label=label,
        key=GAFF.INFO.key,
        model=path,
        split=Split(none, none, frames, method="none: edited by hand"),
        errors=errors,
        hyper=dataclasses.asdict(hyper),
        info={"origin": "edited by hand", **model.notes},
        fit_seconds=time.perf_counter() - start,
        peak_rss=context.peak_rss(),
        versions=system.versions(),
    )
    storage.save_result(spec.out, result)
    return result


def _no_errors(label: str) -> Errors:
    nan, none = float("nan"), np.zeros(0)
    notes = {"errors": "no data set was chosen"}
    return Errors(
        label, 0, 0, nan, nan, nan, nan, nan, none, none, none, none, none, notes=notes
    )  # fmt: skip


SPEC = SaveTopologySpec
