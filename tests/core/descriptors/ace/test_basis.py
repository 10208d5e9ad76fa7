"""The basis: which functions, exact derivatives, equivariance, and that it describes everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from core.descriptors.ace.basis import Truncation, build
from core.descriptors.ace.setup import Setup, neighbours
from core.descriptors.inverse_distances import internal_basis
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ACE_DERIVATIVE, EQUIVARIANCE

NUMBERS = ETHANOL.numbers
ELEMENTS = np.unique(NUMBERS)


def setup(degrees=(6.0, 6.0, 5.0, 4.0), *, most: bool = False, pair: int = 3) -> Setup:
    counts = neighbours(NUMBERS, ELEMENTS) if most else np.full((3, 3), -1)
    ones = np.ones(6)
    return Setup(ELEMENTS, degrees, 0.5, 5.0, 1.5 * ones, 0.5 * ones, pair, counts, 5.0)


def system(**kw):
    return setup(**kw).system(NUMBERS, dtype=torch.float64)


@pytest.fixture(scope="module")
def frames():
    return torch.tensor(ethanol_frames(4, seed=1))


def directions(x: torch.Tensor) -> torch.Tensor:
    return internal_basis(x[None])[0]


def test_degrees_bound_every_product():
    truncation = Truncation((9.0, 8.0, 6.0, 5.0), 1.5)
    basis = build(2, truncation)
    for members in basis.members:
        rows = basis.features[members[members >= 0]]
        degree = (rows[:, 1] + 1.5 * rows[:, 2]).sum()
        assert degree <= truncation.degrees[len(rows) - 1]
        assert rows[:, 2].sum() % 2 == 0
        assert rows[:, 1].min() >= 1


def test_a_dear_neighbour_costs_degrees_in_every_factor():
    """The same functions as with one degree for all, but for those it takes over the bound."""
    plain, dear = (build(2, Truncation((7.0, 6.0, 6.0), 1.0, None, m)) for m in ((), (0.0, 1.5)))

    def functions(basis):
        rows = basis.features[np.maximum(basis.members, 0)]
        named = np.where(basis.members[..., None] < 0, -1, rows)
        return [tuple(sorted(map(tuple, f.tolist()))) for f in named]

    def within(factors):
        there = [f for f in factors if f[0] >= 0]
        return sum(n + l + 1.5 * z for z, n, l in there) <= (7, 6, 6)[len(there) - 1]  # noqa: E741

    assert sorted(functions(dear)) == sorted(f for f in functions(plain) if within(f))


def test_count_of_the_lowest_orders():
    # order 1: n only; order 2: unordered pairs of (z, n) for each l
    basis = build(2, Truncation((5.0, 6.0), 2.0))
    one = [(z, n) for z in range(2) for n in range(1, 6)]
    assert (basis.order == 1).sum() == len(one)
    two = sum(
        n + m + 4 * l <= 6
        for l in range(4)  # noqa: E741
        for (z, n), (y, m) in itertools.combinations_with_replacement(
            [(z, n) for z in range(2) for n in range(1, 7)], 2
        )
    )
    assert (basis.order == 2).sum() == two


def test_no_more_factors_of_an_element_than_neighbours():
    basis = build(2, Truncation((4.0, 5.0, 6.0, 7.0), 1.0, (2, 1)))
    for members in basis.members:
        z = basis.features[members[members >= 0], 0]
        assert (z == 0).sum() <= 2
        assert (z == 1).sum() <= 1


def test_rows_are_the_slopes_of_the_functions(frames):
    design = system().design()
    x, step = frames[0], 1e-4
    q = directions(x)
    rows = design.frame(x, q)
    size = rows[1:].abs().max(0).values.clamp(min=1e-12)
    for c in (0, 5, 20):
        u = step * q[:, c].reshape(-1, 3)
        slope = (design.frame(x + u, q)[0] - design.frame(x - u, q)[0]) / (2 * step)
        assert ((slope - rows[1 + c]).abs() / size).max() < ACE_DERIVATIVE


def test_functions_do_not_change_under_rotation_reflection_and_exchange(frames):
    design = system().design()
    x = frames[0]
    q = directions(x)
    here = design.frame(x, q)[0]
    turn = torch.tensor(Rotation.random(random_state=2).as_matrix())
    exchange = torch.tensor([1, 0, 2, 8, 5, 4, 3, 7, 6])
    for there in (x @ turn + 1.3, -x, x[exchange]):
        now = design.frame(there, q)[0]
        assert ((now - here).abs() / here.abs().clamp(min=1e-6)).max() < EQUIVARIANCE


def test_linear_model_is_its_rows_and_its_forces_turn_with_it(frames):
    made = system()
    design = made.design()
    c = np.random.default_rng(0).normal(size=design.columns)
    q = directions(frames[0])
    rows = design.frame(frames[0], q)
    size = (rows.square().mean(0).sqrt()).clamp(min=1e-9).numpy()
    c = c / size / len(c)
    model = made.evaluator(c)
    energy, forces = model.compute(frames)
    expected = rows @ torch.tensor(c)
    assert abs(energy[0] - expected[0]) < EQUIVARIANCE * abs(expected[0]).clamp(min=1)
    assert (q.T @ forces[0].ravel() + expected[1:]).abs().max() < EQUIVARIANCE
    x = frames.clone().requires_grad_()
    graph = model.energy(x)
    (gradient,) = torch.autograd.grad(graph.sum(), x)
    assert (graph - energy).abs().max() < EQUIVARIANCE
    assert (gradient + forces).abs().max() < EQUIVARIANCE
    turn = torch.tensor(Rotation.random(random_state=3).as_matrix())
    energy_2, forces_2 = model.compute(frames @ turn)
    assert (energy_2 - energy).abs().max() < EQUIVARIANCE
    assert (forces_2 - forces @ turn).abs().max() < EQUIVARIANCE


def test_functions_around_one_element_are_independent():
    # functions of different centres overlap (each pair is seen from both ends); of one they do not
    design = system(degrees=(4.0, 4.0, 4.0), most=True, pair=0).design()
    x = torch.tensor(ethanol_frames(30, seed=4, shake=0.2))
    rows = torch.cat([design.frame(k, directions(k)) for k in x])
    for a, b in itertools.pairwise(design.edges):
        part = rows[:, a:b]
        part = part[:, part.square().sum(0) > 0]
        assert part.shape[1] > 30
        values = torch.linalg.svdvals(part / part.square().mean(0).sqrt())
        assert values[-1] > 1e-9 * values[0]


def test_rows_of_a_frame_without_directions(frames):
    design = system().design()
    q = directions(frames[0])
    alone = design.frame(frames[0], q[:, :0])
    assert alone.shape == (1, design.columns)
    assert torch.equal(alone[0], design.frame(frames[0], q)[0])


def test_far_atoms_have_no_many_body_energy():
    made = system()
    c = np.random.default_rng(1).normal(size=made.design().columns)
    apart = torch.arange(9, dtype=torch.float64)[:, None] * torch.tensor([6.0, 0.0, 0.0])
    energy, forces = made.evaluator(c).compute(apart[None])
    assert abs(float(energy)) == 0.0
    assert float(forces.abs().max()) == 0.0


def test_unknown_element():
    with pytest.raises(ValueError, match="atomic number 9"):
        setup().system(np.array([6, 9]), dtype=torch.float64)
