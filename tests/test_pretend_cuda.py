"""The pretended GPU refuses what a GPU refuses, and computes what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.fieldref import FieldRef
from core.forcefields.load import make
from tests.molecules import ETHANOL, ethanol_frames
from tests.pretend_cuda import There, pretended


def test_what_stops_a_program_on_a_gpu_stops_it_here():
    with pretended():
        there, here = torch.arange(3.0, device="cuda:0"), torch.arange(3.0)
        mistakes = [
            lambda: there + here,
            lambda: torch.stack([here, there]),
            lambda: here[there.long()],
            lambda: there.numpy(),
            lambda: np.asarray(there),
            lambda: here.index_add_(0, there.long(), there),
        ]
        for mistake in mistakes:
            with pytest.raises((RuntimeError, TypeError), match="cuda:0"):
                mistake()
        assert isinstance(there[torch.tensor([2])] + torch.tensor(1.0), There)  # as CUDA allows


def test_numbers_and_slopes_are_the_cpus():
    with pretended():
        x = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64, device="cuda:0")
        assert x.is_cuda
        assert x.device == torch.device("cuda:0")
        x.requires_grad_(True)
        (slope,) = torch.autograd.grad(torch.linalg.cholesky(x).diagonal().log().sum(), x)
        assert slope.is_cuda
        assert np.allclose(slope.cpu().numpy(), [[0.3, -0.1], [-0.1, 0.2]])
        x.detach()[0] = 5.0
        assert x.tolist() == [[5.0, 5.0], [1.0, 3.0]]
        moved = torch.zeros(2, dtype=torch.float64).copy_(x.detach()[0])
        assert not moved.is_cuda
        assert moved.tolist() == [5.0, 5.0]


def test_a_table_left_behind_is_found():
    field = make(FieldRef("gaff"), ETHANOL)
    with pretended():
        there = make(FieldRef("gaff"), ETHANOL, device="cuda:0")
        r = ethanol_frames(4, seed=1)
        assert np.abs(there.predict(r).forces - field.predict(r).forces).max() < 1e-12
        with pytest.raises(RuntimeError, match="cuda:0 and on cpu"):
            field.compute(torch.tensor(r, device="cuda:0"))
