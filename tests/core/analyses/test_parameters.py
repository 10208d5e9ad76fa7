"""Terms for the editor: what comes back, its scan, its energies by term, and how it is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import storage
from core.analyses import parameter_preview, parameter_scan, parameters, topology_saving
from core.analyses.errors import Errors
from core.analyses.fit import Fit
from core.analyses.parameter_preview import PreviewSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import Flag, ParametersSpec
from core.analyses.surface import Axis
from core.analyses.topology_saving import SaveTopologySpec
from core.dataset import Dataset
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make, save_model
from core.geometry import measure
from core.mm.energy import KINDS
from core.wire import pack, unpack
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames, without_bonds
from tests.tolerances import BATCH_EQUALS_SINGLE, HELD_DIHEDRAL


def circle(atoms: tuple[int, int, int, int], n: int = 24) -> Axis:
    step = 2 * np.pi / n
    return Axis(atoms, -np.pi, np.pi - step, n)


@pytest.fixture(scope="module")
def context():
    return Context(lambda *_a, **_k: None)


@pytest.fixture(scope="module")
def terms(context):
    return parameters.run(ParametersSpec(without_bonds(ETHANOL)), context)


def test_every_row_has_types_source_and_penalty(terms):
    counts = {kind: len(t) for kind, t in terms.topology.terms().items()}
    assert counts["bond"] == 8
    assert counts["angle"] == 13
    for kind, term in terms.topology.terms().items():
        assert len(term.types) == len(term.source) == len(term.penalty) == counts[kind]
    assert len(terms.molecule.bonds) == 8
    assert {d[1:3] for d in terms.dihedrals} == {(0, 1), (1, 2)}
    again = unpack(pack(terms), parameters.Parameters)
    assert np.array_equal(again.topology.torsion.atoms, terms.topology.torsion.atoms)


def test_the_flavour_is_taken(terms, context):
    other = parameters.run(ParametersSpec(ETHANOL, {"flavour": "gaff2"}), context)
    assert other.hyper["flavour"] == "gaff2"
    assert not np.array_equal(
        other.topology.bond.parameters["k"], terms.topology.bond.parameters["k"]
    )


def test_a_rigid_scan_holds_its_angles_and_moves_one_side_only(context):
    scan = parameter_scan.run(ParameterScanSpec(ETHANOL, (circle(HYDROXYL),)), context)
    away = measure(scan.positions, HYDROXYL) - scan.axes[0].values()
    assert np.abs(np.angle(np.exp(1j * away))).max() < HELD_DIHEDRAL
    still = [0, 1, 2, 3, 4, 5, 6, 7]
    assert np.array_equal(scan.positions[:, still], scan.positions[:1, still].repeat(24, 0))
    assert np.isnan(scan.reference).all()


def test_reference_points_bring_their_own_geometry(context, tmp_path):
    axes = (circle(HYDROXYL),)
    rigid = parameter_scan.run(ParameterScanSpec(ETHANOL, axes), context).positions
    bent = rigid[::2] + 0.01
    data = Dataset("scan", ETHANOL, bent, np.arange(12.0), level="PBE")
    storage.save(tmp_path / "record.npz", data)
    spec = ParameterScanSpec(ETHANOL, axes, str(tmp_path / "record.npz"))
    scan = parameter_scan.run(spec, context)
    assert scan.label == "PBE"
    assert np.array_equal(scan.reference[::2], np.arange(12.0))
    assert np.isnan(scan.reference[1::2]).all()
    assert np.array_equal(scan.positions[::2], bent)
    assert np.array_equal(scan.positions[1::2], rigid[1::2])


def test_a_scan_that_cannot_be_says_why(context):
    with pytest.raises(ValueError, match="axis 1"):
        parameter_scan.run(ParameterScanSpec(ETHANOL, (circle((0, 1, 2, 3)),)), context)
    big = (circle(HYDROXYL, 200), circle(METHYL, 200))
    with pytest.raises(ValueError, match="10000"):
        parameter_scan.run(ParameterScanSpec(ETHANOL, big), context)


def test_the_kinds_add_up_to_the_force_field_and_rows_to_their_kind(terms, context):
    x = ethanol_frames(30)
    rows = {"torsion": tuple(range(len(terms.topology.torsion))), "bond": (2, 0)}
    preview = parameter_preview.run(PreviewSpec(terms.topology, x, rows=rows), context)
    energy = make(FieldRef("gaff"), ETHANOL).predict(x).energy
    assert tuple(preview.kinds) == KINDS
    assert np.abs(preview.energy - energy).max() < BATCH_EQUALS_SINGLE
    together = preview.rows["torsion"].sum(0)
    assert np.abs(together - preview.kinds["torsion"]).max() < BATCH_EQUALS_SINGLE
    k, r0 = (terms.topology.bond.parameters[n] for n in ("k", "r0"))
    r = measure(x, terms.topology.bond.atoms[2])
    assert np.abs(preview.rows["bond"][0] - k[2] * (r - r0[2]) ** 2).max() < BATCH_EQUALS_SINGLE
    some = parameter_preview.run(PreviewSpec(terms.topology, x, ("torsion",)), context)
    assert tuple(some.kinds) == ("torsion",)


def test_wrong_questions_are_refused(terms, context):
    x = ethanol_frames(2)
    with pytest.raises(ValueError, match="no terms 'dance'"):
        parameter_preview.run(PreviewSpec(terms.topology, x, ("dance",)), context)
    with pytest.raises(ValueError, match="no bond 9"):
        parameter_preview.run(PreviewSpec(terms.topology, x, rows={"bond": (8,)}), context)
    with pytest.raises(ValueError, match="expected"):
        parameter_preview.run(PreviewSpec(terms.topology, x[:, :4]), context)


def edited(terms):
    torsion = terms.topology.torsion
    k = torsion.parameters["k"] + 0.02
    torsion = dataclasses.replace(torsion, parameters={**torsion.parameters, "k": k})
    return dataclasses.replace(terms.topology, torsion=torsion)


def test_saved_terms_are_a_force_field_with_its_flags(terms, context, tmp_path):
    x = ethanol_frames(20)
    reference = make(FieldRef("gaff"), ETHANOL).predict(x)
    data = Dataset("frames", ETHANOL, x, reference.energy, reference.forces, level="GAFF")
    storage.save(tmp_path / "data.npz", data)
    flags = (Flag("torsion", 1, frozen=True), Flag("bond", 0, tied=False, low={"k": 1.5}))
    spec = SaveTopologySpec(
        terms.molecule, edited(terms), terms.hyper, flags, "mine",
        str(tmp_path / "data.npz"), str(tmp_path / "fit"),
    )  # fmt: skip
    fit = topology_saving.run(spec, context)
    assert fit.errors.n_energies == 20
    assert fit.errors.force_mae > 0
    stored = storage.load(tmp_path / "fit" / "record.npz", Fit)
    assert stored.key == "gaff"
    back = parameters.run(ParametersSpec(None, model=fit.model), context)
    assert back.label == "mine"
    assert back.flags == flags
    k = back.topology.torsion.parameters["k"]
    assert np.array_equal(k, edited(terms).torsion.parameters["k"])
    field = make(FieldRef("gaff", model=fit.model), ETHANOL)
    preview = parameter_preview.run(PreviewSpec(back.topology, x), context)
    assert np.abs(field.predict(x).energy - preview.energy).max() < BATCH_EQUALS_SINGLE


def test_without_a_data_set_nothing_is_measured(terms, context, tmp_path):
    spec = SaveTopologySpec(terms.molecule, terms.topology, terms.hyper, out=str(tmp_path / "f"))
    fit = topology_saving.run(spec, context)
    assert isinstance(fit.errors, Errors)
    assert np.isnan(fit.errors.energy_mae)


def test_charges_that_do_not_add_up_are_not_saved(terms, context, tmp_path):
    charges = terms.topology.charges.copy()
    charges[0] += 0.1
    wrong = dataclasses.replace(terms.topology, charges=charges)
    spec = SaveTopologySpec(terms.molecule, wrong, terms.hyper, out=str(tmp_path / "f"))
    with pytest.raises(ValueError, match=r"add up to \+0\.1000 e"):
        topology_saving.run(spec, context)
    assert not (tmp_path / "f").exists()


def test_a_model_without_terms_is_refused(context, tmp_path):
    save_model(tmp_path / "model.npz", make(FieldRef("uff"), ETHANOL))
    with pytest.raises(ForceFieldError, match="no table of terms"):
        parameters.run(ParametersSpec(None, model=str(tmp_path / "model.npz")), context)


def test_flags_of_a_strangers_model_are_checked():
    with pytest.raises(ValueError, match="damaged"):
        parameters.flags_from_text('{"a": 1}')
    with pytest.raises(ValueError, match="kind"):
        parameters.flags_from_text('[{"row": 1}]')
