import json

import numpy as np
import pytest

from core.mm.export.json import parts, read_json
from core.mm.export.subject import make_subject
from core.readers.errors import ReaderError
from tests.core.mm.export.subjects import kcal
from tests.core.mm.export.test_openmm import TOY
from tests.core.mm.toy import geometries, toy
from tests.hostile.mutate import mutate
from tests.tolerances import MM_EXPORT


@pytest.fixture
def text() -> str:
    return parts(make_subject(TOY, toy()), ".json")[0].text


@pytest.fixture
def refused(tmp_path):
    def sentence(text: str) -> str:
        path = tmp_path / "m.json"
        path.write_text(text)
        with pytest.raises(ReaderError) as caught:
            read_json(path)
        return str(caught.value)

    return sentence


def test_it_comes_back(text, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(text)
    record = read_json(path)
    molecule, top = record.molecule, record.topology
    assert record.depth is None
    old = toy()
    assert molecule.name == "toy"
    assert np.array_equal(molecule.bonds, TOY.bonds)
    assert np.array_equal(molecule.positions, TOY.positions)
    assert (top.types, top.source, top.notes) == (old.types, old.source, old.notes)
    for kind, term in old.terms().items():
        new = getattr(top, kind)
        assert np.array_equal(new.atoms, term.atoms)
        assert (new.types, new.source) == (term.types, term.source)
        assert np.array_equal(new.penalty, term.penalty)
    for x in geometries(5):
        for kind, value in kcal(old, x).items():
            assert kcal(top, x)[kind] == pytest.approx(value, abs=MM_EXPORT)


def test_units_are_those_of_chemists(text):
    found = json.loads(text)
    assert found["coulomb"] == pytest.approx(332.05221729)
    assert found["angle"][1]["theta0"] == pytest.approx(180.0)
    assert found["bond"][0]["atoms"] == [1, 2]
    assert found["pairs14"][1] == pytest.approx([2, 5, 1.0, 2.0])


def test_refusals(text, refused):
    found = json.loads(text)
    assert "is no JSON" in refused(text[:100])
    assert "not of the format" in refused("[]")
    assert "has the version 9" in refused(json.dumps({**found, "version": 9}))
    assert "has the units" in refused(json.dumps({**found, "units": "eV"}))
    assert "has no charges" in refused(json.dumps({k: found[k] for k in found if k != "charges"}))
    assert "has no Xx" in refused(json.dumps({**found, "symbols": ["Xx"] * 6}))
    assert "damaged" in refused(json.dumps({**found, "charges": [1.0]}))
    assert "damaged" in refused(json.dumps({**found, "charges": ["a"] * 6}))
    assert "damaged" in refused(json.dumps({**found, "bond": 3}))
    assert "damaged" in refused(json.dumps({**found, "coulomb": float("nan")}))
    assert "5 positive numbers" in refused(json.dumps({**found, "depth": [1.0]}))
    one = {**found, "symbols": ["C"], "positions": [[0, 0, 0]], "bonds": []}
    assert "6 types for 1 atoms" in refused(json.dumps(one))


def test_broken_files_end_in_a_sentence_or_a_topology(text, tmp_path):
    rng = np.random.default_rng(8)
    path = tmp_path / "x.json"
    said = []
    for _ in range(150):
        path.write_bytes(mutate(text.encode(), rng))
        try:
            read_json(path)
        except ReaderError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(sentence.startswith("x.json") for sentence in said)
