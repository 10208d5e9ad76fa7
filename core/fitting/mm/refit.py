"""Refit of a molecular-mechanics force field to quantum energies, forces and torsion profiles.

Minimised over the parameters p (tied by type, start p0, widths s of their Gaussian priors), with M
frames whose energy constant E_0 is free, and profiles P of their own constants e_P:

    sum_frames (E(p) + E_0 - E_ref)² / e² + sum_frames mean_i (F_i(p) - F_ref,i)² / f²
        + sum_P w_P sum_points (E(p) + e_P - E_ref)² / d² + w sum_k ((p_k - p0_k) / s_k)²

as ForceBalance does (Wang, Martinez & Pande, J. Phys. Chem. Lett. 5, 1885 (2014)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.elements import SYMBOLS
from core.fitting.mm.design import Design, Normal, assemble
from core.fitting.mm.model import Model
from core.fitting.mm.options import Change, Options, RefitError
from core.fitting.mm.profile import Profiled, energy_columns, left_out, profile_normal
from core.fitting.mm.resume import Kept
from core.fitting.mm.solve import Problem, State, minimise, solve
from core.fitting.mm.write import write
from core.mm.energy import energy, tensors
from core.mm.forces import Forces
from core.mm.topology import Topology

if TYPE_CHECKING:
    from core.analyses.parameters import Flag
    from core.dataset import Dataset
    from core.engine.context import Context
    from core.fitting.checkpoint import Checkpoint

NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Refitted:
    """topology (and depth (T,) eV of Morse bonds) after; changes, largest first, frozen ones last.

    errors: "train energy" and so on -> RMSE, eV with the constant free and eV/Å, of the best point;
    "profile NAME" of the profiles. left_out: RMSE eV of every point of each profile predicted by a
    fit to all the other data (exact where only torsions were fitted, else of the linearised fit).
    freedom: degrees of freedom that each profile determined, its zero left out.
    """

    topology: Topology
    depth: np.ndarray | None
    changes: tuple[Change, ...]
    errors: dict[str, float] = field(default_factory=dict)
    iterations: int = 0
    converged: bool = False
    left_out: tuple[float, ...] = ()
    freedom: tuple[float, ...] = ()


def refit(
    topology: Topology,
    dataset: Dataset | None,
    train: np.ndarray,
    options: Options,
    context: Context,
    *,
    valid: np.ndarray | None = None,
    depth: np.ndarray | None = None,
    flags: Sequence[Flag] = (),
    profiles: Sequence[Profiled] = (),
    numbers: np.ndarray | None = None,
    checkpoint: Checkpoint | None = None,
) -> Refitted:
    """Fit to the frames `train` (indices from 0) of a data set; `valid` are only watched.

    dataset None: profiles alone, of atoms `numbers` (N,). depth (T,) eV turns the bonds into Morse
    curves D (1 - exp(-a (r - r0)))², a² = k / D, and is where their fit starts. flags: what the
    editor's rows may do. checkpoint: where iterations are kept. Stopping keeps the best so far.
    Raises RefitError where there is nothing to fit, or to fit to; Cancelled.
    """
    frames = {"train": np.asarray(train), "valid": np.asarray([] if valid is None else valid)}
    frames = {k: v.astype(np.int64) for k, v in frames.items() if len(v) and dataset is not None}
    _check(dataset, frames, options, profiles)
    x = [p.positions for p in profiles]
    if dataset is not None and frames:
        together = np.concatenate(list(frames.values()))
        x.append(torch.tensor(dataset.positions[together], dtype=torch.float64))
        numbers = dataset.molecule.numbers
    assert numbers is not None
    _check_bonds(topology, numbers, options.around)
    model = Model(topology, numbers, torch.cat(x), options, depth, flags)
    points = sum(len(p.points) for p in profiles)
    told = f", {points} points of {len(profiles)} profiles" if profiles else ""
    context.log(
        f"{len(model.parameters)} parameters, {len(frames.get('train', NONE))} training frames"
        + told
    )
    for note in filter(None, (p.note for p in profiles)):
        context.log(note)
    start = Forces(tensors(topology), len(topology.types))
    designs = {}
    for i, (name, which) in enumerate(frames.items()):

        def progress(f: float, i: int = i) -> None:
            context.progress(0.9 * (i + f) / len(frames), "internal coordinates of the frames")

        assert dataset is not None
        designs[name] = _design(model, start, dataset, which, progress)
    lines = [_Line.of(model, p) for p in profiles]
    problem = _problem(model, designs.get("train"), options, lines)
    kept = Kept(checkpoint, len(model.v0))
    if kept.note:
        context.log(kept.note)
    if kept.state is not None:
        for name, values in kept.told.items():
            _curve(context, name, np.arange(len(values)), values)

    def report(state: State) -> bool:
        errors = _errors(model, designs, lines, state.u)
        for name, rmse in errors.items():
            _curve(context, name, state.iteration, rmse)
        kept.save(state, errors)
        fraction = 0.9 + 0.1 * state.iteration / (options.iterations + 1)
        context.progress(fraction, f"iteration {state.iteration}")
        return context.stopping

    end = minimise(problem, options.iterations, report, kept.state)
    u = end.u
    after, deeper = write(model, model.values(u).detach().numpy())
    leverages = [line.left_out(problem, u) for line in lines]
    return Refitted(
        after,
        deeper,
        _changes(model, u),
        _errors(model, designs, lines, u),
        end.iteration,
        end.converged,
        tuple(rmse for rmse, _ in leverages),
        tuple(freedom for _, freedom in leverages),
    )


def _check(
    dataset: Dataset | None,
    frames: dict[str, np.ndarray],
    options: Options,
    profiles: Sequence[Profiled],
) -> None:
    if dataset is not None:
        usable = np.zeros(len(dataset), dtype=bool)
        if options.energy_weight > 0:
            usable |= dataset.has_energy
        if options.force_weight > 0:
            usable |= dataset.has_forces
        if "train" not in frames or not usable[frames["train"]].any():
            raise RefitError("no training frame has an energy or forces")
    elif not profiles:
        raise RefitError("there are neither frames nor profiles to fit to")
    if profiles and dataset is None and options.profile_weight == 0:
        raise RefitError("the profiles have no weight, and there is nothing else to fit to")


def _check_bonds(
    topology: Topology, numbers: np.ndarray, around: Sequence[tuple[int, ...]]
) -> None:
    pairs = {frozenset(pair) for pair in topology.bond.atoms.tolist()}
    turned = {frozenset(pair) for pair in topology.torsion.atoms[:, 1:3].tolist()}
    for bond in around:
        if len(bond) != 2 or not all(0 <= a < len(numbers) for a in bond):
            raise RefitError(f"a bond is two of the {len(numbers)} atoms, not {tuple(bond)}")
        name = "-".join(f"{SYMBOLS[int(numbers[a])]}{a + 1}" for a in bond)
        if frozenset(bond) not in pairs:
            raise RefitError(f"{name} is no bond of the molecule")
        if frozenset(bond) not in turned:
            raise RefitError(f"no torsion term turns about the bond {name}")


def _curve(context: Context, name: str, x: Any, y: Any) -> None:
    unit = "eV/Å" if name.endswith("force") else "eV"
    context.curve(f"{name} RMSE", x, y, x_label="iteration", y_label=f"RMSE ({unit})")


@dataclass(frozen=True, eq=False)
class _Line:
    """A profile with its columns (M,C), and what the start leaves of it, (M,) eV."""

    profile: Profiled
    columns: torch.Tensor
    rest: torch.Tensor
    normal: Normal

    @classmethod
    def of(cls, model: Model, profile: Profiled) -> _Line:
        x = profile.positions
        columns = energy_columns(model.blocks, x)
        rest = profile.energies - energy(tensors(model.start), x)
        return cls(profile, columns, rest, profile_normal(columns, rest, profile.weights))

    def rmse(self, c: torch.Tensor) -> float:
        """Plain RMSE eV of the coefficients c (C,), the zero free."""
        return float((self.columns @ c - self.rest).std(correction=0))

    def left_out(self, problem: Problem, u: torch.Tensor) -> tuple[float, float]:
        model, options = problem.model, problem.model.options
        free = ~model.fixed
        scale = options.profile_weight * self.profile.weight / options.profile_error**2
        j = problem.slopes(u)[:, free]
        hessian = j.T @ problem.gram @ j
        hessian.diagonal().add_(problem.prior)
        inverse = scale * solve(hessian, torch.eye(len(hessian), dtype=hessian.dtype))
        rest = self.columns @ model.coefficients(u) - self.rest
        return left_out(self.columns @ j, rest, self.profile.weights, inverse)


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


def _problem(
    model: Model, design: Design | None, options: Options, lines: Sequence[_Line] = ()
) -> Problem:
    n = 3 * len(model.start.types)
    parts: list[tuple[float, Normal]] = []
    if design is not None:
        parts.append((options.energy_weight / options.energy_error**2, design.energy))
        parts.append((options.force_weight / (n * options.force_error**2), design.forces))
    weight = options.profile_weight / options.profile_error**2
    parts += [(weight * line.profile.weight, line.normal) for line in lines]
    count = len(model.c0)
    gram, right, square = model.v0.new_zeros(count, count), model.v0.new_zeros(count), 0.0
    for w, normal in parts:
        gram, right = gram + w * normal.gram, right + w * normal.right
        square += w * normal.square
    return Problem(model, gram, right, options.prior, square)


def _changes(model: Model, u: torch.Tensor) -> tuple[Change, ...]:
    """What became of every parameter; charges as they are, after their total was kept."""
    values = model.values(u).detach()
    after = values.clone()
    if model.charges_of is not None:
        where = [i for i, p in enumerate(model.parameters) if p.name == "charges"]
        after[where] = model.charges_of(values)
    out = []
    for p, v, width in zip(model.parameters, after.tolist(), u.tolist(), strict=True):
        if p.name == "charges":
            width = (v - p.start) / p.prior if p.prior else 0.0
        out.append(Change(p.label, p.name, p.start, v, width, frozen=p.prior == 0))
    return tuple(sorted(out, key=lambda c: -abs(c.sigmas)))


def _errors(
    model: Model, designs: dict[str, Design], lines: Sequence[_Line], u: torch.Tensor
) -> dict[str, float]:
    c = model.coefficients(u)
    out = {}
    for name, design in designs.items():
        for what, normal in (("energy", design.energy), ("force", design.forces)):
            if normal.rows:
                out[f"{name} {what}"] = normal.mean_square(c) ** 0.5
    for line in lines:
        out[f"profile {line.profile.name}"] = line.rmse(c)
    return out


def notes(found: Refitted, most: int = 5) -> dict[str, str]:
    """What a fit tells about itself, for Fit.info."""
    from core.units import KCAL_MOL

    free = [c for c in found.changes if not c.frozen]
    moved = [c for c in free[:most] if c.sigmas]
    words = "; ".join(map(str, moved))
    out = {"changed most, in widths of the prior": words} if moved else {}
    far = sum(abs(c.sigmas) > 3 for c in free)
    out["parameters"] = f"{len(free)} fitted, {far} moved by more than three prior widths"
    state = "converged" if found.converged else "stopped"
    out["fit"] = f"{state} after {found.iterations} iterations"
    for name, rmse in found.errors.items():
        unit = "kcal/mol/Å" if name.endswith("force") else "kcal/mol"
        out[f"{name} RMSE"] = f"{rmse / KCAL_MOL:.2f} {unit}"
    return out
