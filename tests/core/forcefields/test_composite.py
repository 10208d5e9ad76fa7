"""A base force field with a learnt correction, of all atoms or of some."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.composite import TEXT, Composite, chosen
from core.forcefields.gaff import GAFF
from core.forcefields.load import hyper_from, load_model, make, save_model
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import BATCH_EQUALS_SINGLE

LOCAL = 0.1  # relative RMSE of a local term learnt from 80 frames
SPLIT = Split(np.arange(80), np.arange(80, 100), np.zeros(0, dtype=int))


def train(dataset: Dataset, **values) -> Composite:
    values = {"correction_settings": "sigma=10", **values}
    return Composite.fit(dataset, SPLIT, hyper_from(Composite, values), Context())


def spring(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A term that GAFF lacks: 2 eV/Å² (d - 2.4)² between atoms 1 and 3, (B,) and (B,9,3)."""
    d = r[:, 0] - r[:, 2]
    length = np.linalg.norm(d, axis=1)
    push = -4.0 * ((length - 2.4) / length)[:, None] * d
    forces = np.zeros_like(r)
    forces[:, 0], forces[:, 2] = push, -push
    return 2.0 * (length - 2.4) ** 2, forces


@pytest.fixture(scope="module")
def data() -> Dataset:
    """GAFF and a term between atoms 1 and 3 that it does not have."""
    plain = labelled(ethanol_frames(120), key="gaff")
    e, f = spring(plain.positions)
    assert plain.energies is not None
    assert plain.forces is not None
    return dataclasses.replace(plain, energies=plain.energies + e, forces=plain.forces + f)


def test_local_correction_learns_the_missing_term_and_touches_no_other_atom(data):
    field = train(data, atoms="1-3")
    r = data.positions[100:]
    base, whole = GAFF(ETHANOL).predict(r), field.predict(r)
    e, f = spring(r)
    added = whole.forces - base.forces
    assert np.abs(added[:, 3:]).max() < BATCH_EQUALS_SINGLE
    assert np.sqrt(np.mean((added - f) ** 2) / np.mean(f**2)) < LOCAL
    assert np.std(whole.energy - base.energy - e) < LOCAL * np.std(e)
    assert field.notes["atoms"] == "1, 2, 3"
    assert field.INFO.label == "GAFF + sGDML"


def test_whole_correction_beats_its_base(data):
    field = train(data)
    r = data.positions[100:]
    assert data.forces is not None
    error = np.sqrt(np.mean((field.predict(r).forces - data.forces[100:]) ** 2))
    before = np.sqrt(np.mean((GAFF(ETHANOL).predict(r).forces - data.forces[100:]) ** 2))
    assert error < 0.2 * before
    one = field.base.predict(r).energy + field.correction.predict(r).energy
    assert np.abs(field.predict(r).energy - one).max() < BATCH_EQUALS_SINGLE


def test_base_from_a_model_file_travels_inside(data, tmp_path):
    gaff = GAFF(ETHANOL)
    charges = gaff.topology.charges * 0.5
    edited = GAFF.from_topology(gaff.molecule, dataclasses.replace(gaff.topology, charges=charges))
    path, out = tmp_path / "edited.npz", tmp_path / "both.npz"
    save_model(path, edited)
    field = train(data, base_model=str(path), atoms="1,2,3")
    save_model(out, field)
    path.unlink()
    loaded = load_model(out)
    assert isinstance(loaded, Composite)
    assert isinstance(loaded.base, GAFF)
    assert np.array_equal(loaded.base.topology.charges, charges)
    r = data.positions[:3]
    assert np.array_equal(loaded.predict(r).forces, field.predict(r).forces)


@pytest.mark.parametrize("base", ["mmff94", "gaff-nn"])
def test_any_pair(data, base):
    field = train(data, base=base)
    assert field.base.INFO.key == base
    assert field.INFO.differentiable == field.base.INFO.differentiable
    x = torch.tensor(data.positions[:3])
    energy, forces = field.compute(x)
    assert torch.isfinite(energy).all()
    assert torch.isfinite(forces).all()


def test_base_can_be_trained_first(data):
    field = train(data, fit_base=True)
    assert field.base.INFO.key == "gaff"
    assert not np.array_equal(field.base.topology.charges, GAFF(ETHANOL).topology.charges)
    with pytest.raises(ForceFieldError, match="fit_base"):
        train(data, base="mmff94", fit_base=True)


def test_asked_twice_it_answers_the_same(data):
    field = train(data, atoms="1-3")
    x = torch.tensor(data.positions[:3])
    first = field.compute(x)[1].clone()
    assert torch.equal(field.compute(x)[1], first)


def test_settings_reach_both(data):
    field = train(data, base_settings="flavour=gaff2", correction_settings="sigma=12, lam=1e-8")
    assert field.base.hyper.flavour == "gaff2"
    assert field.correction.hyper.sigma == 12
    assert field.correction.hyper.lam == 1e-8


def test_atoms_as_people_write_them():
    assert chosen("", 4).tolist() == [0, 1, 2, 3]
    assert chosen("1-3, 7", 9).tolist() == [0, 1, 2, 6]
    assert chosen("2 1;2", 9).tolist() == [0, 1]
    for text, said in (
        ("0-2", "0-2"),
        ("3-99", "3-99"),
        ("a", "'a'"),
        ("5", "two"),
        ("4-2", "4-2"),
    ):
        with pytest.raises(ForceFieldError, match=said):
            chosen(text, 9)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"correction": "mmff94"}, "cannot be the correction"),
        ({"correction": "nonsense"}, "there is no force field"),
        ({"base": "ase-calculator"}, "cannot be the base"),
        ({"base": "composite"}, "cannot be the base"),
        ({"base_settings": "flavour"}, "name=value"),
        ({"correction_settings": "width=3"}, "no parameter 'width'"),
        ({"atoms": "12"}, "1..9"),
    ],
)
def test_what_cannot_be_is_said(data, values, said):
    with pytest.raises(ForceFieldError, match=said):
        train(data, **values)


def test_a_file_cannot_name_code(data):
    field = train(data, atoms="1-3")
    texts = {
        "base": {"key": "ase-calculator", "hyper": {}},
        "correction": {"key": "sgdml", "hyper": {}},
    }
    text = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    with pytest.raises(ForceFieldError, match="cannot be the base"):
        Composite.from_state(field.molecule, field.hyper, {**field.state(), TEXT: text})


def test_needs_training():
    with pytest.raises(ForceFieldError, match="trained first"):
        make(FieldRef("composite"), ETHANOL)
    seconds, size = Composite.estimate(ETHANOL, 100, hyper_from(Composite, {"base": "gaff-nn"}))
    assert seconds > 0
    assert size > 0
