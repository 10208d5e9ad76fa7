"""Train GAFF-NN on a data set: checks, the loss, the steps, the energy constant."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.fitting.mm.start import saved_flags
from core.fitting.neural.fit import SITES, Pairs, Quadratic, blocks, quadratic
from core.fitting.neural.resume import Resume
from core.fitting.neural.train import Nonbonded, Trainer, start_functions
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import Hyper as GAFFHyper
from core.forcefields.gaff import parametrise
from core.mm import energy as mm
from core.mm.forces import Forces
from core.mm.neural import functions
from core.mm.symmetry import symmetries
from core.units import KCAL_MOL

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.gaff_nn import GAFFNN
    from core.mm.neural import Networks
    from core.mm.topology import Topology
    from core.molecule import Molecule

SPEED = 10e9  # float64 operations a second in the products that build the loss
MEMORY_BASE = 3e8
CLOSED = 200  #: iterations of the non-bonded parameters while output layers are in closed form
NO_FLAGS = "not followed: networks have no parameters to freeze, tie or bound"
MAX_VALID = 500  #: validation frames looked at while training


def cost(n_atoms: int, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit."""
    columns = 2.2 * n_atoms * (SITES - 1) + 0.3 * n_atoms**2
    build = 2.0 * n_train * 3 * n_atoms * columns**2 / SPEED
    steps = hyper.iterations * (0.004 + 6e-9 * columns**2 + 1e-6 * columns * hyper.width)
    return 2.0 + build + steps, MEMORY_BASE + 1e8 + 8.0 * 6 * columns**2


def fit_parts(
    dataset: Dataset, split: Split, hyper: Any, context: Context, field: type[GAFFNN]
) -> tuple[Molecule, dict[str, Any]]:
    """The molecule with bonds, and keyword arguments of GAFFNN. Raises ForceFieldError."""
    _check(dataset, split, hyper)
    context.progress(0.0, "parameters of GAFF")
    gaff = GAFFHyper(flavour=hyper.flavour, charges=hyper.charges, parameters=hyper.parameters)
    molecule, topology = parametrise(dataset.molecule, gaff)
    flags = [f for f in saved_flags(hyper.parameters) if f.frozen or not f.tied or f.low or f.high]
    if flags:
        context.log(f"flags of {len(flags)} terms {NO_FLAGS}")
    permutations = symmetries(molecule.numbers, topology)
    which = functions(topology, permutations, share=hyper.share)
    if not len(which.kinds):
        raise ForceFieldError("GAFF-NN: this molecule has no bonded terms to train")
    x, energy, forces = _tensors(dataset, split.train, context.device)
    parts = blocks(which, x, odd=hyper.odd)
    charge_class, lj_class = _classes(topology, permutations)
    refit = hyper.nonbonded == "refit" and len(topology.pairs) + len(topology.pairs14) > 0
    pairs = Pairs(topology, charge_class, lj_class).to(x.device) if refit else None
    if not refit:
        e, f = _nonbonded(topology, x)
        energy, forces = energy - e, forces - f
    loss = _loss(parts, pairs, (x, energy, forces), hyper, context)
    guess, kappa = start_functions(parts, topology)
    start = _start(topology, charge_class, lj_class, x) if refit else None
    trainer = Trainer(
        parts,
        loss,
        width=hyper.width,
        layers=hyper.layers,
        seed=hyper.seed,
        pairs=pairs,
        start=start,
        guess=guess,
        prior=hyper.prior,
        smooth=hyper.smooth,
        labels=int(torch.isfinite(energy).sum() + torch.isfinite(forces).sum()),
    )
    trainer.shell = dataclasses.replace(trainer.shell, kappa=kappa)

    def model(networks: Networks, free: torch.Tensor) -> GAFFNN:
        new = topology
        if start is not None:
            new = _refitted(topology, start, free, charge_class, lj_class)
        made: dict[str, Any] = {"topology": new, "functions": which, "networks": networks}
        return field(molecule, hyper, device=context.device, **made)

    best = _Best(dataset, split, hyper, context, model)
    best.resume = Resume(context, dataset, split, hyper)
    state = best.resume.load(trainer)
    if state is not None:
        done, best.at, best.score, networks, free = state
        best.model = model(networks, free)
        context.log(f"goes on after iteration {done}")
        trainer.refine(hyper.iterations, best, done=done)
    else:
        trainer.closed_form(
            CLOSED, lambda f: context.progress(0.4 + 0.05 * f, "output layers in closed form")
        )
        first = trainer.networks(trainer.hidden, trainer.output)
        if best(0, first, trainer.free):
            trainer.refine(hyper.iterations, best)
    best.resume.done()
    assert best.model is not None
    offset, absolute = _offset(best.model, dataset, split.train)
    chosen = best.model
    notes = {
        "networks": f"{len(which.kinds)} of {hyper.layers} × {hyper.width} units "
        f"(one for each {hyper.share})",
        "training frames": str(len(split.train)),
        "iterations": f"{best.at} ({'' if best.at else 'the closed form: '}best on {best.what})",
        **({"parameters": topology.source} if topology.source else {}),
    }
    if refit:
        away = np.abs(chosen.topology.charges - topology.charges).max()
        notes["charges"] = f"refitted, by at most {away:.2f} e"
    if flags:
        notes["flags"] = f"of {len(flags)} terms {NO_FLAGS}"
    if not absolute:
        notes["energy constant"] = "none: no training frame has an energy"
    context.progress(1.0, "trained")
    return molecule, {
        "topology": chosen.topology,
        "functions": which,
        "networks": chosen.networks,
        "offset": offset,
        "absolute": absolute,
        "notes": notes,
    }


class _Best:
    """Looks at the validation frames (training ones where there are none), keeps the best."""

    def __init__(
        self, dataset: Dataset, split: Split, hyper: Any, context: Context, model: Any
    ) -> None:
        frames = split.valid if len(split.valid) else split.train
        self.what = "validation frames" if len(split.valid) else "training frames"
        self.x, self.energy, self.forces = _tensors(dataset, frames[:MAX_VALID], context.device)
        self.weight, self.most = hyper.energy_weight, hyper.iterations
        self.context, self.make = context, model
        self.model: GAFFNN | None = None
        self.score, self.at = float("inf"), 0
        self.resume: Resume | None = None

    def __call__(self, done: int, networks: Networks, free: torch.Tensor) -> bool:
        field = self.make(networks, free)
        e, f = field.compute(self.x)
        known = torch.isfinite(self.energy)
        away = (e - self.energy)[known]
        energy = away.var(correction=0) if len(away) else torch.zeros(())
        known = torch.isfinite(self.forces).all(2).all(1)
        force = (f - self.forces)[known].square().mean() if known.any() else torch.zeros(())
        score = float(self.weight * energy + force)
        if score < self.score:
            self.score, self.at, self.model = score, done, field
        if self.resume is not None and self.model is not None:
            self.resume.save(done, networks, free, at=self.at, score=self.score)
        if self.model is None:
            raise ForceFieldError(
                "GAFF-NN: training gave no finite energies; hold more to GAFF (prior) or leave "
                "out frames in which atoms overlap"
            )
        rmse = float(force) ** 0.5
        self.context.curve(
            "validation force RMSE" if "valid" in self.what else "training force RMSE",
            done,
            rmse,
            x_label="iteration",
            y_label="force RMSE (eV/Å)",
        )
        self.context.progress(
            0.45 + 0.5 * min(1.0, done / self.most),
            f"iteration {done}: force RMSE {rmse / KCAL_MOL:.2f} kcal/mol/Å",
        )
        return not self.context.stopping


def _loss(parts: list, pairs: Pairs | None, data: tuple, hyper: Any, context: Context) -> Quadratic:
    def told(f: float) -> None:
        context.progress(0.02 + 0.38 * f, "gathering the training frames")

    e, f = quadratic(parts, pairs, data, told)
    w = hyper.energy_weight
    return Quadratic(w * e.h + f.h, w * e.b + f.b, w * e.c + f.c)


def _classes(topology: Topology, permutations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes of atoms (N,): those that symmetry makes equal; those of equal Lennard-Jones type."""
    _, charge = np.unique(permutations.min(0), return_inverse=True)
    keys = list(zip(topology.types, topology.rmin_half, topology.epsilon, strict=True))
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return charge.reshape(-1), np.array([order[key] for key in keys])


def _start(
    topology: Topology, charge_class: np.ndarray, lj_class: np.ndarray, x: torch.Tensor
) -> Nonbonded:
    def mean(values: np.ndarray, which: np.ndarray) -> torch.Tensor:
        return torch.tensor(np.bincount(which, values) / np.bincount(which)).to(x)

    return Nonbonded(
        mean(topology.charges, charge_class),
        mean(topology.rmin_half, lj_class),
        mean(topology.epsilon, lj_class),
        torch.tensor(np.bincount(charge_class)).to(x),
    )


def _refitted(
    topology: Topology,
    start: Nonbonded,
    free: torch.Tensor,
    charge_class: np.ndarray,
    lj_class: np.ndarray,
) -> Topology:
    charges, rmin, epsilon, scale = (v.detach().cpu().numpy() for v in start.values(free))
    return dataclasses.replace(
        topology,
        charges=charges[charge_class],
        rmin_half=rmin[lj_class],
        epsilon=epsilon[lj_class],
        scee14=topology.scee14 / scale[0],
        scnb14=topology.scnb14 / scale[1],
        notes=(*topology.notes, "charges and Lennard-Jones parameters refitted with GAFF-NN"),
    )


def _nonbonded(topology: Topology, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    from core.forcefields.gaff_nn import nonbonded

    tensors = mm.tensors(nonbonded(topology), device=x.device, dtype=x.dtype)
    return Forces(tensors, x.shape[1])(x)


def _tensors(
    dataset: Dataset, frames: np.ndarray, device: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions, energies about their mean, forces; NaN where a frame has none."""
    x = dataset.positions[frames]
    energy = np.full(len(frames), np.nan)
    if dataset.energies is not None:
        energy = dataset.energies[frames].copy()
        if np.isfinite(energy).any():
            energy = energy - energy[np.isfinite(energy)].mean()
    forces = np.full(x.shape, np.nan) if dataset.forces is None else dataset.forces[frames]
    like: dict[str, Any] = {"dtype": torch.float64, "device": device}
    return torch.tensor(x, **like), torch.tensor(energy, **like), torch.tensor(forces, **like)


def _offset(model: GAFFNN, dataset: Dataset, train: np.ndarray) -> tuple[float, bool]:
    frames = train[dataset.has_energy[train]]
    if len(frames) == 0 or dataset.energies is None:
        return 0.0, False
    x = torch.tensor(dataset.positions[frames], dtype=torch.float64, device=model.device)
    energy, _ = model.compute(x)
    return float(np.mean(dataset.energies[frames] - energy.cpu().numpy())), True


def _check(dataset: Dataset, split: Split, hyper: Any) -> None:
    if len(split.train) == 0:
        raise ForceFieldError("GAFF-NN: there are no training frames")
    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"GAFF-NN: {use} frame {frames.max() + 1} of a data set with {len(dataset)} frames"
            )
    energies = hyper.energy_weight > 0 and dataset.has_energy[split.train].any()
    if not (dataset.has_forces[split.train].any() or energies):
        raise ForceFieldError(
            "GAFF-NN: no training frame has forces or (with a weight of energies above 0) an "
            "energy to learn from"
        )
