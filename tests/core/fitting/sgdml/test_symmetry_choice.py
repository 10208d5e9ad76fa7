import numpy as np
import pytest

from core.fitting.sgdml.symmetry_choice import cycles, parse_skipped, text, without
from core.fitting.symmetry import SymmetryError, close_group

TURN = np.array([[0, 2, 3, 1, 4, 5]])
GROUP = close_group(np.array([[0, 2, 3, 1, 4, 5], [0, 2, 1, 3, 4, 5], [0, 1, 2, 3, 5, 4]]))


def test_cycles_and_their_text() -> None:
    assert cycles(np.array([0, 2, 3, 1, 5, 4])) == ((1, 2, 3), (4, 5))
    assert text(np.array([0, 2, 3, 1, 5, 4])) == "(2 3 4)(5 6)"
    assert text(np.arange(3)) == "none"


def test_what_is_switched_off_is_found_by_cycles_and_by_number() -> None:
    assert len(GROUP) == 12
    (row,) = parse_skipped("(5 6)", GROUP)
    assert text(GROUP[row]) == "(5 6)"
    assert parse_skipped(f"(6 5), {row + 1}", GROUP) == [row]
    (both,) = parse_skipped("(2 3 4)(5 6)", GROUP)
    assert text(GROUP[both]) == "(2 3 4)(5 6)"
    assert parse_skipped(" ", GROUP) == []


@pytest.mark.parametrize("words", ["(2 6)", "1", "13", "(2 3", "a", "(2 2)", "(9 10)"])
def test_what_is_not_there_is_refused(words: str) -> None:
    with pytest.raises(SymmetryError):
        parse_skipped(words, GROUP)


def test_the_rest_is_a_group_without_them() -> None:
    """A set that is no group would not leave the energy unchanged."""
    kept = without(GROUP, parse_skipped("(5 6)", GROUP))
    have = {tuple(p) for p in kept.tolist()}
    assert len(kept) == 6  # all of the methyl
    assert {tuple(p) for p in close_group(kept).tolist()} == have
    assert (kept[0] == np.arange(6)).all()
    assert without(GROUP, []) is GROUP
    # without one turn the other goes too: it is its inverse
    third = close_group(TURN)
    assert len(without(third, parse_skipped("(2 3 4)", third))) == 1
