"""One element's part of an FCHL19 model: energies of its atoms and their slopes.

With x the environments of a geometry and t those of the training frames, both divided by the
kernel width, A_t and b_t as in `core.forcefields.fchl19`, and k = exp(-|x - t|² / 2):

    energy     sum_x sum_t k (b_t + (x - t).A_t)
    slope      dE/dx = sum_t k [A_t - (x - t) (b_t + (x - t).A_t)]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class ElementModel:
    """One element's part: mean (D,), basis (D,K), training t (J,K), a (J,K), b (J,), in eV.

    t and a are divided by the kernel width, the basis too: (q - mean) @ basis is x.
    """

    mean: np.ndarray
    basis: np.ndarray
    t: np.ndarray
    a: np.ndarray
    b: np.ndarray


class ElementTensors:
    """ElementModel as tensors.

    Weights are large and nearly cancel: k - 1 instead of k keeps the digits that they would cost.
    """

    def __init__(self, model: ElementModel, like: dict[str, Any]) -> None:
        self.mean, self.basis, self.t, self.a, self.b = (
            torch.as_tensor(x.copy(), **like) for x in dataclasses.astuple(model)
        )
        self.shift = -0.5 * self.t.square().sum(1)
        self.bias = -(self.t * self.a).sum(1)
        self.sum_b, self.sum_a = self.b.sum(), self.a.sum(0) + self.b @ self.t

    def project(self, q: torch.Tensor) -> torch.Tensor:
        """q (...,D) -> x (rows,K)."""
        return (q.reshape(-1, q.shape[-1]) - self.mean) @ self.basis

    def energy(self, q: torch.Tensor) -> torch.Tensor:
        """q (B,n,D) -> energy (B,) eV, differentiable."""
        x = self.project(q)
        less = torch.expm1(x @ self.t.T + self.shift - 0.5 * x.square().sum(1, keepdim=True))
        y = x @ self.a.T + self.bias
        each = (less * (y + self.b) + y).sum(1) + self.sum_b
        return each.view(q.shape[:2]).sum(1)

    def energy_and_slope(
        self, q: torch.Tensor, space: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """q (B,n,D), space (3, some) to work in -> energy (B,) eV and dE/dq (B,n,D).

        As many training environments at a time as the space holds: they and the results then stay
        in the caches, where all geometries of the batch use them.
        """
        x = self.project(q)
        half = 0.5 * x.square().sum(1, keepdim=True)
        each = self.sum_b.repeat(len(x))
        slope = self.sum_a.repeat(len(x), 1)
        tile = max(1, space.shape[1] // len(x))
        for i in range(0, len(self.t), tile):
            t, a = self.t[i : i + tile], self.a[i : i + tile]
            less, y, v = space[:, : len(x) * len(t)].view(3, len(x), len(t))
            torch.addmm(self.shift[i : i + tile], x, t.T, out=less)
            less.sub_(half).expm1_()
            torch.addmm(self.bias[i : i + tile], x, a.T, out=y)
            torch.addcmul(y, less, y, out=v).addcmul_(less, self.b[i : i + tile])  # k (b + y) - b
            each += v.sum(1)
            slope.addmm_(less, a).addmm_(v, t)
        slope.sub_(each[:, None] * x)
        return each.view(q.shape[:2]).sum(1), (slope @ self.basis.T).view(q.shape)
