import numpy as np
import pytest

from core.fitting.symmetry import SymmetryError, close_group, find_permutations


def frames(shared, name):
    with np.load(shared / "data" / "rmd17" / f"rmd17_{name}_train_01.npz") as data:
        return data["nuclear_charges"].astype(int), data["coords"]


@pytest.mark.parametrize(("name", "size"), [("ethanol", 6), ("malonaldehyde", 4), ("aspirin", 6)])
def test_published_group_sizes(shared, name, size):
    numbers, positions = frames(shared, name)
    for part in (positions, positions[::4], positions[:60]):
        group = find_permutations(numbers, part)
        assert len(group) == size
        assert (numbers[group] == numbers).all()
        assert group[0].tolist() == list(range(len(numbers)))
        # closed: every product and every inverse is there again
        members = {tuple(p) for p in group.tolist()}
        assert {tuple(p[q]) for p in group for q in group} == members
        assert {tuple(np.argsort(p)) for p in group} == members


def test_ethanol_turns_its_methyl_and_mirrors(shared):
    """Rotation of the methyl by a third, and the mirror that swaps the methylene's hydrogens."""
    numbers, positions = frames(shared, "ethanol")
    group = find_permutations(numbers, positions)
    bonded = np.linalg.norm(positions[0][:, None] - positions[0][None], axis=-1) < 1.3
    heavy = numbers != 1
    for p in group:
        moved = np.flatnonzero(p != np.arange(9))
        assert not heavy[moved].any()
        # a hydrogen changes place only with one on the same heavy atom
        assert all((bonded[a] & heavy).tolist() == (bonded[p[a]] & heavy).tolist() for a in moved)


def test_a_molecule_that_never_permutes_has_the_identity_alone():
    from tests.molecules import ETHANOL, ethanol_frames

    group = find_permutations(ETHANOL.numbers, ethanol_frames(1))
    assert group.tolist() == [list(range(9))]


def test_closure_of_a_rotation_and_a_mirror():
    group = close_group(np.array([[1, 2, 0, 3, 4], [0, 2, 1, 4, 3]]))
    assert len(group) == 6
    assert group[0].tolist() == [0, 1, 2, 3, 4]


def test_a_runaway_group_is_refused():
    swap, cycle = [1, 0, *range(2, 8)], [*range(1, 8), 0]
    with pytest.raises(SymmetryError, match="symmetries"):
        close_group(np.array([swap, cycle]))  # all 40320 permutations of 8 atoms
