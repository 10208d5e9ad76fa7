"""Small molecules of C, H and O that share one made-up potential, for fits to several."""

from __future__ import annotations

import numpy as np
import torch

from core.dataset import Dataset
from core.elements import COVALENT_RADII
from core.molecule import Molecule

ATOM = {1: -13.6, 6: -1030.0, 8: -2040.0}  # eV, what the made-up atoms have by themselves
METHANOL = Molecule(
    "methanol",
    np.array([8, 6, 1, 1, 1, 1]),
    np.array(
        [
            [0.7031, 0.0083, 0.1305],
            [-0.6582, -0.0067, -0.0730],
            [-1.0215, -0.9756, 0.3037],
            [-1.1345, 0.7996, 0.4930],
            [-0.9164, 0.1033, -1.1400],
            [1.0275, 0.9160, 0.2855],
        ]
    ),
)
WATER = Molecule(
    "water", np.array([1, 8, 1]), np.array([[0.96, 0, 0], [0, 0, 0], [-0.24, 0.93, 0]])
)
METHANAL = Molecule(
    "methanal",
    np.array([6, 8, 1, 1]),
    np.array([[0.0, 0, 0], [1.4, 0, 0], [-0.58, 0.94, 0], [-0.58, -0.94, 0]]),
)


def frames(molecule: Molecule, n: int = 40, *, isolated: bool = False) -> Dataset:
    """Geometries labelled by a Morse potential between all atoms, other for every two elements."""
    x = np.random.default_rng(5).normal(molecule.positions, 0.06, (n, *molecule.positions.shape))
    i, j = np.triu_indices(len(molecule.numbers), 1)
    z = molecule.numbers
    best = torch.tensor(1.3 * (COVALENT_RADII[z[i]] + COVALENT_RADII[z[j]]))
    depth = torch.tensor(0.3 + 0.02 * np.sqrt(z[i] * z[j]))
    r = torch.tensor(x).requires_grad_()
    away = (r[:, i] - r[:, j]).norm(dim=-1) - best
    e = (depth * ((1 - torch.exp(-1.3 * away)) ** 2 - 1)).sum(1)
    (slope,) = torch.autograd.grad(e.sum(), r)
    energies = e.detach().numpy() + sum(ATOM[k] for k in z.tolist())
    atoms = {"H": ATOM[1], "C": ATOM[6], "O": ATOM[8]} if isolated else {}
    return Dataset(molecule.name, molecule, x, energies, -slope.numpy(), isolated_atoms=atoms)
