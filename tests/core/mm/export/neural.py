"""GAFF-NN fields with random networks: every number another, and ranges that frames leave."""

from __future__ import annotations

import numpy as np
import torch

from core.forcefields.gaff import GAFF
from core.forcefields.gaff_nn import GAFFNN
from core.mm.neural import Networks, functions
from core.molecule import Molecule


def random_field(
    molecule: Molecule, *, units: tuple[int, ...] = (16,), odd: bool = False, offset: float = -42.0
) -> GAFFNN:
    """Untrained GAFF-NN. The networks' values are some eV; parabolas begin inside usual ranges."""
    gaff = GAFF(molecule)
    which = functions(gaff.topology, np.arange(len(molecule.numbers))[None], share="type")
    count, features = len(which.kinds), 6 if odd else 3
    g = torch.Generator().manual_seed(4)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    kinds = torch.tensor(which.kinds)
    waves = kinds >= 2
    low = torch.where(waves, -4.0, torch.where(kinds == 0, 1.05, -0.45)).double()
    high = torch.where(waves, 4.0, torch.where(kinds == 0, 1.45, -0.30)).double()
    layers, width = [], features
    for out in (*units, 1):
        layers.append((normal(count, width, out) / width**0.5, normal(count, out)))
        width = out
    mean, spread = 0.1 * normal(count, features), 0.5 + normal(count, features).abs()
    mean[~waves, 1:], spread[~waves, 1:] = 0.0, 1.0
    nets = Networks(low, high, 10.0 + normal(count).abs(), mean, spread, waves, tuple(layers))
    return GAFFNN(
        gaff.molecule, topology=gaff.topology, functions=which, networks=nets, offset=offset
    )
