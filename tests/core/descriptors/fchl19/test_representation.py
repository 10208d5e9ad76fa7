"""The FCHL19 descriptor: values of the authors' program, derivatives, invariance, limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from core.descriptors.fchl19.representation import FCHL19, Settings
from tests.tolerances import FCHL_AUTOGRAD, FCHL_GOLDEN, FCHL_INVARIANCE

#: Birth certificate: qmllib 1.2.0, generate_fchl19(z, x, elements=[1, 6, 8], nRs2=3, nRs3=2,
#: rcut=4.0, acut=3.0, gradients=True), Python 3.11, numpy 2.4. Rows of C and of the first H; the
#: gradients contracted with sin(0, 1, 2, ...) over (4, 33).
NUMBERS = np.array([6, 8, 1, 1])
POSITIONS = [[0.02, -0.01, 0.03], [1.19, 0.05, -0.02], [-0.58, 0.93, 0.10], [-0.61, -0.92, -0.15]]
SETTINGS = Settings(n_two=3, n_three=2, cutoff=4.0, cutoff_three=3.0)
CARBON = {
    0: 6.983950087965791e-01, 1: 5.039108026320497e-02, 2: 4.066382278478596e-03,
    6: 3.461550595580627e-01, 7: 2.536728669506996e-02, 8: 1.896865987897647e-03,
    9: -2.579972117170325e-03, 10: 6.071642632027941e-03, 11: -2.717900882051316e-07,
    12: 6.396240779217565e-07, 17: 1.036689204601418e-02, 18: -1.475470185732663e-02,
    19: 1.361968578448483e-06, 20: -1.937115140133264e-06,
}  # fmt: skip
HYDROGEN = {
    0: 1.112193685157034e-01, 1: 3.636873101838592e-02, 2: 1.497614630583356e-03,
    3: 3.492715293832732e-01, 4: 2.519173199192732e-02, 5: 2.038776459533301e-03,
    6: 7.057385076145940e-02, 7: 3.847476294307309e-02, 8: 1.577223851455505e-03,
    13: 3.664889106615234e-03, 14: 2.430935369117771e-03, 15: 7.912566768236542e-06,
    16: 5.248436680578538e-06, 17: 1.664651738330259e-03, 18: 3.454920724700268e-03,
    19: 1.184249590016590e-04, 20: 2.457864523585042e-04, 25: -1.766083012807599e-03,
    26: -1.059256475861924e-03, 27: -6.032544153380666e-06, 28: -3.618182958587578e-06,
}  # fmt: skip
SLOPE = [
    [-0.365052872059838, -0.056157606442154, -0.023516720566522],
    [-0.257405123673460, 0.191592736424496, 0.019902575471225],
    [0.486685784594829, 0.299999481906283, 0.049672040303035],
    [0.135772211138469, -0.435434611888625, -0.046057895207737],
]


def make(numbers=NUMBERS, settings=SETTINGS) -> FCHL19:
    return FCHL19(numbers, settings, dtype=torch.float64, device=torch.device("cpu"))


@pytest.fixture
def positions() -> torch.Tensor:
    """(3,4,3) Å: formaldehyde as in the certificate, and two that are shaken."""
    shaken = np.random.default_rng(0).normal(0, 0.05, (3, 4, 3))
    shaken[0] = 0.0
    return torch.tensor(POSITIONS + shaken)


def weights(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.arange(np.prod(shape)).double().sin().view(shape)


def test_values_are_those_of_the_authors_program(positions):
    descriptor = make()
    q = descriptor.in_order(descriptor.describe(positions))[0]
    for atom, known in ((0, CARBON), (2, HYDROGEN)):
        expected = np.zeros(33)
        expected[list(known)] = list(known.values())
        assert np.abs(q[atom].numpy() - expected).max() < FCHL_GOLDEN


def test_gradients_are_those_of_the_authors_program(positions):
    descriptor = make()
    w = weights((4, 33))
    found = descriptor.values(positions[:1])
    parts = [w[None, torch.as_tensor(a)] for a in descriptor.atoms]
    slope = descriptor.pull_back(found, parts)[0]
    assert np.abs(slope.numpy() - np.array(SLOPE)).max() < FCHL_GOLDEN


def test_pull_back_is_the_derived_gradient(positions):
    descriptor = make(settings=Settings())
    x = positions.clone().requires_grad_(True)
    q = descriptor.describe(x)
    w = [weights(tuple(p.shape)) for p in q]
    (expected,) = torch.autograd.grad(sum((a * b).sum() for a, b in zip(q, w, strict=True)), x)
    found = descriptor.values(positions)
    assert (descriptor.pull_back(found, w) - expected).abs().max() < FCHL_AUTOGRAD


def test_jacobian_is_the_slope_along_directions(positions):
    descriptor = make(settings=Settings())
    directions = weights((3, 12, 5))
    _, slopes = descriptor.jacobian(positions, directions)
    for r in range(5):

        def along(x: torch.Tensor) -> torch.Tensor:
            return descriptor.in_order(descriptor.describe(x))

        step = directions[:, :, r].reshape(3, 4, 3)
        _, expected = torch.autograd.functional.jvp(along, positions, step)
        found = descriptor.in_order(slopes)[..., r]
        assert (found - expected).abs().max() < FCHL_AUTOGRAD


def test_moving_turning_and_exchanging_like_atoms(positions):
    descriptor = make(settings=Settings())
    q = descriptor.in_order(descriptor.describe(positions))
    turn = torch.tensor(Rotation.random(random_state=1).as_matrix())
    moved = descriptor.in_order(descriptor.describe(positions @ turn + 3.0))
    assert (moved - q).abs().max() < FCHL_INVARIANCE
    swapped = descriptor.in_order(descriptor.describe(positions[:, [0, 1, 3, 2]]))
    assert (swapped[:, [0, 1, 3, 2]] - q).abs().max() < FCHL_INVARIANCE


def test_a_neighbour_leaves_smoothly_at_the_cutoff():
    descriptor = make(np.array([1, 1]))
    edge = SETTINGS.cutoff
    r = torch.tensor([edge - 1e-4, edge, edge + 1.0])
    positions = torch.zeros(3, 2, 3, dtype=torch.float64)
    positions[:, 1, 0] = r
    found = descriptor.values(positions)
    slope = descriptor.pull_back(found, [torch.ones_like(q) for q in found.q])
    inside = float(found.q[0][0].sum())
    assert 0.0 < inside < 1e-8  # a cosine's end: quadratic in the distance to the cutoff
    assert float(found.q[0][1:].abs().sum()) < FCHL_INVARIANCE
    assert float(slope[1:].abs().max()) < FCHL_INVARIANCE


def test_two_atoms_have_pairs_only():
    descriptor = make(np.array([1, 8]))
    positions = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.97]]], dtype=torch.float64)
    q = descriptor.in_order(descriptor.describe(positions))[0]
    assert float(q[:, 2 * SETTINGS.n_two :].abs().max()) == 0.0
    # what one sees of the other is the same function of the distance
    assert torch.equal(q[0, SETTINGS.n_two : 2 * SETTINGS.n_two], q[1, : SETTINGS.n_two])


def test_three_atoms_in_line_have_finite_slopes():
    descriptor = make(np.array([6, 8, 8]))
    positions = torch.tensor([[[0.0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]]], dtype=torch.float64)
    found = descriptor.values(positions)
    slope = descriptor.pull_back(found, [torch.ones_like(q) for q in found.q])
    assert torch.isfinite(slope).all()
    assert slope[..., :2].abs().max() < FCHL_INVARIANCE
