"""Refit of a molecular-mechanics force field to quantum energies and forces.

Minimised over the parameters p (tied by type, start p0, widths s of their Gaussian priors), with M
frames and an energy constant E_0 that is free:

    sum_frames (E(p) + E_0 - E_ref)² / e² + sum_frames mean_i (F_i(p) - F_ref,i)² / f²
        + w sum_k ((p_k - p0_k) / s_k)²

as ForceBalance does (Wang, Martinez & Pande, J. Phys. Chem. Lett. 5, 1885 (2014)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.fitting.mm_design import Design, assemble
from core.fitting.mm_model import Model
from core.fitting.mm_options import Change, Options, RefitError
from core.fitting.mm_solve import Problem, minimise
from core.fitting.mm_write import write
from core.mm.energy import tensors
from core.mm.forces import Forces
from core.mm.topology import Topology

if TYPE_CHECKING:
    from core.dataset import Dataset
    from core.engine.context import Context


@dataclass(frozen=True, eq=False)
class Refitted:
    """topology (and depth (T,) eV of Morse bonds) after; changes, largest first.

    errors: "train energy" and so on -> RMSE, eV with the constant free and eV/Å, of the best point.
    """

    topology: Topology
    depth: np.ndarray | None
    changes: tuple[Change, ...]
    errors: dict[str, float] = field(default_factory=dict)
    iterations: int = 0
    converged: bool = False


def refit(
    topology: Topology,
    dataset: Dataset,
    train: np.ndarray,
    options: Options,
    context: Context,
    *,
    valid: np.ndarray | None = None,
    depth: np.ndarray | None = None,
) -> Refitted:
    """Fit to the frames `train` (indices from 0) of a data set; `valid` are only watched.

    depth (T,) eV turns the bonds into Morse curves D (1 - exp(-a (r - r0)))², a² = k / D, and is
    where their fit starts. Stopping keeps the best so far. Raises RefitError where there are no
    frames with labels, or nothing to fit; Cancelled.
    """
    frames = {"train": np.asarray(train), "valid": np.asarray([] if valid is None else valid)}
    frames = {k: v.astype(np.int64) for k, v in frames.items() if len(v)}
    usable = dataset.has_energy | dataset.has_forces
    if "train" not in frames or not usable[frames["train"]].any():
        raise RefitError("no training frame has an energy or forces")
    together = np.concatenate(list(frames.values()))
    x = torch.tensor(dataset.positions[together], dtype=torch.float64)
    model = Model(topology, dataset.molecule.numbers, x, options, depth)
    context.log(f"{len(model.parameters)} parameters, {len(frames['train'])} training frames")
    start = Forces(tensors(topology), len(topology.types))
    designs = {}
    for i, (name, which) in enumerate(frames.items()):

        def progress(f: float, i: int = i) -> None:
            context.progress(0.9 * (i + f) / len(frames), "internal coordinates of the frames")

        designs[name] = _design(model, start, dataset, which, progress)
    problem = _problem(model, designs["train"], options)
    best = {"u": torch.zeros_like(model.v0)}

    def report(iteration: int, u: torch.Tensor, value: float) -> bool:
        best["u"] = u
        fraction = 0.9 + 0.1 * iteration / (options.iterations + 1)
        for name, rmse in _errors(model, designs, u).items():
            unit = "eV" if name.endswith("energy") else "eV/Å"
            context.curve(f"{name} RMSE", iteration, rmse, x_label="iteration",
                          y_label=f"RMSE ({unit})")  # fmt: skip
        context.progress(fraction, f"iteration {iteration}")
        return context.stopping

    u, iterations, converged = minimise(problem, options.iterations, report)
    values = model.values(u).detach().numpy()
    after, deeper = write(model, values)
    rows = zip(model.parameters, values, u.tolist(), strict=True)
    changes = [Change(p.label, p.name, p.start, float(v), s) for p, v, s in rows]
    changes.sort(key=lambda c: -abs(c.sigmas))
    return Refitted(
        after, deeper, tuple(changes), _errors(model, designs, u), iterations, converged
    )


def _design(
    model: Model, start: Forces, dataset: Dataset, which: np.ndarray, progress: Any
) -> Design:
    """Normal equations of what the start does not explain."""
    x = torch.tensor(dataset.positions[which], dtype=torch.float64)
    energy, forces = start(x)
    none_e, none_f = np.full(len(which), np.nan), np.full(x.shape, np.nan)
    e = none_e if dataset.energies is None else dataset.energies[which]
    f = none_f if dataset.forces is None else dataset.forces[which]
    return assemble(model.blocks, x, torch.tensor(e) - energy, torch.tensor(f) - forces, progress)


def _problem(model: Model, design: Design, options: Options) -> Problem:
    n = 3 * len(model.start.types)
    energy, force = 1.0 / options.energy_error**2, 1.0 / (n * options.force_error**2)
    gram = energy * design.energy.gram + force * design.forces.gram
    right = energy * design.energy.right + force * design.forces.right
    square = energy * design.energy.square + force * design.forces.square
    return Problem(model, gram, right, options.prior, square)


def _errors(model: Model, designs: dict[str, Design], u: torch.Tensor) -> dict[str, float]:
    c = model.coefficients(u)
    out = {}
    for name, design in designs.items():
        for what, normal in (("energy", design.energy), ("force", design.forces)):
            if normal.rows:
                out[f"{name} {what}"] = normal.mean_square(c) ** 0.5
    return out


def notes(found: Refitted, most: int = 5) -> dict[str, str]:
    """What a fit tells about itself, for Fit.info."""
    from core.units import KCAL_MOL

    moved = [c for c in found.changes[:most] if c.sigmas]
    words = "; ".join(map(str, moved))
    out = {"changed most, in widths of the prior": words} if moved else {}
    far = sum(abs(c.sigmas) > 3 for c in found.changes)
    out["parameters"] = f"{len(found.changes)} fitted, {far} moved by more than three prior widths"
    state = "converged" if found.converged else "stopped"
    out["fit"] = f"{state} after {found.iterations} iterations"
    for name, rmse in found.errors.items():
        unit = "kcal/mol" if name.endswith("energy") else "kcal/mol/Å"
        out[f"{name} RMSE"] = f"{rmse / KCAL_MOL:.2f} {unit}"
    return out
