"""GAP: figures, limits, errors in the input, stopping."""

import dataclasses

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.sparse_gp import checks as sparse_gp_checks
from core.forcefields.base import ForceFieldError
from core.forcefields.gap import GAP
from core.forcefields.load import hyper_from, load_model, save_model
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import GAP_PUBLISHED, INVARIANCE_ENERGY

NONE = np.zeros(0, dtype=int)
SPLIT = Split(np.arange(30), np.arange(30, 40), NONE)
#: eV and eV/Å, 1000 frames: Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021), table 2
PUBLISHED = {"ethanol": (3.5e-3, 18.1e-3), "malonaldehyde": (4.8e-3, 26.4e-3)}


def hyper(**values):
    return hyper_from(GAP, {**GAP.QUICK, **values})


def rmd17(shared, name, part) -> Dataset:
    with np.load(shared / "data" / "rmd17" / f"rmd17_{name}_{part}_01.npz") as data:
        molecule = Molecule(name, data["nuclear_charges"], data["coords"][0])
        energies, forces = data["energies"] * KCAL_MOL, data["forces"] * KCAL_MOL
        return Dataset(name, molecule, data["coords"], energies, forces)


@pytest.fixture(scope="module")
def small() -> Dataset:
    return labelled(ethanol_frames(60), key="mmff94")


@pytest.fixture(scope="module")
def model(small) -> GAP:
    return GAP.fit(small, SPLIT, hyper(), Context())


def errors(model, data) -> tuple[float, float]:
    found = model.predict(data.positions)
    energy = np.abs(found.energy - data.energies).mean()
    return float(energy), float(np.abs(found.forces - data.forces).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_errors(shared, name):
    data = rmd17(shared, name, "train")
    split = Split(np.arange(950), np.arange(950, 1000), NONE)
    model = GAP.fit(data, split, hyper_from(GAP, {}), Context())
    found = errors(model, rmd17(shared, name, "test"))
    for ours, theirs in zip(found, PUBLISHED[name], strict=True):
        assert ours < GAP_PUBLISHED * theirs


def test_hundred_frames_of_ethanol(shared):
    """Five times fewer surroundings than by default, and still chemistry."""
    data = rmd17(shared, "ethanol", "train")
    split = Split(np.arange(100), NONE, NONE)
    values = {"sparse": 600, "sigma_force": 0.003}
    model = GAP.fit(data, split, hyper_from(GAP, values), Context())
    test = rmd17(shared, "ethanol", "test")
    part = dataclasses.replace(
        test,
        positions=test.positions[:200],
        energies=test.energies[:200],
        forces=test.forces[:200],
    )
    energy, force = errors(model, part)
    assert energy < 0.25 * np.std(part.energies)
    assert force < 0.1 * np.abs(part.forces).mean()
    # the error bar is of the size of the errors
    found = model.predict(part.positions)
    scores = (found.energy - part.energies) / found.sigma
    assert 0.2 < np.sqrt(np.mean(scores**2)) < 5.0


def test_uncertainty_is_calibrated_on_the_validation_frames(small, tmp_path):
    """Coverage of errors that follow a normal distribution, on frames that nobody saw."""
    split = Split(np.arange(20), np.arange(20, 40), NONE)
    found = GAP.fit(small, split, hyper(), Context())
    assert f"× {found.scale:.2f}" in found.notes["uncertainty"]
    assert "20 validation frames" in found.notes["uncertainty"]
    valid = found.predict(small.positions[20:40])
    scores = (valid.energy - small.energies[20:40]) / valid.sigma
    assert np.sqrt(np.mean(scores**2)) == pytest.approx(1.0, rel=1e-6)
    save_model(tmp_path / "model.npz", found)
    assert np.array_equal(
        load_model(tmp_path / "model.npz").predict(small.positions[:5]).sigma,
        found.predict(small.positions[:5]).sigma,
    )
    plain = GAP.fit(small, Split(split.train, NONE, NONE), hyper(), Context())
    assert plain.scale == 1.0
    assert "not calibrated" in plain.notes["uncertainty"]
    with pytest.raises(ForceFieldError, match="not above 0"):
        GAP.from_state(found.molecule, found.hyper, {**found.state(), "sigma_scale": np.zeros(1)})


def test_uncertainty_grows_away_from_the_data(model, small):
    near = model.predict(small.positions[:30]).sigma
    new = model.predict(small.positions[40:]).sigma
    strange = small.positions[:10].copy()
    strange[:, 8] += [0.0, 1.5, 1.5]
    far = model.predict(strange).sigma
    assert near.max() < 0.03  # eV; the energies spread over ten times that
    assert near.mean() < new.mean() < 0.2 * far.min()


def test_two_body_only_learns_a_pair_potential():
    """A sum of Morse curves over all C-H, O-H … distances is within reach of the pair term."""
    x = ethanol_frames(60, shake=0.08)
    i, j = np.triu_indices(9, 1)
    vectors = x[:, j] - x[:, i]
    r = np.linalg.norm(vectors, axis=-1)
    decay = np.exp(-0.8 * (r - 1.8))
    energy = (0.4 * (1 - decay) ** 2).sum(1)
    slope = 2 * 0.4 * 0.8 * (1 - decay) * decay
    forces = np.zeros_like(x)
    for p, (a, b) in enumerate(zip(i, j, strict=True)):
        step = (slope[:, p] / r[:, p])[:, None] * vectors[:, p]
        forces[:, a] += step
        forces[:, b] -= step
    data = Dataset("pairs", ETHANOL, x, energy, forces)
    values = hyper(sparse=0, cutoffs="8", delta_pair=10.0, sigma_force=1e-3)
    model = GAP.fit(data, Split(np.arange(40), NONE, NONE), values, Context())
    assert not model.terms.soaps
    test = dataclasses.replace(data, positions=x[40:], energies=energy[40:], forces=forces[40:])
    e, f = errors(model, test)
    assert e < 0.01 * np.std(energy)
    assert f < 0.01 * np.abs(forces).mean()


def test_core_repulsion_leaves_the_fit_alone_and_keeps_atoms_apart(small, model):
    bare = GAP.fit(small, SPLIT, hyper(core=False), Context())
    x = small.positions  # twenty of them in neither part of the split
    assert np.abs(bare.predict(x).forces - model.predict(x).forces).max() < 1e-9
    # a hydrogen of the methyl group pushed towards its carbon
    steps = np.linspace(0.9, 0.3, 13)
    path = np.repeat(x[:1], 13, 0)
    path[:, 3] = path[:, 0] + steps[:, None] * (path[:, 3] - path[:, 0])
    energy = model.predict(path).energy
    assert (np.diff(energy[2:]) > 0).all()
    assert energy[-1] - energy[0] > 20.0


def test_one_frame(small):
    one = GAP.fit(small, Split(np.array([3]), NONE, NONE), hyper(), Context())
    found = one.predict(small.positions[3:4])
    assert found.energy[0] == pytest.approx(small.energies[3], abs=1e-3)
    assert np.abs(found.forces[0] - small.forces[3]).max() < 0.02


def test_diatomic():
    """One pair, one element twice: the smallest molecule there is."""
    r = np.linspace(0.6, 1.4, 17)
    x = np.zeros((17, 2, 3))
    x[:, 1, 0] = r
    decay = np.exp(-2.0 * (r - 0.74))
    slope = 4.7 * 2 * 2.0 * (1 - decay) * decay
    forces = np.stack([slope[:, None] * [1, 0, 0], slope[:, None] * [-1, 0, 0]], 1)
    data = Dataset("H2", Molecule("H2", np.array([1, 1]), x[0]), x, 4.7 * (1 - decay) ** 2, forces)
    model = GAP.fit(data, Split(np.arange(0, 17, 2), NONE, NONE), hyper(), Context())
    found = model.predict(x[1:-1:2])
    assert np.abs(found.energy - data.energies[1:-1:2]).max() < 0.03


def test_energies_alone(small):
    bare = dataclasses.replace(small, forces=None)
    model = GAP.fit(bare, Split(np.arange(50), np.arange(50, 60), NONE), hyper(), Context())
    energy, _ = errors(model, small)
    assert energy < 0.3 * np.std(small.energies)


def test_forces_alone_have_no_absolute_energy(small, model):
    bare = dataclasses.replace(small, energies=None)
    found = GAP.fit(bare, SPLIT, hyper(), Context())
    assert not found.INFO.absolute_energy
    assert "energy constant" in found.notes
    assert GAP.INFO.absolute_energy
    f = found.predict(small.positions[40:]).forces
    assert np.abs(f - small.forces[40:]).mean() < 0.1 * np.abs(small.forces).mean()


def test_several_cutoffs_and_cur(small, model, tmp_path):
    both = GAP.fit(small, SPLIT, hyper(cutoffs="3, 5", choice="CUR"), Context())
    assert [t.soap.shape.cutoff for t in both.terms.soaps] == [3.0] * 3 + [5.0] * 3
    assert errors(both, small)[1] < 1.5 * errors(model, small)[1]
    save_model(tmp_path / "model.npz", both)
    again = load_model(tmp_path / "model.npz")
    x = small.positions[:3]
    assert np.array_equal(again.predict(x).forces, both.predict(x).forces)
    assert np.array_equal(again.predict(x).sigma, both.predict(x).sigma)


def test_single_precision_is_refused(model):
    with pytest.raises(ForceFieldError, match="float64 only"):
        GAP.from_state(model.molecule, model.hyper, model.state(), dtype="float32")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("counts", lambda a: -a),
        ("counts", lambda a: a.astype(float)),
        ("points", lambda a: a[:, :-1]),
        ("points", lambda a: a.ravel()),
        ("mixing", lambda a: a[:, :, :-1]),
        ("mixing", lambda a: a[0]),
        ("pair_points", lambda a: a[:-1]),
        ("weights", lambda a: a[:-1]),
        ("reach", lambda a: a[:-1]),
        ("reach", lambda a: 0 * a),
        ("upper", lambda a: a[:-1]),
        ("upper", lambda a: 0 * a),
    ],
)
def test_state_that_does_not_fit_is_refused(model, name, change):
    state = model.state()
    with pytest.raises(ForceFieldError, match="GAP model"):
        GAP.from_state(model.molecule, model.hyper, {**state, name: change(state[name])})


def test_like_atoms_may_be_exchanged(model, small):
    order = np.array([1, 0, 2, 8, 7, 6, 5, 4, 3])
    here, there = model.predict(small.positions[:5]), model.predict(small.positions[:5, order])
    assert np.abs(here.energy - there.energy).max() < INVARIANCE_ENERGY


def test_many_geometries_on_two_cores_are_the_same_as_one_by_one(model, small):
    x = torch.tensor(small.positions)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        e, f = model.compute(x)
    finally:
        torch.set_num_threads(before)
    for i in (0, 29, 30, 59):
        single = model.compute(x[i : i + 1])
        assert torch.allclose(single[0], e[i : i + 1], rtol=0, atol=1e-9)
        assert torch.allclose(single[1], f[i : i + 1], rtol=0, atol=1e-9)


def test_noise_is_chosen_and_shown(small):
    events: list[tuple[str, dict]] = []
    context = Context(lambda kind, fraction, payload: events.append((kind, payload)))
    model = GAP.fit(small, SPLIT, hyper(sigma_force=0.0), context)
    curve = [p for kind, p in events if kind == "curve"]
    assert len(curve) >= 2
    assert {p["name"] for p in curve} == {"validation force MAE"}
    best = min(curve, key=lambda p: p["y"][0])["x"][0]
    assert model.notes["noise"].startswith(f"{best:g} eV/Å")
    assert "chosen" in model.notes["noise"]
    plain = GAP.fit(small, Split(SPLIT.train, NONE, NONE), hyper(sigma_force=0.0), Context())
    assert "no validation frames" in plain.notes["noise"]


# -- stopping -------------------------------------------------------------------------------
class Trigger(Context):
    """Stops or cancels at a stage."""

    def __init__(self, stage: str, what: str) -> None:
        super().__init__(lambda kind, fraction, payload: None)
        self.stage, self.what = stage, what

    def progress(self, fraction: float, message: str = "") -> None:
        if self.stage in message:
            self.request_stop() if self.what == "stop" else self.request_cancel()
        super().progress(fraction, message)


def test_stop_keeps_the_frames_so_far(small, monkeypatch):
    monkeypatch.setattr("core.fitting.sparse_gp.fit.BLOCK", 1e5)
    model = GAP.fit(small, SPLIT, hyper(), Trigger("equations", "stop"))
    assert "stopped early" in model.notes["training frames"]
    assert np.isfinite(model.predict(small.positions).energy).all()


@pytest.mark.parametrize("stage", ["describing", "choosing", "equations", "solving", "noise"])
def test_cancel(small, stage):
    with pytest.raises(Cancelled):
        GAP.fit(small, SPLIT, hyper(sigma_force=0.0), Trigger(stage, "cancel"))


# -- bad input ------------------------------------------------------------------------------
def refused(small, match, *, split=SPLIT, data=None, **values):
    with pytest.raises(ForceFieldError, match=match):
        GAP.fit(data or small, split, hyper(**values), Context())


def test_cutoffs_are_checked(small):
    refused(small, r"cutoff of 0\.7 Å is below the shortest distance", cutoffs="0.7")
    refused(small, r"atom \d+ \(\w\) has no neighbour", cutoffs="0.93")
    refused(small, "separated by commas", cutoffs="five")
    refused(small, "from 0.5 to 20", cutoffs="99")
    refused(small, "different cutoffs", cutoffs="4, 4")


def test_labels_are_checked(small):
    forces = small.forces.copy()
    forces[7, 2, 1] = np.nan
    refused(small, "frame 8 has no forces", data=dataclasses.replace(small, forces=forces))
    nothing = dataclasses.replace(small, forces=None, energies=None)
    refused(small, "no energy and no forces", data=nothing)


def test_frames_are_checked(small):
    x = small.positions.copy()
    x[5] = x[2]
    refused(
        small,
        "frame 6 is the same geometry as frame 3",
        data=dataclasses.replace(small, positions=x),
    )
    x = small.positions.copy()
    x[4, 3] = x[4, 2]
    refused(small, "frame 5 atom", data=dataclasses.replace(small, positions=x))
    refused(small, "no training frames", split=Split(NONE, NONE, NONE))
    refused(small, "frame 99", split=Split(np.array([98]), NONE, NONE))
    refused(small, "nothing to fit", sparse=0, pairs=False)
    atom = Dataset("He", Molecule("He", np.array([2]), np.zeros((1, 3))), np.zeros((3, 1, 3)))
    refused(small, "two atoms", data=atom)


def test_too_large_for_memory_is_said_before(small, monkeypatch):
    monkeypatch.setattr(sparse_gp_checks, "MEMORY_BASE", 1e15)
    refused(small, "GB of memory")


def test_estimate_grows_with_what_costs():
    few = GAP.estimate(ETHANOL, 100, hyper_from(GAP, {}))
    frames = GAP.estimate(ETHANOL, 1000, hyper_from(GAP, {}))
    points = GAP.estimate(ETHANOL, 1000, hyper_from(GAP, {"sparse": 5000}))
    assert few[0] < frames[0] < points[0]
    assert few[1] <= frames[1] < points[1]
