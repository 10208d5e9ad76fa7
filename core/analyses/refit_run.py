"""The work behind `core.analyses.refit`."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import storage
from core.analyses.errors import Errors, evaluate
from core.analyses.fit import Fit, check_split
from core.analyses.parameters import FLAGS, flags_to_text
from core.analyses.refit import Refit, RefitSpec
from core.analyses.refit_report import (
    contributions,
    no_errors,
    parameter_changes,
    profile_fit,
)
from core.dataset import Dataset, Split
from core.engine import system
from core.fitting.part import Part

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.gaff import GAFF

WHOLE = 1e-4  #: e, by which charges read from a file may miss the molecule's charge


def run_refit(spec: RefitSpec, context: Context) -> Refit:
    """See `core.analyses.refit.run`."""
    from core.fitting.checkpoint import Checkpoint, fingerprint
    from core.fitting.mm.field import options
    from core.fitting.mm.flags import carried
    from core.fitting.mm.profile import profiled
    from core.fitting.mm.refit import notes, refit
    from core.fitting.mm.torsion_refit import is_chiral
    from core.forcefields.gaff import GAFF
    from core.forcefields.load import check_atoms, hyper_from, save_model

    start = time.perf_counter()
    _check(spec)
    hyper = hyper_from(GAFF, spec.hyper)
    first = GAFF.from_topology(spec.molecule, spec.topology, hyper)
    if spec.out:
        storage.make_folder(spec.out)
    none = np.zeros(0, dtype=np.int64)
    dataset, split = None, Split(none, none, none, method="none: profiles only")
    told: dict[str, str] = {}
    if spec.dataset:
        dataset = storage.load(spec.dataset, Dataset)
        check_atoms(dataset.molecule, spec.molecule, what=f"the data set {dataset.name}")
        split, told = _split(spec, dataset)
    used = [spec.profile_weight > 0 and p.weight > 0 for p in spec.profiles]
    rows = [
        profiled(p.name, len(spec.topology.types), p.positions, p.energies, weight=p.weight)
        for p, use in zip(spec.profiles, used, strict=True)
        if use
    ]
    told |= {f"profile {r.name}": r.note for r in rows if r.note}
    asked = options(hyper)
    asked = dataclasses.replace(
        asked,
        kinds=("torsion",) if spec.around else asked.kinds,
        around=tuple(tuple(int(a) for a in bond) for bond in spec.around),
        sines=bool(rows) and is_chiral(spec.molecule),
        energy_weight=spec.energy_weight,
        force_weight=spec.force_weight,
        profile_weight=spec.profile_weight,
    )
    same = dataclasses.replace(spec, label="", out="", dataset="", parent="")
    folder = Path(spec.out)
    part = Part(context, 0.0, 0.85)
    kept = None
    if spec.out:
        kept = Checkpoint(part, "refit", about=fingerprint(same, dataset), folder=spec.out)
    found = refit(
        spec.topology, dataset, split.train, asked, part, valid=split.valid, flags=spec.flags,
        profiles=rows, numbers=spec.molecule.numbers, checkpoint=kept,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    topology = found.topology
    model = GAFF.from_topology(spec.molecule, topology, hyper)
    told |= {"origin": f"refit of {spec.parent or spec.topology.source or 'GAFF'}", **notes(found)}
    model.notes |= told
    label = spec.label or "GAFF, refitted"
    errors, held_out = _held_out(first, model, dataset, split, Part(context, 0.85, 0.97), label)
    profiles = tuple(
        profile_fit(spec.molecule, p, spec.topology, topology, asked.around, used=use)
        for p, use in zip(spec.profiles, used, strict=True)
    )
    sets = [p.positions for p, use in zip(spec.profiles, used, strict=True) if use]
    if dataset is not None:
        sets.insert(0, dataset.positions[split.train])
    flags = carried(spec.flags, spec.topology, topology)
    path = ""
    if spec.out:
        path = str(folder / "model.npz")
        extra = {"label": label, "made": "by a refit", "parent": spec.parent}
        if dataset is not None:
            extra |= {"dataset": dataset.name, "level": dataset.level, "sha256": dataset.sha256}
        if flags:
            extra[FLAGS] = flags_to_text(flags)
        save_model(path, model, extra=extra)
    fit = Fit(
        label=label,
        key=GAFF.INFO.key,
        model=path,
        split=split,
        errors=errors,
        hyper=dataclasses.asdict(hyper),
        curves=part.curves(),
        curve_labels=part.curve_labels(),
        info=dict(model.notes),
        fit_seconds=seconds,
        peak_rss=context.peak_rss(),
        versions=system.versions(),
        stopped=context.stopping,
    )
    result = Refit(
        fit=fit,
        molecule=spec.molecule,
        topology=topology,
        flags=flags,
        changes=parameter_changes(found.changes),
        profiles=profiles,
        held_out=held_out,
        contributions=contributions(spec.topology, topology, sets),
        parent=spec.parent,
    )
    if kept is not None:
        storage.save(folder / "refit.npz", result)
        storage.save_result(spec.out, fit)  # last: with it the item counts as finished
        kept.done()
    context.progress(1.0, "refitted")
    return result


def _check(spec: RefitSpec) -> None:
    from core.fitting.mm.options import RefitError

    if len(spec.topology.types) != len(spec.molecule.numbers):
        raise RefitError(
            f"the terms are for {len(spec.topology.types)} atoms, not for {spec.molecule.formula}"
        )
    total = float(spec.topology.charges.sum())
    if abs(total - spec.molecule.charge) > WHOLE:
        raise RefitError(
            f"the charges add up to {total:+.4f} e, the molecule's charge is "
            f"{spec.molecule.charge:+d}: change them until the sum fits, a refit keeps the sum"
        )
    if not spec.dataset and not spec.profiles:
        raise RefitError("there is nothing to fit to: choose a data set or a profile")
    names = [p.name for p in spec.profiles]
    if len(set(names)) < len(names):
        raise RefitError("two profiles have the same name")


def _split(spec: RefitSpec, dataset: Dataset) -> tuple[Split, dict[str, str]]:
    from core.fitting.splits import draw

    if spec.split is not None:
        return check_split(spec.split, dataset), {}
    return draw(
        dataset,
        n_train=spec.n_train,
        n_valid=spec.n_valid,
        n_test=spec.n_test,
        seed=spec.seed,
        method=spec.method,
        energies_suffice=True,
    )


def _held_out(
    before: GAFF, after: GAFF, dataset: Dataset | None, split: Split, context: Context, label: str
) -> tuple[Errors, dict[str, tuple[float, ...]]]:
    """Errors on the test frames after; what -> (RMSE before, RMSE after)."""
    if dataset is None:
        return no_errors(label), {}
    old = evaluate(before, dataset, split.test, context, label=label, timing=False)
    new = evaluate(after, dataset, split.test, context, label=label)
    pairs = {
        "energy": (old.energy_rmse, new.energy_rmse),
        "force": (old.force_rmse, new.force_rmse),
    }
    return new, {what: pair for what, pair in pairs.items() if np.isfinite(pair).all()}
