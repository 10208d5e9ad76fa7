import numpy as np
import pytest
import torch

from core.bonding import dihedrals
from core.geometry import measure
from core.motion.evaluate import Evaluator
from core.motion.hessians import own_hessian, rigid_motions, to_internals
from core.motion.internals import bonded_pairs, build, dihedral
from tests.core.motion import toys


@pytest.mark.parametrize("smiles", ["CCO", "C=O", "CC#N", "C#CC", "c1ccccc1", "CC(=O)NC"])
def test_b_matrix_is_the_derivative_and_spans_all_motions(smiles):
    m = toys.build(smiles)
    coords = build(m.numbers, m.positions, m.bonds, np.zeros((0, 4)))
    x = torch.tensor(m.positions) + 0.02 * torch.randn(
        m.positions.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    frame = coords.frame(x[None])
    _, b = coords.both(x[None], frame)
    j = torch.autograd.functional.jacobian(lambda y: coords.values(y[None], frame)[0], x)
    assert (j.flatten(1) - b[0]).abs().max() < 1e-8
    n = len(m.numbers)
    straight = torch.tensor(m.positions)
    _, b = coords.both(straight[None], coords.frame(straight[None]))
    assert torch.linalg.matrix_rank(b[0], rtol=1e-6) >= 3 * n - 6
    if not len(coords.straight):
        assert (b[0] @ rigid_motions(straight[None])[0].T).abs().max() < 1e-9


def test_dihedral_has_the_sign_of_the_measured_one():
    m = toys.build("CC(=O)NC(C)C(=O)NC")
    atoms = dihedrals(m)
    value, _ = dihedral(torch.tensor(m.positions)[None], torch.tensor(atoms))
    assert value[0].numpy() == pytest.approx(
        np.array([float(measure(m.positions, a)) for a in atoms]), abs=1e-12
    )


def test_fragments_are_joined():
    numbers = np.array([1, 1, 1, 1])
    x = np.array([[0, 0, 0], [0.74, 0, 0], [0, 3, 0], [0.74, 3, 0.0]])
    assert bonded_pairs(numbers, x, np.zeros((0, 2))).tolist() == [[0, 1], [0, 2], [2, 3]]


def test_hessian_survives_the_way_through_internals():
    m = toys.build("CCO")
    field = toys.Springs(m)
    x = torch.tensor(m.positions)
    h = own_hessian(Evaluator(field), x)
    exact = torch.autograd.functional.hessian(lambda y: field.energy(y[None])[0], x)
    assert (h - exact.reshape(h.shape)).abs().max() < 0.05
    coords = build(m.numbers, m.positions, m.bonds, np.zeros((0, 4)))
    _, b = coords.both(x[None], coords.frame(x[None]))
    inverse = torch.linalg.pinv(b[0], rtol=1e-6)
    reach = b[0] @ inverse
    inner = to_internals(h, coords, x)
    # stiff springs between far atoms go past the model's upper bound: compare in the soft part
    assert torch.linalg.eigvalsh(inner).min() > 0.049
    assert torch.allclose(reach @ reach, reach, atol=1e-8)
