"""Fit a linear ACE: basis for the molecules, equations in blocks of frames, prior, lambda."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.descriptors.ace.model import Evaluator
from core.fitting.ace.keeping import Keeping, fingerprint
from core.fitting.ace.rows import Rows
from core.fitting.ace.setup import MANY, check, cost, resolve
from core.fitting.ace.solvers import SOLVERS
from core.fitting.cores import spread_over_cores
from core.fitting.linear import Solution
from core.fitting.one_body import known_compositions, one_body_energies, per_element
from core.fitting.portion import Portion, naming, several, total
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context

HELD = 10  #: one of so many training frames chooses lambda where there are no validation frames


def fit_arrays(
    portions: Sequence[Portion], hyper: Any, context: Context, field: Any
) -> dict[str, Any]:
    """Train on all split.train; keyword arguments of the field. Raises ForceFieldError."""
    begun = time.perf_counter()
    for p in portions:
        with naming(p, portions):
            check(p.dataset, p.split, hyper)
    sizes = [(len(p.numbers), len(p.split.train)) for p in portions]
    if hyper.functions >= MANY and not hyper.degrees.strip():  # counting them takes long
        _affordable(sizes, hyper.functions, hyper)
    setup = resolve(portions, hyper)
    kind = hyper.one_body
    one_body, how = one_body_energies(portions, setup.elements, kind, label="linear ACE")
    try:
        columns = setup.columns()
    except ValueError as error:
        raise ForceFieldError(f"linear ACE: {error}; choose lower ones") from None
    seconds, need = _affordable(sizes, columns, hyper)
    context.log(f"{columns} basis functions; about {seconds:.0f} s and {need / 2**30:.1f} GiB")
    weight = 0.0 if kind == "forces only" else hyper.energy_weight
    sources = []
    for p in portions:
        offset = float(one_body[np.searchsorted(setup.elements, p.numbers)].sum())
        sources.append(Rows(p, setup, offset, weight, context.device))

    train, valid = [p.split.train for p in portions], [p.split.valid for p in portions]
    held = [x[:0] for x in train]
    by_error = hyper.choose == "validation"
    searched = by_error and hyper.lam == 0 and hyper.solver == "cholesky"
    if searched and not _count(valid) and _count(train) >= HELD:
        # lambda is chosen on a tenth of the training frames, which then join the equations
        valid = held = [x[HELD // 2 :: HELD] for x in train]
        train = [np.setdiff1d(x, y) for x, y in zip(train, held, strict=True)]
        context.log(f"lambda is chosen on {_count(held)} of the training frames, then all are used")

    def score(solution: Solution) -> float:
        coefficients = solution.coefficients.cpu().numpy()
        models = [s.system.evaluator(coefficients) for s in sources]
        return _error(models, sources, valid)

    keeping = None
    # the room for what is kept is counted in the machine's memory, not in a GPU's
    if hyper.solver == "cholesky" and context.kept.limit and context.device == "cpu":
        frames = list(zip(train, held, strict=True))
        keeping = Keeping(context.kept, fingerprint(setup, sources, frames), columns)
    with spread_over_cores(context.device) as spread:
        solver = SOLVERS[hyper.solver](sources, train, setup, hyper, context, spread, keeping)
        built = time.perf_counter()
        if _count(valid) and not _count(_with_forces(sources, valid)):
            solver.checked = "energy"
        best = solver.best(score if _count(valid) and by_error else None)
        if _count(held) and not context.stopping:
            best = solver.join(held, best)
    done = time.perf_counter()
    taken = "of the fit before" if solver.reused else f"in {built - begun:.1f} s"
    notes = {
        "basis functions": str(columns),
        "degrees": " ".join(f"{d:g}" for d in setup.degrees),
        "regularisation": f"{best.lam:.1e}" + (" (chosen)" if hyper.lam == 0 else ""),
        "one-body energy": how,
        "equations": f"{solver.rows} rows {taken}",
        "solution": f"{done - built:.1f} s" + solver.remark,
        "memory": f"about {need / 2**30:.1f} GiB",
    }
    if solver.frames < total(portions):
        notes["training frames"] = f"{solver.frames} of {total(portions)} (stopped early)"
    if np.isfinite(best.log_evidence):
        notes["log evidence"] = f"{best.log_evidence:.1f}"
    found = {
        "setup": setup,
        "coefficients": best.coefficients.cpu().numpy(),
        "one_body": one_body,
        "compositions": known_compositions(portions, setup.elements, how),
        "transfers": several(portions) or how == "isolated atoms",
        "notes": notes,
    }
    if weight == 0:
        found |= _shift(found, field, portions, hyper, context.device)
    context.progress(1.0, "trained")
    return found


def _affordable(sizes: Sequence[tuple[int, int]], columns: int, hyper: Any) -> tuple[float, float]:
    """`cost` of so many functions. Raises ForceFieldError above the memory allowed."""
    seconds, need = cost(sizes, columns, hyper.solver)
    if need > hyper.memory * 2**30:
        raise ForceFieldError(
            f"linear ACE: the fit of {columns} functions needs about {need / 2**30:.1f} GiB, more "
            f"than the {hyper.memory:g} GiB allowed; choose fewer functions or raise the limit"
        )
    return seconds, need


def _count(frames: Sequence[np.ndarray]) -> int:
    return sum(map(len, frames))


def _shift(
    found: dict[str, Any], field: Any, portions: Sequence[Portion], hyper: Any, device: str
) -> dict[str, Any]:
    """One-body energies that make the mean training energy errors zero (forces-only fits)."""
    wrong = []
    for p in portions:
        data = p.dataset
        known = p.split.train[data.has_energy[p.split.train]]
        if data.energies is None or not len(known):
            wrong.append(np.zeros(0))
            continue
        model = field(data.molecule, hyper, device=device, **found)
        wrong.append(data.energies[known] - model.predict(data.positions[known]).energy)
    if not _count(wrong):
        found["notes"]["energy constant"] = "none: no training frame has an energy"
        return {"absolute": False}
    more, _ = per_element([p.numbers for p in portions], wrong, found["setup"].elements)
    return {"one_body": found["one_body"] + more}


def _with_forces(sources: Sequence[Rows], frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [f[s.dataset.has_forces[f]] for s, f in zip(sources, frames, strict=True)]


def _error(
    models: Sequence[Evaluator], sources: Sequence[Rows], frames: Sequence[np.ndarray]
) -> float:
    """Force MAE eV/Å over all molecules where there are forces, else energy MAE eV."""
    with_forces = _with_forces(sources, frames)
    by_force = bool(_count(with_forces))
    error, count = 0.0, 0
    for model, source, use in zip(
        models, sources, with_forces if by_force else frames, strict=True
    ):
        data = source.dataset
        for start in range(0, len(use), 32):
            part = use[start : start + 32]
            e, f = model.compute(torch.tensor(data.positions[part], device=source.device))
            if by_force:
                assert data.forces is not None
                wrong = f.cpu().numpy() - data.forces[part]
            else:
                assert data.energies is not None
                wrong = e.cpu().numpy() + source.offset - data.energies[part]
            error, count = error + float(np.abs(wrong).sum()), count + wrong.size
    return error / count
