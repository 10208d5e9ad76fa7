import dataclasses

import numpy as np
import pytest

from core import storage
from core.analyses.surface import Axis, Surface, SurfaceSpec, run
from core.bonding import dihedrals, moving_atoms
from core.dataset import Dataset
from core.engine.context import Cancelled, Context
from core.fieldref import FieldRef
from core.forcefields.load import make
from core.geometry import measure, rotate_dihedral, wrap
from core.motion import layers
from tests.core.motion import toys
from tests.tolerances import BATCH_EQUALS_SINGLE, HELD_DIHEDRAL

HCCO, CCOH = (3, 0, 1, 2), (0, 1, 2, 8)


@pytest.fixture(scope="module")
def ethanol():
    return toys.build("CCO", relaxed=True)


def spec_of(molecule, n=7, **more):
    axes = (Axis(CCOH, -np.pi, np.pi, n), Axis(HCCO, -np.pi / 3, np.pi / 3, 4))
    settings = {"axes": axes, "fields": (FieldRef("mmff94"), FieldRef("uff", label="my UFF"))}
    return SurfaceSpec(molecule, **(settings | more))


def listening():
    events = []
    return events, Context(lambda kind, fraction, payload: events.append((kind, fraction, payload)))


def targets_of(spec):
    mesh = np.meshgrid(*(a.values() for a in spec.axes), indexing="ij")
    return np.stack([m.ravel() for m in mesh], -1)


def test_rigid_surface_has_the_energies_of_its_geometries(ethanol, tmp_path):
    events, context = listening()
    spec = spec_of(ethanol, out=str(tmp_path / "new"))
    surface = run(spec, context)
    assert [x.label for x in surface.layers] == ["MMFF94", "my UFF"]
    for layer, ref in zip(surface.layers, spec.fields, strict=True):
        assert layer.converged.all()
        assert np.abs(wrap(layer.measured - targets_of(spec))).max() < 1e-9
        lengths = np.linalg.norm(layer.positions[:, 0] - layer.positions[:, 1], axis=-1)
        assert np.ptp(lengths) < 1e-9
        energy = make(ref, ethanol).predict(layer.positions).energy
        assert layer.energy == pytest.approx(energy, abs=BATCH_EQUALS_SINGLE)
    assert (surface.layers[0].positions == surface.layers[1].positions).all()
    for i in (0, 1):
        seen = [p["points"] for kind, _, p in events if kind == "frame" and p["layer"] == i]
        assert sorted(np.concatenate(seen).tolist()) == list(range(28))
    fractions = [f for kind, f, _ in events if kind == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    saved = storage.load(tmp_path / "new" / "record.npz", Surface)
    assert np.array_equal(saved.layers[1].energy, surface.layers[1].energy)


def test_relaxed_surface_lies_below_the_rigid_one_with_angles_held(ethanol):
    events, context = listening()
    rigid = run(spec_of(ethanol), Context())
    spec = spec_of(ethanol, relax=True)
    relaxed = run(spec, context)
    for soft, stiff in zip(relaxed.layers, rigid.layers, strict=True):
        assert soft.converged.all()
        assert (soft.energy <= stiff.energy + 1e-6).all()
        assert np.abs(wrap(soft.measured - targets_of(spec))).max() < HELD_DIHEDRAL
        assert soft.residual.max() < spec.fmax
    seen = {p for kind, _, x in events if kind == "frame" for p in x["points"].tolist()}
    assert seen == set(range(28))


def test_errors_are_taken_at_the_geometries_of_the_reference(ethanol, tmp_path):
    # a "reference" that knows 5 of 7 points, at bonds stretched a little
    field = make(FieldRef("uff"), ethanol)
    angles = np.linspace(-np.pi, np.pi, 7)
    stretched = ethanol.positions * 1.01
    x = rotate_dihedral(stretched, CCOH, angles[1:6], moving_atoms(ethanol, CCOH))
    known = field.predict(x)
    data = Dataset("scan", ethanol, x, known.energy, known.forces)
    path = tmp_path / "data.npz"
    storage.save(path, data)
    fields = (FieldRef("reference", dataset=str(path)), FieldRef("uff"), FieldRef("mmff94"))
    axes = (Axis(CCOH, -np.pi, np.pi, 7),)
    surface = run(SurfaceSpec(ethanol, axes, fields), Context())
    reference, uff, mmff = surface.layers
    have = np.isfinite(reference.energy)
    assert have[1:6].all()
    assert reference.converged.tolist() == have.tolist()
    assert (uff.positions[1:6] == x).all()
    assert (mmff.positions == uff.positions).all()
    assert uff.energy[have] == pytest.approx(reference.energy[have], abs=1e-9)
    for p in np.flatnonzero(~have):
        assert "no frame near" in reference.problems[str(p)]
    assert np.isfinite(uff.energy).all()


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        ((0, 1, 2, 2), "4 different atoms"),
        ((0, 2, 1, 8), "bond"),
        ((0, 1, 2, 40), "no atom 41"),
    ],
)
def test_axes_that_make_no_sense_are_refused_with_the_reason(ethanol, atoms, text):
    axes = (Axis(atoms, -np.pi, np.pi, 5),)
    with pytest.raises(ValueError, match=f"axis 1 .*{text}"):
        run(spec_of(ethanol, axes=axes), Context())


def test_two_axes_about_one_bond_are_refused(ethanol):
    axes = (Axis((3, 0, 1, 2), 0.0, 1.0, 3), Axis((4, 0, 1, 2), 0.0, 1.0, 3))
    with pytest.raises(ValueError, match="both axes turn the bond C1-C2"):
        run(spec_of(ethanol, axes=axes), Context())


def test_no_axis_no_field_and_too_many_points_are_refused(ethanol):
    with pytest.raises(ValueError, match="one or two axes"):
        run(spec_of(ethanol, axes=()), Context())
    with pytest.raises(ValueError, match="at least one force field"):
        run(spec_of(ethanol, fields=()), Context())
    with pytest.raises(ValueError, match="both must be above 0"):
        run(spec_of(ethanol, relax=True, fmax=float("nan")), Context())
    with pytest.raises(ValueError, match="use wider steps"):
        run(spec_of(ethanol, n=1_000_000), Context())


@pytest.mark.parametrize("relax", [False, True])
def test_a_force_field_that_fails_takes_no_other_with_it(ethanol, relax):
    events, context = listening()
    fields = (FieldRef("mmff94", hyper={"nonsense": 1}), FieldRef("mmff94"))
    surface = run(spec_of(ethanol, fields=fields, relax=relax), context)
    broken, fine = surface.layers
    assert np.isnan(broken.energy).all()
    assert len(broken.problems) == 28
    assert "nonsense" in broken.problems["0"]
    assert fine.converged.all()
    logs = [p["message"] for kind, _, p in events if kind == "log"]
    assert any("28 of 28 points failed" in line for line in logs)
    with pytest.raises(ValueError, match=r"no force field gave an energy.*nonsense"):
        run(spec_of(ethanol, fields=fields[:1], relax=relax), Context())


@pytest.mark.parametrize("relax", [False, True])
def test_points_that_fail_are_marked_and_the_rest_is_there(ethanol, monkeypatch, relax):
    def refuses(x):
        return np.abs(measure(x.numpy(), CCOH)) < 0.2

    inner = make(FieldRef("mmff94"), ethanol)
    field = toys.Moody(inner, refuses)
    monkeypatch.setattr(layers, "make", lambda ref, molecule, device: field)
    spec = spec_of(ethanol, fields=(FieldRef("moody"),), relax=relax)
    (layer,) = run(spec, Context()).layers
    bad = np.abs(targets_of(spec)[:, 0]) < 0.2
    assert (np.isnan(layer.energy) == bad).all()
    assert {int(k) for k in layer.problems} == set(np.flatnonzero(bad))
    assert all("SCF not converged" in why for why in layer.problems.values())


def test_cancel_throws_and_stop_keeps_what_is_there(ethanol):
    context = Context()
    context.request_cancel()
    with pytest.raises(Cancelled):
        run(spec_of(ethanol, relax=True), context)
    context = Context()

    def emit(kind, fraction, payload):
        if kind == "frame":
            context.request_stop()

    context._emit = emit
    surface = run(spec_of(ethanol, n=200), context)
    energy = surface.layers[0].energy
    assert np.isfinite(energy).any()
    assert np.isnan(energy).any()
    assert "stopped" in surface.layers[0].problems["799"]


def test_bonds_are_perceived_where_the_molecule_has_none(ethanol):
    bare = dataclasses.replace(ethanol, bonds=np.zeros((0, 2)), orders=np.zeros(0))
    assert dihedrals(bare)
    axes = (Axis(CCOH, 0.0, np.pi, 4),)
    with_them = run(spec_of(ethanol, axes=axes, relax=True), Context()).layers[0].energy
    without = run(spec_of(bare, axes=axes, relax=True), Context()).layers[0].energy
    assert without == pytest.approx(with_them, abs=1e-6)
