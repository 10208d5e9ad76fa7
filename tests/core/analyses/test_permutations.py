from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import storage, wire
from core.analyses.model_import import ModelImportSpec
from core.analyses.model_import import run as import_model
from core.analyses.permutations import PermutationsSpec, run
from core.engine.context import Context
from core.fitting.symmetry import SymmetryError
from core.forcefields.errors import ForceFieldError
from core.forcefields.load import load_model
from core.units import KCAL_MOL
from tests.molecules import ethanol_frames, labelled

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "sgdml"


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    frames = ethanol_frames(30)
    frames[1::3] = frames[1::3][:, [0, 1, 2, 4, 5, 3, 6, 7, 8]]
    frames[2::3] = frames[2::3][:, [0, 1, 2, 3, 4, 5, 7, 6, 8]]
    storage.save(tmp_path / "d.npz", labelled(frames, key="mmff94"))
    return str(tmp_path / "d.npz")


def test_a_data_sets_permutations_as_cycles(dataset: str, tmp_path: Path) -> None:
    found = run(PermutationsSpec(dataset=dataset, out=str(tmp_path / "out")), Context())
    assert found.names[0] == "none"
    assert "(7 8)" in found.names
    at = found.names.index("(7 8)")
    assert found.cycles[at] == ((6, 7),)
    assert found.active.all()
    assert (found.perms[at] == [0, 1, 2, 3, 4, 5, 7, 6, 8]).all()
    again = storage.load(tmp_path / "out" / "record.npz")
    assert again.names == found.names
    assert wire.unpack(wire.pack(found)).cycles == found.cycles


def test_one_is_switched_off_and_the_colours_follow(dataset: str) -> None:
    all_on = run(PermutationsSpec(dataset=dataset), Context())
    off = run(PermutationsSpec(dataset=dataset, skip="(7 8)"), Context())
    assert len(off.perms) == len(all_on.perms)  # they are still listed
    assert not off.active[off.names.index("(7 8)")]
    assert off.active[0]
    assert len(set(all_on.orbits[[6, 7]])) == 1
    assert len(set(all_on.orbits[[3, 4, 5]])) == 1
    assert len({*all_on.orbits[[0, 1, 2, 3, 6, 8]]}) == 6
    with pytest.raises(SymmetryError, match="there are"):
        run(PermutationsSpec(dataset=dataset, skip="(1 2)"), Context())


def test_a_models_permutations() -> None:
    found = run(PermutationsSpec(model=str(GOLDEN / "forces.npz")), Context())
    assert len(found.perms) == 12
    with pytest.raises(ValueError, match="either a data set or a model"):
        run(PermutationsSpec(), Context())


def test_a_package_model_becomes_a_fit_of_the_project(dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "fit"
    spec = ModelImportSpec(str(GOLDEN / "forces.npz"), dataset=dataset, out=str(out))
    fit = import_model(spec, Context())
    assert fit.key == "sgdml"
    assert fit.info["units"] == "kcal/mol and Ang"
    assert np.isfinite(fit.errors.force_mae)
    assert storage.load(out / "record.npz").label == fit.label
    with np.load(GOLDEN / "forces_predicted.npz") as golden:
        r, f = golden["R"], golden["F"] * KCAL_MOL
    np.testing.assert_allclose(load_model(fit.model).predict(r).forces, f, atol=1e-6)
    with pytest.raises(ForceFieldError, match="not a readable model"):
        import_model(ModelImportSpec(dataset), Context())
