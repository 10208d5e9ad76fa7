"""Force fields from references and files, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import storage
from core.fieldref import FieldRef
from core.forcefields import discover
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.forcefields.load import Model, hyper_from, load_model, make, read_model, save_model
from core.molecule import Molecule
from tests.molecules import ETHANOL


@dataclasses.dataclass(frozen=True)
class Knobs:
    flag: bool = hyper(False, label="Flag", help="h")
    count: int = hyper(3, label="Count", help="h", low=1, high=9)
    width: float = hyper(0.5, label="Width", unit="Å", help="h", low=0.0)
    kind: str = hyper("a", label="Kind", help="h", choices=("a", "b"))


class Toy(ForceField):
    INFO = Info(key="toy", label="Toy", family="MM")
    Hyper = Knobs


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"flag": "true", "count": "4", "width": "1e-1", "kind": "b"}, Knobs(True, 4, 0.1, "b")),
        ({"count": 4.0, "width": 2}, Knobs(count=4, width=2.0)),
        ({"count": np.int64(2)}, Knobs(count=2)),
        ({}, Knobs()),
    ],
)
def test_values_of_the_right_type(given, result):
    made = hyper_from(Toy, given)
    assert made == result
    assert [type(v) for v in dataclasses.astuple(made)] == [bool, int, float, str]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 10}, "count is 10, allowed is from 1 to 9"),
        ({"count": 2.5}, "count must be a whole number"),
        ({"count": True}, "count must be a whole number"),
        ({"count": float("inf")}, "count must be a whole number"),
        ({"width": -1}, "width is -1.0, allowed is of at least 0 Å"),
        ({"width": float("nan")}, "width must be a number"),
        ({"width": "wide"}, "width must be a number"),
        ({"flag": 2}, "flag must be true or false"),
        ({"kind": "c"}, "kind must be one of a, b"),
        ({"kind": 1}, "kind must be one of a, b"),
        ({"kind": True}, "kind must be text"),
        ({"colour": 1}, "no parameter 'colour'; it has: flag, count, width, kind"),
    ],
)
def test_values_refused(given, message):
    with pytest.raises(ForceFieldError, match=message):
        hyper_from(Toy, given)


def test_a_number_serves_where_a_text_is_asked():
    """A command line cannot know that the one cutoff it was given is a list of them."""
    gap = discover()["gap"]
    assert hyper_from(gap, {"cutoffs": 5}).cutoffs == "5"
    assert hyper_from(gap, {"cutoffs": 4.5}).cutoffs == "4.5"


def test_unknown_key_lists_the_known():
    with pytest.raises(ForceFieldError, match=r"no force field 'mmff95'; there are: .*mmff94"):
        make(FieldRef("mmff95"), ETHANOL)


def test_model_for_other_atoms(tmp_path):
    path = tmp_path / "m.npz"
    save_model(path, make(FieldRef("mmff94"), ETHANOL))
    ref = FieldRef("mmff94", model=str(path))
    assert make(ref, None).INFO.key == "mmff94"
    methane = Molecule("methane", [6, 1, 1, 1, 1], np.random.default_rng(0).normal(size=(5, 3)))
    with pytest.raises(ForceFieldError, match="is for C2H6O, not for CH4"):
        make(ref, methane)
    with pytest.raises(ForceFieldError, match="atom order: atom 1 is C there and H here"):
        make(ref, Molecule("back", ETHANOL.numbers[::-1], ETHANOL.positions[::-1]))
    with pytest.raises(ForceFieldError, match="a model of mmff94, not of uff"):
        make(FieldRef("uff", model=str(path)), ETHANOL)


def test_model_keeps_what_it_was_told(tmp_path):
    path = tmp_path / "m.npz"
    field = make(FieldRef("mmff94", hyper={"variant": "MMFF94s"}), ETHANOL)
    save_model(path, field, extra={"note": "by hand"})
    assert read_model(path).extra == {"note": "by hand"}
    assert load_model(path).hyper.variant == "MMFF94s"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "nothing"}, "no force field 'nothing'"),
        ({"hyper": {"variant": "x"}}, "variant must be one of"),
        ({"hyper": {"extra": 1}}, "no parameter 'extra'"),
        ({"version": 99}, "format 99.*Update the program"),
        ({"dtype": "eval"}, "cannot compute in 'eval'"),
    ],
)
def test_strange_models_are_refused(tmp_path, change, message):
    path = tmp_path / "m.npz"
    model = Model("mmff94", ETHANOL, {"variant": "MMFF94"}, {})
    storage.save(path, dataclasses.replace(model, **change))
    with pytest.raises(ForceFieldError, match=message) as caught:
        load_model(path)
    assert "m.npz" in str(caught.value)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(ForceFieldError, match=r"nowhere\.npz"):
        load_model(tmp_path / "nowhere.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ForceFieldError, match=r"text\.npz is not a readable model"):
        load_model(tmp_path / "text.npz")
    storage.save(tmp_path / "molecule.npz", ETHANOL)
    with pytest.raises(ForceFieldError, match=r"molecule\.npz is not a readable model"):
        load_model(tmp_path / "molecule.npz")


def test_atoms_in_an_order_that_only_looks_the_same_are_refused(tmp_path):
    """The oxygen of rMD17's ethanol sits on the first carbon, that of the SMILES CCO on the second:
    the elements agree, and the answer would be wrong by tens of eV."""
    swap = [1, 0, 2, 3, 4, 5, 6, 7, 8]
    other = Molecule("other", ETHANOL.numbers, ETHANOL.positions[swap])
    stretched = ETHANOL.positions + np.array([0.0, 0.0, 3.0]) * (np.arange(9) > 7)[:, None]
    path = tmp_path / "model.npz"
    save_model(path, make(FieldRef("mmff94"), ETHANOL))
    ref = FieldRef("mmff94", model=str(path))
    with pytest.raises(ForceFieldError, match=r"other atoms are bonded: C2-O3 there, C1-O3 here"):
        make(ref, other)
    assert make(ref, Molecule("broken", ETHANOL.numbers, stretched)).molecule.formula == "C2H6O"
