"""The training frames of sGDML: checked, described, and turned into right-hand sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.extended import Descriptor
from core.descriptors.extended_terms import TermError, close_terms, parse_terms, straight
from core.descriptors.inverse_distances import internal_basis
from core.descriptors.matern_hessian import MaternHessian
from core.fitting.sgdml.symmetry_choice import parse_skipped, text, without
from core.fitting.symmetry import SymmetryError, find_permutations
from core.fitting.training import check_repeats
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context


def check(dataset: Dataset, split: Split, hyper: Any) -> None:
    """Raises ForceFieldError on anything that would make a wrong or a singular fit."""
    if len(dataset.molecule.numbers) < 2:
        raise ForceFieldError("sGDML needs at least two atoms: it describes distances")
    if len(split.train) == 0:
        raise ForceFieldError("sGDML: there are no training frames")
    energies_decide = hyper.choose != "forces" and (hyper.sigma == 0 or hyper.search_lam)
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
        needed = hyper.energies if use == "training" else energies_decide
        missing = frames[~dataset.has_energy[frames]]
        if needed and len(missing):
            why = "'Fit energies too'" if use == "training" else "choosing by energies"
            raise ForceFieldError(
                f"sGDML: {use} frame {missing[0] + 1} has no energy ({len(missing)} of "
                f"{len(frames)} have none), which {why} needs; switch it off or choose other frames"
            )
    train = np.sort(split.train)
    check_repeats("sGDML", dataset, train, "makes the equations singular")
    if len(split.valid) == 0 and (hyper.sigma == 0 or hyper.search_lam):
        what = "sigma" if hyper.sigma == 0 else "lambda"
        raise ForceFieldError(
            f"sGDML: choosing {what} needs validation frames and there are none; "
            "leave some frames for validation or set sigma (20 suits small molecules)"
        )


def symmetries(
    dataset: Dataset, train: np.ndarray, hyper: Any, context: Context
) -> tuple[np.ndarray, dict[str, str]]:
    """The permutations (S,N) that the model shall obey, and notes about them."""
    permutations = np.arange(len(dataset.molecule.numbers))[None]
    if not hyper.symmetries:
        if hyper.skip_permutations.strip():
            context.log("symmetries are off: the list of permutations switched off has no effect")
        return permutations, {"permutations": "1"}
    try:
        permutations = find_permutations(
            dataset.molecule.numbers, dataset.positions[train], context
        )
        skipped = parse_skipped(hyper.skip_permutations, permutations)
    except SymmetryError as error:
        raise ForceFieldError(f"sGDML: {error}") from None
    kept = without(permutations, skipped)
    word = "permutation" if len(kept) == 1 else "permutations"
    context.log(f"{len(kept)} {word} of like atoms")
    notes = {"permutations": str(len(kept))}
    if len(kept) > 1:
        shown = ", ".join(text(p) for p in kept[1:9])
        notes["permuted atoms"] = shown + (" …" if len(kept) > 9 else "")
    if skipped:
        have = {tuple(p) for p in kept.tolist()}
        gone = [text(p) for p in permutations if tuple(p.tolist()) not in have]
        notes["switched off"] = ", ".join(gone[:8]) + (" …" if len(gone) > 8 else "")
        if len(gone) > len(skipped):
            context.log(
                f"{len(gone) - len(skipped)} more permutations went with those switched off: "
                "products of the others would bring them back"
            )
    return kept, notes


def coordinates(
    dataset: Dataset, frames: np.ndarray, permutations: np.ndarray, hyper: Any
) -> np.ndarray:
    """The angles and dihedrals (E,4) that were asked for and those they permute into."""
    try:
        terms = close_terms(parse_terms(hyper.terms, dataset.molecule), permutations)
    except TermError as error:
        raise ForceFieldError(f"sGDML, angles and dihedrals: {error}") from None
    found = straight(terms, dataset.positions[frames])
    if found is not None:
        raise ForceFieldError(
            f"sGDML: in frame {frames[found[0]] + 1} the angle {found[1]} is straight, where its "
            "slope is not defined; choose other angles and dihedrals"
        )
    return terms


class Training:
    """The training frames as tensors, ready for any kernel width."""

    def __init__(
        self,
        dataset: Dataset,
        frames: np.ndarray,
        permutations: np.ndarray,
        terms: np.ndarray,
        hyper: Any,
        device: str,
    ) -> None:
        assert dataset.forces is not None
        positions = torch.tensor(dataset.positions[frames], device=device)
        forces = torch.tensor(dataset.forces[frames], device=device)
        descriptor = Descriptor(
            positions.shape[1], terms, dtype=positions.dtype, device=positions.device
        )
        self.d, slope = descriptor(positions)
        basis = internal_basis(positions)
        self.g = torch.bmm(descriptor.jacobian(slope), basis)
        gradient = -forces.reshape(len(frames), -1, 1)
        self.right = torch.bmm(basis.transpose(1, 2), gradient)[..., 0]  # (M,R) eV/Å
        self.weight = hyper.energy_weight if hyper.energies else 0.0
        if self.weight:
            assert dataset.energies is not None
            energies = torch.tensor(dataset.energies[frames], device=device)
            scaled = self.weight * (energies - energies.mean())
            self.right = torch.cat([self.right, scaled[:, None]], 1)
        self.permutations, self.terms = permutations, terms
        self.images = torch.as_tensor(descriptor.images(permutations), device=device)

    def kernel(self, m: int, sigma: float) -> MaternHessian:
        """The kernel matrix of the first m frames."""
        return MaternHessian(self.d[:m], self.g[:m], self.images, sigma, self.weight)

    def arrays(self, alpha: torch.Tensor, sigma: float) -> dict[str, Any]:
        """What SGDML's constructor needs, from the solution (m, rows)."""
        m, r = len(alpha), self.g.shape[2]
        weights = torch.bmm(self.g[:m], alpha[:, :r, None])[..., 0]
        found = {
            "descriptors": self.d[:m].cpu().numpy(),
            "weights": weights.cpu().numpy(),
            "permutations": self.permutations,
            "terms": self.terms,
            "sigma": sigma,
        }
        if self.weight:
            found["energy_weights"] = (self.weight * alpha[:, r]).cpu().numpy()
        return found
