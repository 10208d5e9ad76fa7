import dataclasses

import numpy as np
import pytest

from core import storage
from core.mm.pack import from_arrays, to_arrays
from core.mm.symmetry import symmetries
from core.mm.topology import Term, Topology
from tests.core.mm.toy import toy

NAN = float("nan")


def term(**changes) -> Term:
    return dataclasses.replace(toy().torsion, **changes)


def equal(a: Topology, b: Topology) -> bool:
    x, y = to_arrays(a), to_arrays(b)
    return x.keys() == y.keys() and all(np.array_equal(x[k], y[k]) for k in x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "stretch"}, "unknown kind"),
        ({"atoms": np.array([[0, 1, 2]])}, "expected"),
        (
            {"atoms": np.array([[0, 1, 2, 3]] * 4 + [[4, 1, 2, 4]])},
            "torsion 5 names one atom twice",
        ),
        ({"parameters": {"k": np.zeros(5)}}, "k, n, phase"),
        ({"parameters": {n: np.zeros(4) for n in ("k", "n", "phase")}}, "for 5 terms"),
        (
            {
                "parameters": {
                    "k": np.array([0, 1, NAN, 0, 0]),
                    "n": np.ones(5),
                    "phase": np.ones(5),
                }
            },
            "torsion 3 has a k",
        ),
        (
            {"parameters": {"k": np.ones(5), "n": np.full(5, 1.5), "phase": np.ones(5)}},
            "periodicity",
        ),
        (
            {"parameters": {"k": np.ones(5), "n": np.full(5, 13.0), "phase": np.ones(5)}},
            "periodicity",
        ),
        ({"types": ("a",)}, "1 types for 5"),
        ({"source": ("a",) * 6}, "6 sources for 5"),
        ({"penalty": np.zeros(3)}, "3 penalties for 5"),
        ({"penalty": np.array([0, 0, 0, NAN, 0])}, "torsion 4 has a penalty"),
    ],
)
def test_terms_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        term(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": ("a",) * 5}, "outside 1..5"),
        ({"charges": np.zeros(5)}, "charges"),
        ({"charges": np.array([0, 0, NAN, 0, 0, 0])}, "charges 3 is not a number"),
        ({"epsilon": np.full(6, -1.0)}, "below 0"),
        ({"pairs": np.array([[0, 6]])}, "outside"),
        ({"pairs": np.array([[2, 2]])}, "with itself"),
        ({"pairs": np.array([[4, 0], [0, 4]])}, "1 and 5 are paired twice"),
        ({"pairs": np.array([[3, 0]])}, "1 and 4 are paired twice"),
        ({"scee14": np.array([1.2, 0.0, 1.2])}, "scee14 2 is not positive"),
        ({"coulomb": NAN}, "Coulomb"),
        ({"bond": toy().angle}, "stand where bond should"),
    ],
)
def test_topologies_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(toy(), **changes)


def test_arrays_cannot_be_changed():
    top = toy()
    for array in (top.charges, top.pairs, top.bond.parameters["k"], top.bond.atoms):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_to_arrays_and_back(tmp_path):
    assert equal(from_arrays(to_arrays(toy())), toy())
    storage.save(tmp_path / "top.npz", toy())
    assert equal(storage.load(tmp_path / "top.npz", Topology), toy())


def test_damaged_arrays_are_refused():
    good = to_arrays(toy())
    for name in good:
        with pytest.raises(KeyError):
            from_arrays({k: v for k, v in good.items() if k != name})
    broken = {
        "text": [np.frombuffer(t, dtype=np.uint8) for t in
                 (b"", b"[]", b"\xff", b"{" * 99, b"[" * 100_000, b'{"types": 3}')],
        "coulomb": [np.zeros(2), np.array([np.inf])],
        "pairs": [np.array([[0.0, 0.5]]), np.zeros((2, 3), dtype=int), np.array([[0, 2**40]])],
        "bond.atoms": [good["bond.atoms"][:-1], good["bond.atoms"] - 1],
        "more": [np.zeros(1)],
    }  # fmt: skip
    for name, arrays in broken.items():
        for array in arrays:
            with pytest.raises(ValueError):
                from_arrays({**good, name: array})


def test_symmetries_map_terms_on_equal_terms():
    # a bent triatomic: both ends alike, until one bond differs
    angle = Term("angle", [[0, 1, 2]], {"k": np.ones(1), "theta0": np.full(1, 1.8)})
    none = {k: Term(k, np.zeros((0, 4)), {p: np.zeros(0) for p in ("k", "n", "phase")})
            for k in ("torsion", "improper")}  # fmt: skip

    def water(lengths: list[float]) -> Topology:
        bond = Term("bond", [[0, 1], [1, 2]], {"k": np.ones(2), "r0": np.array(lengths)})
        return Topology(
            ("hw", "ow", "hw"), np.array([0.4, -0.8, 0.4]), np.ones(3), np.ones(3), bond, angle,
            none["torsion"], none["improper"], np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0),
            np.zeros(0), 14.4,
        )  # fmt: skip

    numbers = np.array([1, 8, 1])
    assert symmetries(numbers, water([0.96, 0.96])).tolist() == [[0, 1, 2], [2, 1, 0]]
    assert symmetries(numbers, water([0.96, 0.97])).tolist() == [[0, 1, 2]]
