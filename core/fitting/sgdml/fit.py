"""Train sGDML: symmetries, coordinates, kernel width, solution, energy constant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.fitting.cholesky import NotPositiveDefinite
from core.fitting.cores import Spread, spread_over_cores
from core.fitting.sgdml.data import Training, check, coordinates, symmetries
from core.fitting.sgdml.gradient_domain import flops
from core.fitting.sgdml.search import USUAL_EVALUATIONS, Search
from core.fitting.sgdml.solve import SPEED, plan, solve
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.sgdml import SGDML

TYPICAL_PERMUTATIONS = 6  # before they are known
ROUGH = 5e-3  # eV/Å of rounding that a person must hear of
COMPARED = 200  # frames on which float32 is held against float64


def cost(n_atoms: int, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit, for six permutations."""
    r, d = max(1, 3 * n_atoms - 6) + int(hyper.energies), n_atoms * (n_atoms - 1) // 2
    s = TYPICAL_PERMUTATIONS if hyper.symmetries else 1

    def planned(m: int) -> tuple[float, float]:
        try:
            found = plan(m, r, d, s, hyper, "cpu")
        except ForceFieldError:  # the fit will say so; here the figures are what is asked for
            found = plan(m, r, d, s, hyper, "cpu", limit=float("inf"))
        return found.seconds, found.bytes

    seconds, size = planned(n_train)
    tries = USUAL_EVALUATIONS * (hyper.sigma == 0) + 3 * hyper.search_lam
    if tries:
        seconds += tries * planned(min(n_train, hyper.search_frames))[0] + 1.0
    return 1.0 + seconds, size


def fit_arrays(
    dataset: Dataset, split: Split, hyper: Any, context: Context, field: type[SGDML]
) -> dict[str, Any]:
    """Train on split.train; keyword arguments of SGDML. Raises ForceFieldError."""
    with spread_over_cores(context.device) as spread:
        return _Fit(dataset, split, hyper, context, field, spread).run()


class _Fit:
    """One fit and what its steps share."""

    def __init__(
        self,
        dataset: Dataset,
        split: Split,
        hyper: Any,
        context: Context,
        field: type[SGDML],
        spread: Spread,
    ) -> None:
        self.dataset, self.split, self.hyper, self.context = dataset, split, hyper, context
        self.field, self.spread = field, spread
        self.notes: dict[str, str] = {}
        self.lam = hyper.lam

    def run(self) -> dict[str, Any]:
        """Arguments of SGDML's constructor."""
        dataset, hyper, context, train = self.dataset, self.hyper, self.context, self.split.train
        check(dataset, self.split, hyper)
        self._plan(len(train), TYPICAL_PERMUTATIONS if hyper.symmetries else 1)  # before any work
        context.progress(0.0, "looking for symmetries")
        permutations, self.notes = symmetries(dataset, train, hyper, context)
        frames = np.concatenate([train, self.split.valid])
        terms = coordinates(dataset, frames, permutations, hyper)
        if len(terms):
            angles = int((terms[:, 3] < 0).sum())
            self.notes["coordinates"] = f"{angles} angles, {len(terms) - angles} dihedrals added"
        self.data = Training(dataset, train, permutations, terms, hyper, context.device)
        self.notes["training frames"] = str(len(train))
        try:
            sigma, arrays = self._solved()
        except NotPositiveDefinite as error:
            frame = int(train[min(len(train) - 1, error.row // self.data.right.shape[1])])
            raise ForceFieldError(
                f"sGDML: the kernel matrix is singular to rounding near frame {frame + 1} (sigma "
                f"{self.sigma:g}, lambda {self.lam:g}); make lambda larger or sigma smaller, or "
                "leave out frames that are nearly the same"
            ) from None
        self._tell(sigma, arrays)
        arrays["offset"], arrays["absolute"] = self._offset(arrays)
        if not arrays["absolute"]:
            self.notes["energy constant"] = "none: no training frame has an energy"
        if hyper.precision == "float32":
            self.notes["float32"] = self._compared(arrays)
        context.progress(1.0, "trained")
        return {**arrays, "notes": self.notes}

    def _plan(self, m: int, permutations: int) -> Any:
        n = len(self.dataset.molecule.numbers)
        if hasattr(self, "data"):
            width, rows = self.data.d.shape[1], self.data.right.shape[1]
        else:
            width, rows = n * (n - 1) // 2, max(1, 3 * n - 6) + int(self.hyper.energies)
        return plan(m, rows, width, permutations, self.hyper, self.context.device)

    def _solved(self) -> tuple[float, dict[str, Any]]:
        """The width and the arrays of the last fit, or after a stop the best there is."""
        hyper, context, train = self.hyper, self.context, self.split.train
        self.sigma, best, searched = hyper.sigma, None, 0.0
        if hyper.sigma == 0 or hyper.search_lam:
            best, searched = self._searched()
        if best is not None and (len(best["descriptors"]) == len(train) or context.stopping):
            return self.sigma, best

        def report(f: float, message: str) -> None:
            done = searched + (0.98 - searched) * f
            context.progress(done, f"{message}, sigma {self.sigma:g}")

        arrays = self._one(len(train), self.sigma, self.lam, report, final=True)
        if best is not None and len(arrays["descriptors"]) < len(best["descriptors"]):
            return self.sigma, best  # stopped before it knew as much as the search did
        return self.sigma, arrays

    def _one(
        self, m: int, sigma: float, lam: float, report: Any, *, final: bool = False
    ) -> dict[str, Any]:
        self.sigma = sigma
        chosen = self._plan(m, len(self.data.permutations))
        alpha, used, notes = solve(
            self.data, m, sigma, lam, self.hyper, chosen, self.context, report, self.spread,
            final=final,
        )  # fmt: skip
        return {**self.data.arrays(alpha, sigma), "lam": used, "solver": notes["solver"]}

    def _searched(self) -> tuple[dict[str, Any], float]:
        """The best of the search, and the fraction of the whole work that is done."""
        hyper, context = self.hyper, self.context
        m = min(len(self.split.train), hyper.search_frames)
        width, rows = self.data.d.shape[1], self.data.right.shape[1]
        usual = USUAL_EVALUATIONS * (hyper.sigma == 0) + 3 * hyper.search_lam

        def work(frames: int) -> float:
            build, factor = flops(frames, rows, width, len(self.data.permutations))
            return (3.0 * build + factor) / SPEED + 0.02

        last = work(len(self.split.train)) if m < len(self.split.train) else 0.0
        share = 0.98 * usual * work(m) / (usual * work(m) + last)

        def report(steps: float, message: str) -> None:
            # tends to the search's share however many evaluations it takes
            context.progress(share * steps / max(usual, steps + 0.5), message)

        def attempt(sigma: float, lam: float, told: Any) -> dict[str, Any]:
            arrays = self._one(m, sigma, lam, told)
            if hyper.choose != "forces":  # energies are compared with the constant
                arrays["offset"], arrays["absolute"] = self._offset(arrays)
            return arrays

        search = Search(self.dataset, self.split.valid, hyper, context, attempt, self._make, report)
        if hyper.sigma == 0:
            search.sigma()
        if hyper.search_lam and not context.stopping:
            search.lam(search.best.sigma if search.best is not None else hyper.sigma)
        assert search.best is not None
        self.sigma, self.lam = search.best.sigma, search.best.lam
        return search.best.arrays, share

    def _make(self, arrays: dict[str, Any], dtype: str = "float64") -> SGDML:
        kept = {k: v for k, v in arrays.items() if k not in ("lam", "solver")}
        return self.field(
            self.dataset.molecule, self.hyper, device=self.context.device, dtype=dtype, **kept
        )

    def _tell(self, sigma: float, arrays: dict[str, Any]) -> None:
        hyper, lam = self.hyper, arrays.pop("lam")
        self.notes["sigma"] = f"{sigma:g} 1/Å" + (" (chosen)" if hyper.sigma == 0 else "")
        self.notes["lambda"] = f"{lam:.0e}" + (" (chosen)" if hyper.search_lam else "")
        if lam != self.lam:
            self.notes["lambda"] += f" (raised from {self.lam:.0e}: rounding errors)"
            self.context.log(f"lambda {self.notes['lambda']}")
        self.notes["solver"] = arrays.pop("solver")
        self.context.log(f"solver: {self.notes['solver']}")
        if hyper.energies:
            self.notes["fitted to"] = f"forces and energies (weight {hyper.energy_weight:g} 1/Å)"
        used, total = len(arrays["descriptors"]), len(self.split.train)
        if used < total:
            self.notes["training frames"] = f"{used} of {total} (stopped early)"

    def _offset(self, arrays: dict[str, Any]) -> tuple[float, bool]:
        """The energy constant E_0 in eV, and whether there were energies to take it from."""
        train = self.split.train[: len(arrays["descriptors"])]
        frames = train[self.dataset.has_energy[train]]
        if len(frames) == 0 or self.dataset.energies is None:
            return 0.0, False
        model = self._make({k: v for k, v in arrays.items() if k not in ("offset", "absolute")})
        energy, _ = model.compute(self._positions(frames))
        return float(np.mean(self.dataset.energies[frames] - energy.cpu().numpy())), True

    def _positions(self, frames: np.ndarray) -> torch.Tensor:
        return torch.tensor(self.dataset.positions[frames], device=self.context.device)

    def _compared(self, arrays: dict[str, Any]) -> str:
        """How far the predictions of float32 are from those of float64."""
        frames = np.concatenate([self.split.valid, self.split.train])[:COMPARED]
        x = self._positions(frames)
        exact, forces = self._make(arrays).compute(x)
        energy, rounded = self._make(arrays, "float32").compute(x.float())
        df, de = (rounded.double() - forces).abs().max(), (energy.double() - exact).abs().max()
        if float(df) > ROUGH:
            self.context.log(
                f"float32 rounds forces by up to {1e3 * float(df):.0f} meV/Å: take float64, or a "
                "larger lambda, which makes the weights smaller"
            )
        return (
            f"differs from float64 by at most {1e3 * float(df):.3f} meV/Å and "
            f"{1e3 * float(de):.3f} meV on {len(frames)} frames"
        )
