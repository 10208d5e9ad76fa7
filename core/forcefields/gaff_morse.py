"""GAFF with Morse bonds and twice as many torsion terms, fitted to data.

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), section IV E. A bond is

    D (1 - exp(-a (r - r0)))²,   a = sqrt(k / D)

with r0 and the curvature k where GAFF keeps them, so that D alone is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.forcefields.base import ForceFieldError, hyper
from core.forcefields.gaff import GAFF, Hyper, parametrise
from core.forcefields.info import Info
from core.mm import energy as mm
from core.mm.forces import Forces
from core.mm.symmetry import symmetries
from core.mm.topology import Topology
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

STEEP = 1.9  #: 1/Å, the a of most covalent bonds: where a fit starts
DEPTH = "morse.depth"  #: name of the depths among the arrays of a saved model


@dataclass(frozen=True)
class MorseHyper(Hyper):
    """As for GAFF, with twice the Fourier terms."""

    fit_orders: int = hyper(
        8,
        label="Fit: torsions n ≤",
        help="Cosine terms that every torsion gets; 0 = only those it starts with.",
        low=0,
        high=12,
    )


class GAFFMorse(GAFF):
    """A fitted GAFF-Morse."""

    INFO = Info(
        key="gaff-morse",
        label="GAFF-Morse",
        family="MM",
        doi="10.1063/5.0023005",
        about="GAFF with anharmonic bonds and longer torsion series, fitted to your data.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        energies_suffice=True,
        elements=GAFF.INFO.elements,
    )
    Hyper = MorseHyper
    BONDS: ClassVar[str] = "may break"

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        topology: Topology | None = None,
        depth: np.ndarray | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """depth (T,) eV of every bond; None: as deep as a usual steepness makes it."""
        super().__init__(molecule, hyper, topology=topology, device=device, dtype=dtype)
        self.depth = _checked(start_depth(self.topology) if depth is None else depth, self.topology)
        self.well = torch.tensor(self.depth, dtype=self.dtype, device=self.device)
        flat = torch.zeros_like(self.tensors.values["bond.k"])
        self._rest = self.tensors.with_values({"bond.k": flat})
        self._forces = Forces(self._rest, len(molecule.numbers))

    def terms(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        """positions (B,N,3) Å -> kind of term -> energy (B,) eV; "bond" are the Morse curves."""
        out = mm.terms(self._rest, positions)
        r = mm.distances(positions, self.tensors.index["bond"])
        out["bond"] = self._morse(r)[0].sum(-1)
        return out

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(self.terms(positions).values())).sum(0)

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and analytic forces."""
        energy, forces = self._forces(positions)
        with torch.no_grad():
            i, j = self.tensors.index["bond"].unbind(1)
            d = positions[:, j] - positions[:, i]
            r = (d.square().sum(-1) + mm.TINY).sqrt()
            value, slope = self._morse(r)
            pull = d * (slope / r)[..., None]
            forces.index_add_(1, i, pull).index_add_(1, j, pull, alpha=-1)
        return energy + value.sum(-1), forces

    def _morse(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """r (B,T) Å -> energy (B,T) eV and slope (B,T) eV/Å."""
        v = self.tensors.values
        a = (v["bond.k"] / self.well).sqrt()
        decay = torch.exp(-a * (r - v["bond.r0"]))
        return self.well * (1.0 - decay) ** 2, 2.0 * self.well * a * decay * (1.0 - decay)

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the permutations that map every term, and every depth, on an equal one."""
        import dataclasses

        bond = self.topology.bond
        deep = dataclasses.replace(bond, parameters={**bond.parameters, "k": self.depth})
        other = symmetries(self.molecule.numbers, dataclasses.replace(self.topology, bond=deep))
        kept = {tuple(p) for p in other.tolist()}
        own = symmetries(self.molecule.numbers, self.topology)
        return np.array([p for p in own if tuple(p.tolist()) in kept])

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.mm.refit`. Raises ForceFieldError."""
        from core.fitting.mm.field import fit_terms

        molecule, topology = parametrise(dataset.molecule, hyper)
        depth = start_depth(topology)
        found, notes = fit_terms(topology, dataset, split, hyper, context, depth=depth)
        field = cls(molecule, hyper, topology=found.topology, depth=found.depth,
                    device=context.device)  # fmt: skip
        field.notes |= notes
        return field

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), DEPTH: self.depth}

    @classmethod
    def from_state(
        cls,
        molecule: Molecule,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> Self:
        if DEPTH not in state:
            raise ForceFieldError("this is no GAFF-Morse model: it has no bond depths")
        rest = {k: v for k, v in state.items() if k != DEPTH}
        topology = GAFF.from_state(molecule, None, rest).topology
        return cls(
            molecule, hyper, topology=topology, depth=state[DEPTH], device=device, dtype=dtype
        )


def start_depth(topology: Topology) -> np.ndarray:
    """(T,) eV, the depth of every bond before a fit: k / a² with the usual a."""
    return topology.bond.parameters["k"] / STEEP**2


def _checked(depth: np.ndarray, topology: Topology) -> np.ndarray:
    d = np.array(depth, dtype=np.float64)
    if d.shape != (len(topology.bond),) or not (np.isfinite(d) & (d > 0)).all():
        raise ForceFieldError(
            f"the depths of the Morse bonds must be {len(topology.bond)} positive numbers"
        )
    return d


FIELD = GAFFMorse
