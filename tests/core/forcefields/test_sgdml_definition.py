"""sGDML against its own definition, written down once more without any of its code.

The kernel is k(x, x') = sum_q matern(|D(x) - D(P_q x')|); the force-force matrix is its mixed
second derivative, here by autograd in Cartesian coordinates, rigid motions included; alpha comes
from a plain linear solve, energies and forces from autograd again (Chmiela et al., Sci. Adv. 3,
e1603015 (2017); Sauceda 2020).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.dataset import Split
from core.engine.context import Context
from core.forcefields.hyper import hyper_from
from core.forcefields.sgdml import SGDML
from tests.molecules import ethanol_frames, labelled
from tests.tolerances import DEFINITION

SIGMA, LAM, TRAIN, TEST = 10.0, 1e-6, 4, 2


@pytest.fixture(scope="module")
def data():
    frames = ethanol_frames(TRAIN + TEST)
    frames[1::2] = frames[1::2][:, [0, 1, 2, 4, 5, 3, 6, 7, 8]]  # as if the methyl had turned
    return labelled(frames, key="mmff94")


@pytest.fixture(scope="module")
def model(data):
    none = np.zeros(0, dtype=int)
    hyper = hyper_from(SGDML, {"sigma": SIGMA, "lam": LAM})
    return SGDML.fit(data, Split(np.arange(TRAIN), none, none), hyper, Context())


def descriptor(x: torch.Tensor) -> torch.Tensor:
    r = x.reshape(-1, 3)
    i, j = torch.triu_indices(len(r), len(r), 1)
    return 1.0 / (r[i] - r[j]).norm(dim=-1)


def matern(square: torch.Tensor) -> torch.Tensor:
    r2 = 5.0 * square / SIGMA**2
    if float(r2.detach()) < 1e-10:  # the root cannot be differentiated at 0, its Taylor series can
        return 1.0 - r2 / 6.0 + r2 * r2 / 24.0
    r = r2.sqrt()
    return (1.0 + r + r * r / 3.0) * torch.exp(-r)


def test_energies_and_forces_are_those_of_the_definition(data, model):
    permutations = torch.as_tensor(model.permutations)
    assert len(permutations) > 1
    x = torch.tensor(data.positions).flatten(1)
    n = x.shape[1]

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        images = [b.reshape(-1, 3)[p].reshape(-1) for p in permutations]
        return sum(matern((descriptor(a) - descriptor(b)).square().sum()) for b in images)

    def slope(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """dk/db (n,), differentiable in a."""
        b = b.clone().requires_grad_(True)
        return torch.autograd.grad(kernel(a, b), b, create_graph=True)[0]

    rows = [
        torch.cat([torch.autograd.functional.jacobian(lambda a, j=j: slope(a, x[j]), x[i]).T
                   for j in range(TRAIN)], 1)
        for i in range(TRAIN)
    ]  # fmt: skip
    k = torch.cat(rows)
    forces = torch.tensor(data.forces[:TRAIN]).reshape(-1)
    alpha = torch.linalg.solve(k + LAM * torch.eye(len(k), dtype=k.dtype), -forces)
    energies = []
    for f in range(TRAIN, TRAIN + TEST):
        a = x[f].clone().requires_grad_(True)
        parts = [slope(a, x[j]) @ alpha[j * n : (j + 1) * n] for j in range(TRAIN)]
        energy = torch.stack(parts).sum()
        (gradient,) = torch.autograd.grad(energy, a)
        energies.append(float(energy.detach()))
        got = model.predict(data.positions[f : f + 1]).forces.ravel()
        assert np.abs(got + gradient.numpy()).max() < DEFINITION
    got = model.predict(data.positions[TRAIN:]).energy
    assert abs((got[1] - got[0]) - (energies[1] - energies[0])) < DEFINITION
