"""Small force fields with known answers."""

from __future__ import annotations

import torch

from core.forcefields.base import ForceField
from core.forcefields.info import Info
from core.molecule import Molecule


class Wells(ForceField):
    """Every atom in its own isotropic harmonic well: E = sum k r²/2 about `centres` (N,3)."""

    INFO = Info("wells", "Wells", "toy", batched=True, differentiable=True)

    def __init__(self, molecule: Molecule, k: float = 5.0) -> None:
        super().__init__(molecule)
        self.k = k
        self.centres = torch.tensor(molecule.positions)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.k * (positions - self.centres).square().sum((1, 2))


class Springs(ForceField):
    """Harmonic springs (k eV/Å²) between all pairs, at rest in the molecule's own geometry."""

    INFO = Info("springs", "Springs", "toy", batched=True, differentiable=True)

    def __init__(self, molecule: Molecule, k: float = 20.0) -> None:
        super().__init__(molecule)
        self.k = k
        self.pairs = torch.triu_indices(len(molecule.numbers), len(molecule.numbers), 1)
        self.rest = self._lengths(torch.tensor(molecule.positions)[None])

    def _lengths(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, self.pairs[0]] - x[:, self.pairs[1]]).norm(dim=-1)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.k * (self._lengths(positions) - self.rest).square().sum(1)


class Cliff(Springs):
    """Springs whose energy runs away for replicas whose first bond is longer than `edge` x rest."""

    INFO = Info("cliff", "Cliff", "toy", batched=True, differentiable=True)
    edge = 1.05

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        over = (self._lengths(positions)[:, 0] / self.rest[0, 0] - self.edge).clamp_min(0.0)
        return super().energy(positions) - 3000.0 * over.square()


class Moody(ForceField):
    """Another field that raises, or answers NaN, where `refuses(positions) -> (B,)` is true."""

    INFO = Info("moody", "Moody", "toy")

    def __init__(self, inner: ForceField, refuses, *, raises: bool = True) -> None:
        super().__init__(inner.molecule)
        self.inner, self.refuses, self.raises = inner, refuses, raises

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        e, f = self.inner.compute(positions)
        bad = torch.as_tensor(self.refuses(positions))
        if self.raises and bad.any():
            raise RuntimeError("SCF not converged")
        return torch.where(bad, torch.nan, e), torch.where(bad[:, None, None], torch.nan, f)


def triangle() -> Molecule:
    """Three different atoms, all bonded."""
    return Molecule(
        "triangle",
        [6, 8, 1],
        [[0.0, 0.0, 0.0], [1.3, 0.0, 0.0], [0.5, 1.1, 0.0]],
        bonds=[(0, 1), (1, 2), (0, 2)],
        orders=[1, 1, 1],
    )


def build(smiles: str, *, relaxed: bool = False) -> Molecule:
    """A molecule from SMILES with RDKit's geometry (seeded), at its MMFF94 minimum if `relaxed`."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    if relaxed:
        AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    Chem.Kekulize(mol)
    bonds = list(mol.GetBonds())
    return Molecule(
        smiles,
        [a.GetAtomicNum() for a in mol.GetAtoms()],
        mol.GetConformer().GetPositions(),
        bonds=[(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in bonds],
        orders=[b.GetBondTypeAsDouble() for b in bonds],
    )
