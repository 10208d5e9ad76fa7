"""Train sGDML: symmetries, kernel width, closed-form solution, energy constant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.inverse_distances import (
    describe,
    incidence,
    internal_basis,
    jacobian,
    permute_pairs,
)
from core.descriptors.matern_hessian import MaternHessian
from core.descriptors.pair_distances import repeated_frames
from core.fitting.cholesky import NotPositiveDefinite
from core.fitting.cores import Spread, spread_over_cores
from core.fitting.gradient_domain import bytes_needed, flops, solve
from core.fitting.symmetry import SymmetryError, find_permutations
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.sgdml import SGDML

WIDTHS = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0, 56.0, 80.0, 112.0, 160.0)  #: 1/Å
START = WIDTHS.index(20.0)
USUAL_EVALUATIONS = 4  # widths tried in a typical search
SPEED = 45e9  # float64 operations per second that two cores reach in large products
MEMORY_BASE = 3e8  # bytes that torch and the data take anyway


def cost(n_atoms: int, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit, for six permutations."""
    r, d = max(1, 3 * n_atoms - 6), n_atoms * (n_atoms - 1) // 2

    def seconds(m: int) -> float:
        build, factor = flops(m, r, d, 6)
        return (3.0 * build + factor) / SPEED

    search = 0.0
    if hyper.sigma == 0:
        search = USUAL_EVALUATIONS * seconds(min(n_train, hyper.search_frames)) + 1.0
    return 1.0 + search + seconds(n_train), MEMORY_BASE + bytes_needed(n_train, r)


class _Training:
    """The training frames as tensors, ready for any kernel width."""

    def __init__(
        self,
        dataset: Dataset,
        frames: np.ndarray,
        permutations: np.ndarray,
        device: str,
        spread: Spread,
    ) -> None:
        assert dataset.forces is not None
        self.spread = spread
        positions = torch.tensor(dataset.positions[frames], device=device)
        forces = torch.tensor(dataset.forces[frames], device=device)
        inc = incidence(positions.shape[1], dtype=positions.dtype, device=positions.device)
        self.d, slope = describe(positions, inc)
        basis = internal_basis(positions)
        self.g = torch.bmm(jacobian(slope, inc), basis)
        gradient = -forces.reshape(len(frames), -1, 1)
        self.gradient = torch.bmm(basis.transpose(1, 2), gradient)[..., 0]
        self.permutations = permutations
        self.images = torch.as_tensor(permute_pairs(permutations), device=device)

    def arrays(self, m: int, sigma: float, lam: float, report: Any) -> dict[str, Any]:
        """Solve with the first m frames: what SGDML's constructor needs, and the lam used."""
        kernel = MaternHessian(self.d[:m], self.g[:m], self.images, sigma)
        s = len(self.permutations)
        alpha, lam = solve(
            kernel, self.gradient[:m], lam, report, permutations=s, spread=self.spread
        )
        weights = torch.bmm(self.g[:m], alpha[..., None])[..., 0]
        return {
            "descriptors": self.d[:m].cpu().numpy(),
            "weights": weights.cpu().numpy(),
            "permutations": self.permutations,
            "sigma": sigma,
            "lam": lam,
        }


def fit_arrays(
    dataset: Dataset, split: Split, hyper: Any, context: Context, field: type[SGDML]
) -> dict[str, Any]:
    """Train on split.train; keyword arguments of SGDML. Raises ForceFieldError."""
    with spread_over_cores(context.device) as spread:
        return _fit(dataset, split, hyper, context, field, spread)


def _fit(
    dataset: Dataset,
    split: Split,
    hyper: Any,
    context: Context,
    field: type[SGDML],
    spread: Spread,
) -> dict[str, Any]:
    _check(dataset, split, hyper)
    train = split.train
    _check_memory(len(dataset.molecule.numbers), len(train), hyper, context.device)
    context.progress(0.0, "looking for symmetries")
    permutations = np.arange(len(dataset.molecule.numbers))[None]
    if hyper.symmetries:
        try:
            permutations = find_permutations(
                dataset.molecule.numbers, dataset.positions[train], context
            )
        except SymmetryError as error:
            raise ForceFieldError(f"sGDML: {error}") from None
    word = "permutation" if len(permutations) == 1 else "permutations"
    context.log(f"{len(permutations)} {word} of like atoms")
    data = _Training(dataset, train, permutations, context.device, spread)
    notes = {"permutations": str(len(permutations)), "training frames": str(len(train))}

    def make(arrays: dict[str, Any]) -> SGDML:
        kept = {k: v for k, v in arrays.items() if k != "lam"}
        return field(dataset.molecule, hyper, device=context.device, **kept)

    sigma, arrays, searched = hyper.sigma, None, 0.0
    try:
        if sigma == 0:
            sigma, arrays, searched = _search(data, dataset, split, hyper, context, make)
        if arrays is None or (len(arrays["descriptors"]) < len(train) and not context.stopping):

            def report(f: float, message: str) -> None:
                context.progress(searched + (0.98 - searched) * f, f"{message}, sigma {sigma:g}")

            arrays = data.arrays(len(train), sigma, hyper.lam, report)
    except NotPositiveDefinite as error:
        frame = int(train[min(len(train) - 1, error.row // data.g.shape[2])])
        raise ForceFieldError(
            f"sGDML: the kernel matrix is singular to rounding near frame {frame + 1} (sigma "
            f"{sigma:g}, lambda {hyper.lam:g}); make lambda larger or sigma smaller, or leave out "
            "frames that are nearly the same"
        ) from None
    lam = arrays.pop("lam")
    notes["sigma"] = f"{sigma:g} 1/Å" + (" (chosen)" if hyper.sigma == 0 else "")
    notes["lambda"] = f"{lam:.0e}"
    if lam != hyper.lam:
        notes["lambda"] += f" (raised from {hyper.lam:.0e}: rounding errors)"
        context.log(f"lambda {notes['lambda']}")
    used = len(arrays["descriptors"])
    if used < len(train):
        notes["training frames"] = f"{used} of {len(train)} (stopped early)"
    arrays["offset"], arrays["absolute"] = _offset(make(arrays), dataset, train[:used])
    if not arrays["absolute"]:
        notes["energy constant"] = "none: no training frame has an energy"
    context.progress(1.0, "trained")
    return {**arrays, "notes": notes}


def _search(
    data: _Training, dataset: Dataset, split: Split, hyper: Any, context: Context, make: Any
) -> tuple[float, dict[str, Any], float]:
    """The width with the least force MAE on the validation frames, walking downhill from 20.

    Returns the width, its arrays, and the fraction of the whole work that is done.
    """
    m = min(len(split.train), hyper.search_frames)
    n_atoms = len(dataset.molecule.numbers)
    r, width = data.g.shape[2], n_atoms * (n_atoms - 1) // 2

    def work(frames: int) -> float:
        build, factor = flops(frames, r, width, len(data.permutations))
        return 3.0 * build + factor + 1e9

    last = work(len(split.train)) if m < len(split.train) else 0.0
    share = 0.98 * USUAL_EVALUATIONS * work(m) / (USUAL_EVALUATIONS * work(m) + last)
    assert dataset.forces is not None
    target = torch.tensor(dataset.forces[split.valid], dtype=torch.float64)
    geometries = torch.tensor(dataset.positions[split.valid], dtype=torch.float64)
    tried: dict[int, float] = {}
    best: tuple[float, int, dict[str, Any]] | None = None

    def attempt(k: int) -> float:
        nonlocal best

        def report(f: float, message: str) -> None:
            # tends to the search's share however many widths it takes
            steps = len(tried) + f
            context.progress(
                share * steps / max(USUAL_EVALUATIONS, steps + 0.5),
                f"choosing sigma: {message}, {WIDTHS[k]:g}",
            )

        arrays = data.arrays(m, WIDTHS[k], hyper.lam, report)
        _, forces = make(arrays).compute(geometries.to(context.device))
        tried[k] = float((forces.cpu() - target).abs().mean())
        context.curve(
            "validation force MAE",
            WIDTHS[k],
            tried[k],
            x_label="kernel width σ (1/Å)",
            y_label="validation force MAE (eV/Å)",
        )
        context.log(f"sigma {WIDTHS[k]:g}: validation force MAE {1e3 * tried[k]:.1f} meV/Å")
        if best is None or tried[k] < best[0]:
            best = (tried[k], k, arrays)
        return tried[k]

    attempt(START)
    for step in (1, -1):
        k = START + step
        while 0 <= k < len(WIDTHS) and not context.stopping:
            if attempt(k) > tried[k - step]:
                break
            k += step
        if best is not None and best[1] != START:
            break
    assert best is not None
    return WIDTHS[best[1]], best[2], share


def _check(dataset: Dataset, split: Split, hyper: Any) -> None:
    """Raises ForceFieldError on anything that would make a wrong or a singular fit."""
    if len(dataset.molecule.numbers) < 2:
        raise ForceFieldError("sGDML needs at least two atoms: it describes distances")
    if len(split.train) == 0:
        raise ForceFieldError("sGDML: there are no training frames")
    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"sGDML: {use} frame {frames.max() + 1} of a data set with {len(dataset)} frames"
            )
        missing = frames[~dataset.has_forces[frames]]
        if len(missing):
            raise ForceFieldError(
                f"sGDML: {use} frame {missing[0] + 1} has no forces ({len(missing)} of "
                f"{len(frames)} have none); sGDML learns from forces, choose frames that have them"
            )
    train = np.sort(split.train)
    again, first = repeated_frames(dataset.positions[train])
    if len(again):
        raise ForceFieldError(
            f"sGDML: training frame {train[again[0]] + 1} is the same geometry as frame "
            f"{train[first[0]] + 1} ({len(again)} such repeats), which makes the equations "
            "singular; leave the repeats out"
        )
    if hyper.sigma == 0 and len(split.valid) == 0:
        raise ForceFieldError(
            "sGDML: choosing sigma needs validation frames and there are none; "
            "leave some frames for validation or set sigma (20 suits small molecules)"
        )


def _check_memory(n_atoms: int, n_train: int, hyper: Any, device: str) -> None:
    if not device.startswith("cpu"):
        return
    import psutil

    _, needed = cost(n_atoms, n_train, hyper)
    free = psutil.virtual_memory().available
    if needed > free:
        fits = int(n_train * (free / needed) ** 0.5)
        raise ForceFieldError(
            f"sGDML with {n_train} training frames needs {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; about {fits} frames would fit"
        )


def _offset(model: SGDML, dataset: Dataset, train: np.ndarray) -> tuple[float, bool]:
    """The energy constant E_0 in eV, and whether there were energies to take it from."""
    frames = train[dataset.has_energy[train]]
    if len(frames) == 0 or dataset.energies is None:
        return 0.0, False
    positions = torch.tensor(dataset.positions[frames], dtype=torch.float64, device=model.device)
    energy, _ = model.compute(positions)
    return float(np.mean(dataset.energies[frames] - energy.cpu().numpy())), True
