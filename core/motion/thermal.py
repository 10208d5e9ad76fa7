"""Masses, temperature and Maxwell-Boltzmann velocities without net momentum."""

from __future__ import annotations

import numpy as np
import torch

from core.elements import MASSES
from core.units import ACCELERATION, AMU_A2_FS2, KB


def masses(numbers: np.ndarray, *, device: torch.device | str = "cpu") -> torch.Tensor:
    """(N,) atomic numbers -> (N,) amu."""
    return torch.tensor(MASSES[np.asarray(numbers)], dtype=torch.float64, device=device)


def without_drift(mass: torch.Tensor) -> torch.Tensor:
    """(N,N) matrix that takes the motion of the centre of mass out of velocities: 1 - 1 m^T / M."""
    n = len(mass)
    one = torch.eye(n, dtype=mass.dtype, device=mass.device)
    return one - mass[None, :].expand(n, n) / mass.sum()


def accelerator(mass: torch.Tensor) -> torch.Tensor:
    """(N,N) matrix: forces eV/Å -> accelerations Å/fs², centre of mass at rest.

    For a force field without net force this is F/m; one with it (an outer field, rounding) cannot
    set the molecule in motion as a whole.
    """
    return without_drift(mass) * (ACCELERATION / mass)[None, :]


def kinetic(velocities: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """velocities (R,N,3) Å/fs -> kinetic energy (R,) eV."""
    return 0.5 * AMU_A2_FS2 * (velocities.square().sum(-1) @ mass)


def freedom(n: int) -> int:
    """Degrees of freedom of N atoms whose centre of mass rests: 3N - 3 (3 for one atom)."""
    return max(3 * n - 3, 3)


def temperature(kinetic_energy: torch.Tensor, n: int) -> torch.Tensor:
    """2 E_kin / (k (3N - 3)), K."""
    return 2.0 * kinetic_energy / (KB * freedom(n))


def maxwell_boltzmann(
    mass: torch.Tensor,
    temperature: float,
    replicas: int,
    generator: torch.Generator,
    *,
    positions: torch.Tensor | None = None,
) -> torch.Tensor:
    """(R,N,3) Å/fs drawn at `temperature` K, centre of mass at rest.

    With positions (R,N,3) Å the overall rotation is taken out too (velocities are then colder by
    the share of the rotations, on average). generator: on the CPU, so that a seed gives the same
    start on every device.
    """
    spread = (KB * temperature * ACCELERATION / mass).sqrt()
    noise = torch.randn((replicas, len(mass), 3), generator=generator, dtype=torch.float64)
    v = without_drift(mass) @ (noise.to(mass.device) * spread[:, None])
    return v if positions is None else without_rotation(v, positions, mass)


def without_rotation(v: torch.Tensor, x: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """Velocities v (R,N,3) with zero angular momentum about the centre of mass of x (R,N,3)."""
    m = mass[:, None]
    r = x - (m * x).sum(1, keepdim=True) / mass.sum()
    momentum = (m * torch.cross(r, v, dim=-1)).sum(1)
    outer = -(m * r).mT @ r
    inertia = (
        outer
        - torch.eye(3, dtype=x.dtype, device=x.device)
        * outer.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    )
    # least squares: a linear molecule has no moment about its own axis
    spin = (torch.linalg.pinv(inertia, hermitian=True, rtol=1e-10) @ momentum[..., None])[..., 0]
    return v - torch.cross(spin[:, None, :].expand_as(r), r, dim=-1)
