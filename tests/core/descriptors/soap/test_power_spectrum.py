"""SOAP against closed forms, rotations, exchanges and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from core.descriptors.soap.power_spectrum import Soap, SoapShape, mixing
from core.descriptors.soap.radial import (
    chebyshev,
    radial_basis,
    radial_functions,
    radial_table,
    smooth_cutoff,
    smooth_cutoff_and_slope,
)
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import (
    ANALYTIC_EQUALS_AUTOGRAD,
    SOAP_CLOSED_FORM,
    SOAP_INVARIANCE,
    SOAP_TABLE,
)

SHAPE = SoapShape(cutoff=4.0, width=0.4, n_max=5, l_max=4, scale=2.0)
NUMBERS = ETHANOL.numbers


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.tensor(ethanol_frames(3))


def spectra(soap: Soap, x: torch.Tensor) -> torch.Tensor:
    return soap.power(soap.density(soap.around(x)))[0]


def test_radial_basis_is_orthonormal_and_vanishes_at_the_cutoff():
    node, weight = np.polynomial.legendre.leggauss(100)
    x, weight = 2.0 * (node + 1.0), 2.0 * weight
    g = radial_basis(x, weight, 8, 4.0)
    assert np.abs((g * weight * x**2) @ g.T - np.eye(8)).max() < 1e-12
    assert np.abs(g[:, -1]).max() < 1e-6  # the last point lies 6e-4 Å below the cutoff


def test_chebyshev_series_is_the_quadrature():
    basis = {"n_max": 8, "l_max": 6, "cutoff": 5.0, "width": 0.4}
    table = radial_table(**basis)
    r = np.linspace(0.6, 4.99, 57)
    waves = chebyshev(torch.tensor(r), len(table), 5.0).numpy()
    exact = radial_functions(r, **basis)
    series = np.einsum("rk,knl->rnl", waves, table)
    assert np.abs(series - exact).max() < SOAP_TABLE * np.abs(exact).max()


def test_two_atoms_have_the_power_spectrum_of_one_neighbour():
    """q_nn'l = pi sqrt(8/(2l+1)) (2l+1)/(4 pi) R_nl R_n'l by the addition theorem."""
    shape = SoapShape(cutoff=4.0, width=0.4, n_max=4, l_max=5, centre_weight=0.0)
    soap = Soap(np.array([6, 8]), 6, shape)
    r = 1.3
    x = torch.tensor([[[0.3, -0.2, 0.1], [0.3, -0.2, 0.1]]], dtype=torch.float64)
    x[0, 1] += r * torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64) / 3.0
    q, length = soap.power(soap.density(soap.around(x)))
    radial = radial_functions(np.array([r]), n_max=4, l_max=5, cutoff=4.0, width=0.4)[0]
    levels = np.arange(6)
    expected = math.pi * np.sqrt(8 / (2 * levels + 1)) * (2 * levels + 1) / (4 * math.pi)
    products = expected[:, None, None] * np.einsum("nl,ml->lnm", radial, radial)
    whole = np.zeros((6, 8, 8))
    whole[:, 4:, 4:] = products  # oxygen's channels come after carbon's, which are empty
    assert float(length) == pytest.approx(np.linalg.norm(products), rel=SOAP_TABLE)
    i, j = np.triu_indices(8)
    folded = whole[:, i, j] * np.where(i == j, 1.0, math.sqrt(2.0))
    found = (q * length).reshape(6, -1).numpy()
    assert np.abs(found - folded).max() < SOAP_TABLE * np.abs(folded).max()


@pytest.mark.parametrize(("r", "s"), [(1.0, 1.0), (1.0, 1.4), (0.9, 2.0)])
def test_kernel_of_two_pairs_is_the_rotational_average_of_their_overlap(r, s):
    """Overlap of Gaussians at r and s under an angle t: exp(-(r² + s² - 2 r s cos t)/(4 w²)).

    Its square averaged over all rotations: exp(-(r² + s²)/(2 w²)) sinh(b)/b with b = r s/w².
    """
    width = 0.6
    shape = SoapShape(cutoff=7.0, width=width, n_max=16, l_max=12, centre_weight=0.0)
    soap = Soap(np.array([1, 8]), 1, shape)
    x = torch.zeros(2, 2, 3, dtype=torch.float64)
    x[0, 1, 2], x[1, 1, 0] = r, s

    def average(a: float, b: float) -> float:
        z = a * b / width**2
        return math.exp(-(a * a + b * b) / (2 * width**2)) * math.sinh(z) / z

    q = spectra(soap, x)[:, 0]
    closed = average(r, s) / math.sqrt(average(r, r) * average(s, s))
    assert float(q[0] @ q[1]) == pytest.approx(closed, abs=SOAP_CLOSED_FORM)


@pytest.mark.parametrize("z", [1, 6, 8])
def test_invariant_under_motion_and_exchange(frames, z):
    soap = Soap(NUMBERS, z, SHAPE)
    here = spectra(soap, frames)
    turn = torch.tensor(Rotation.random(random_state=2).as_matrix())
    assert (spectra(soap, frames @ turn + 3.0) - here).abs().max() < SOAP_INVARIANCE
    assert (spectra(soap, frames * torch.tensor([1.0, 1, -1])) - here).abs().max() < SOAP_INVARIANCE
    order = np.array([1, 0, 2, 5, 7, 3, 6, 4, 8])  # carbons, and four hydrogens
    there = spectra(soap, frames[:, order])
    places = np.flatnonzero(ETHANOL.numbers == z)
    moved = [int(np.flatnonzero(places == order[i])[0]) for i in places]
    assert (there - here[:, moved]).abs().max() < SOAP_INVARIANCE


@pytest.mark.parametrize("channels", [0, 6])
def test_gradient_and_way_back_agree_with_autograd(frames, channels):
    soap = Soap(NUMBERS, 1, SHAPE)
    if channels:
        mix = mixing(soap.density(soap.around(frames)), SHAPE.l_max, channels)
        soap = Soap(NUMBERS, 1, SHAPE, mixing=mix)
    g = torch.randn(soap.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = frames.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad((spectra(soap, x) @ g).sum(), x)
    around = soap.around(frames, slopes=True)
    _, dq = soap.gradient(around)
    assert (around.scatter(dq @ g, soap.at) - expected).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    c = soap.density(around)
    back = soap.pull_back(g.expand(3, 6, -1), c, *soap.power(c))
    found = around.scatter(soap.forces_on(back, around), soap.at)
    assert (found - expected).abs().max() < ANALYTIC_EQUALS_AUTOGRAD


def test_gradient_is_the_slope_of_the_spectrum(frames):
    soap, h = Soap(NUMBERS, 8, SHAPE), 1e-4
    around = soap.around(frames[:1], slopes=True)
    _, dq = soap.gradient(around)
    full = around.scatter(dq, soap.at)[0]  # (N,3,D): there is one oxygen
    for atom, axis in ((2, 0), (8, 1), (1, 2)):
        step = torch.zeros_like(frames[:1])
        step[0, atom, axis] = h
        slope = spectra(soap, frames[:1] + step) - spectra(soap, frames[:1] - step)
        assert (slope[0, 0] / (2 * h) - full[atom, axis]).abs().max() < 1e-6


def test_all_mixed_channels_are_a_rotation_of_the_kernel(frames):
    soap = Soap(NUMBERS, 6, SHAPE)
    mix = mixing(soap.density(soap.around(frames)), SHAPE.l_max, soap.channels)
    q = spectra(soap, frames).flatten(0, 1)
    p = spectra(Soap(NUMBERS, 6, SHAPE, mixing=mix), frames).flatten(0, 1)
    assert (q @ q.T - p @ p.T).abs().max() < SOAP_INVARIANCE


def test_beyond_the_cutoff_nobody_is_seen(frames):
    soap = Soap(NUMBERS, 6, SoapShape(cutoff=3.0, n_max=4, l_max=3))
    here = frames[:1].clone()
    here[0, 8] = torch.tensor([20.0, 0.0, 0.0])
    there = here.clone()
    there[0, 8] += 3.0
    assert torch.equal(spectra(soap, here), spectra(soap, there))


def test_cutoff_is_smooth():
    r = torch.linspace(2.5, 4.5, 2001, dtype=torch.float64, requires_grad=True)
    value = smooth_cutoff(r, 4.0, 1.0)
    (slope,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), r)
    value, slope = value.detach(), slope.detach()
    assert torch.equal(value[:500], torch.ones(500, dtype=torch.float64))
    assert float(value[-500:].abs().max()) == 0.0
    assert float(bend.diff().abs().max()) < 0.1  # a jump would be 6 or more
    same, written = smooth_cutoff_and_slope(r.detach(), 4.0, 1.0)
    assert torch.equal(same, value)
    assert (written - slope).abs().max() < 1e-12


def test_a_lone_atom_has_only_itself():
    soap = Soap(np.array([2]), 2, SHAPE)
    q = spectra(soap, torch.zeros(2, 1, 3, dtype=torch.float64))
    assert torch.allclose(q.norm(dim=-1), torch.ones(2, 1, dtype=torch.float64))
