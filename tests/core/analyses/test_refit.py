"""The editor's refit: what it tells, joint profiles, killed and gone on, bad input."""

from __future__ import annotations

import dataclasses
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.analyses.fit import Fit
from core.analyses.parameters import FLAGS, Flag, flags_from_text
from core.analyses.refit import Profile, Refit, RefitSpec, run
from core.bonding import moving_atoms
from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.mm.options import RefitError
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF
from core.forcefields.load import load_model, read_model
from core.geometry import rotate_dihedral
from core.mm.topology import Topology
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames
from tests.tolerances import REFIT_NORMAL_EQUATIONS, REFIT_RECOVERS

START = GAFF(ETHANOL).topology


def scan(dihedral, points: int = 24) -> np.ndarray:
    angles = np.linspace(-np.pi, np.pi, points, endpoint=False)
    x = np.repeat(ETHANOL.positions[None], points, axis=0)
    return np.asarray(rotate_dihedral(x, dihedral, angles, moving_atoms(ETHANOL, dihedral)))


def energy(topology: Topology, x: np.ndarray) -> np.ndarray:
    return GAFF.from_topology(ETHANOL, topology).predict(x).energy


def stronger(topology: Topology, factor: float) -> Topology:
    """Every torsion amplitude multiplied."""
    p = topology.torsion.parameters
    torsion = dataclasses.replace(topology.torsion, parameters={**p, "k": factor * p["k"]})
    return dataclasses.replace(topology, torsion=torsion)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """120 frames whose labels GAFF misses: saved, its path."""
    x = ethanol_frames(120, seed=4)
    p = GAFF(ETHANOL).predict(x)
    rng = np.random.default_rng(8)
    e = 1.3 * p.energy + rng.normal(0.0, 0.01, 120)
    f = 1.3 * p.forces + rng.normal(0.0, 0.1, x.shape)
    path = tmp_path_factory.mktemp("data") / "record.npz"
    storage.save(path, Dataset("frames", ETHANOL, x, e - 20.0, f, level="test"))
    return str(path)


def profile(name: str, dihedral, topology: Topology, **more) -> Profile:
    x = scan(dihedral)
    return Profile(name, x, energy(topology, x) + 3.0, **more)


def spec(data: str = "", **changes) -> RefitSpec:
    base = RefitSpec(ETHANOL, START, n_train=60, n_valid=20, dataset=data, parent="GAFF")
    return dataclasses.replace(base, **changes)


def same(a: Topology, b: Topology) -> None:
    for kind, term in a.terms().items():
        for name, column in term.parameters.items():
            np.testing.assert_array_equal(column, getattr(b, kind).parameters[name])
    np.testing.assert_array_equal(a.charges, b.charges)
    np.testing.assert_array_equal(a.rmin_half, b.rmin_half)


def test_everything_a_refit_tells_and_keeps(data, tmp_path):
    shown = profile("hydroxyl", HYDROXYL, stronger(START, 3.0))
    flags = (Flag("bond", 0, frozen=True), Flag("torsion", 1, tied=False))
    found = run(spec(data, profiles=(shown,), flags=flags, out=str(tmp_path)), Context())
    # files, and that they are read back
    assert storage.load(tmp_path / "record.npz", Fit).label == "GAFF, refitted"
    kept = storage.load(tmp_path / "refit.npz", Refit)
    same(kept.topology, found.topology)
    model = load_model(tmp_path / "model.npz")
    same(model.topology, found.topology)
    assert flags_from_text(read_model(tmp_path / "model.npz").extra[FLAGS]) == found.flags
    assert found.flags[0] == flags[0]
    assert not (tmp_path / "checkpoint-refit.npz").exists()
    # errors on frames that neither trained nor validated
    test = found.fit.split.test
    dataset = storage.load(data, Dataset)
    assert len(test) == 40
    for i, topology in enumerate((START, found.topology)):
        p = GAFF.from_topology(ETHANOL, topology).predict(dataset.positions[test])
        e = p.energy - dataset.energies[test]
        f = p.forces - dataset.forces[test]
        assert found.held_out["energy"][i] == pytest.approx(e.std(), rel=1e-9)
        assert found.held_out["force"][i] == pytest.approx(np.sqrt((f**2).mean()), rel=1e-9)
    assert found.held_out["force"][1] < found.held_out["force"][0]
    assert found.fit.errors.force_rmse == found.held_out["force"][1]
    # changes: largest first, in widths of their priors, frozen ones not listed
    widths = [abs(c.widths) for c in found.changes]
    assert widths == sorted(widths, reverse=True)
    assert not any(c.label == "bond c3-c3" for c in found.changes)
    bond = next(c for c in found.changes if (c.label, c.quantity) == ("bond hc-c3", "bond.r0")
                or (c.label, c.quantity) == ("bond c3-hc", "bond.r0"))  # fmt: skip
    assert bond.widths == pytest.approx((bond.after - bond.before) / 0.05, rel=1e-9)
    k = next(c for c in found.changes if c.label == bond.label and c.quantity == "bond.k")
    assert k.widths == pytest.approx(math.log(k.after / k.before) / 0.3, rel=1e-9)
    # the profile, its kinds, and the contributions
    (line,) = found.profiles
    assert line.rmse_after < line.rmse_before
    for which, topology in (("before", START), ("after", found.topology)):
        curve = getattr(line, which)
        own = energy(topology, shown.positions)
        np.testing.assert_allclose(curve, own - own.mean(), atol=1e-10)
        np.testing.assert_allclose(sum(getattr(line, f"kinds_{which}").values()), curve, atol=1e-10)
    assert line.rmse_after == pytest.approx((line.after - line.reference).std(), rel=1e-9)
    assert set(found.contributions) == set(line.kinds_before)
    assert found.contributions["bond"][1] != found.contributions["bond"][0]
    assert found.parent == "GAFF"


def test_profiles_of_two_bonds_are_met_together_each_with_its_own_zero():
    truth = stronger(START, 4.0)
    profiles = (
        profile("hydroxyl", HYDROXYL, truth),
        dataclasses.replace(
            profile("methyl", METHYL, truth), energies=energy(truth, scan(METHYL)) - 50.0
        ),
    )
    around = ((1, 2), (0, 1))
    asked = spec(profiles=profiles, around=around, hyper={"fit_prior": 1e-8})
    found = run(asked, Context())
    for line in found.profiles:
        assert line.rmse_before > 0.01
        assert line.rmse_after < REFIT_RECOVERS
        assert line.cause == ""
    # a fit to one of them alone knows nothing of the other
    alone = run(dataclasses.replace(asked, profiles=profiles[:1], around=around[:1]), Context())
    methyl = energy(alone.topology, scan(METHYL)) - profiles[1].energies
    assert methyl.std() == pytest.approx(found.profiles[1].rmse_before, rel=1e-9)
    assert found.held_out == {}
    assert math.isnan(found.fit.errors.energy_rmse)
    assert found.fit.split.method == "none: profiles only"


def test_weights_of_profiles_and_of_kinds_of_data(data):
    good, bad = (profile(n, HYDROXYL, stronger(START, f)) for n, f in (("good", 3), ("bad", -3)))
    torsions = {"fit_terms": "torsions"}

    def after(weights, **more) -> list[float]:
        chosen = tuple(
            dataclasses.replace(p, weight=w) for p, w in zip((good, bad), weights, strict=True)
        )
        return [p.rmse_after for p in run(spec(profiles=chosen, hyper=torsions, **more),
                                          Context()).profiles]  # fmt: skip

    assert after((100.0, 1.0))[0] < after((1.0, 1.0))[0] < after((1.0, 100.0))[0]
    watched = run(spec(data, profiles=(good,), profile_weight=0.0, hyper=torsions), Context())
    assert not watched.profiles[0].used
    plain = run(spec(data, hyper=torsions), Context())
    same(watched.topology, plain.topology)
    forces = run(spec(data, energy_weight=0.0), Context())
    assert forces.fit.errors.force_rmse <= run(spec(data), Context()).fit.errors.force_rmse * 1.01


def test_missing_points_are_left_out_and_said():
    x = scan(HYDROXYL)
    e = energy(stronger(START, 3.0), x)
    e[[2, 7, 8]] = np.nan
    gaps = Profile("gaps", x, e)
    found = run(spec(profiles=(gaps,), around=((1, 2),)), Context())
    told = found.fit.info["profile gaps"]
    assert told == "gaps: 21 of 24 points have an energy and are used (without: 3, 8, 9)"
    line = found.profiles[0]
    assert np.isnan(line.reference[[2, 7, 8]]).all()
    assert np.isfinite(line.after).all()
    rest = np.delete(e - energy(found.topology, x), [2, 7, 8])
    assert line.rmse_after == pytest.approx(rest.std(), rel=REFIT_NORMAL_EQUATIONS)
    whole = Profile("gaps", np.delete(x, [2, 7, 8], 0), np.delete(e, [2, 7, 8]))
    alone = run(spec(profiles=(whole,), around=((1, 2),)), Context())
    same(alone.topology, found.topology)


class Stops(Context):
    """Asks to stop or cancel when an iteration is told."""

    def __init__(self, at: int, ask: str) -> None:
        super().__init__()
        self.at, self.ask = at, ask

    def curve(self, name, x, y, **labels):
        if np.max(x) >= self.at:
            getattr(self, self.ask)()


def test_a_cancelled_refit_goes_on_to_the_same_end(data, tmp_path):
    asked = spec(data, profiles=(profile("hydroxyl", HYDROXYL, stronger(START, 3.0)),))
    whole = run(asked, Context())
    out = dataclasses.replace(asked, out=str(tmp_path))
    with pytest.raises(Cancelled):
        run(out, Stops(2, "request_cancel"))
    assert (tmp_path / "checkpoint-refit.npz").exists()
    assert not (tmp_path / "record.npz").exists()
    lines = []
    context = Context(lambda kind, f, p: lines.append(p.get("message", "")))
    found = run(out, context)
    assert "going on after iteration 2" in lines
    same(found.topology, whole.topology)
    for name, points in whole.fit.curves.items():
        np.testing.assert_array_equal(found.fit.curves[name], points)
    # other settings do not go on from there
    with pytest.raises(Cancelled):
        run(out, Stops(2, "request_cancel"))
    lines.clear()
    other = dataclasses.replace(out, force_weight=2.0)
    run(other, context)
    assert not any("going on" in line for line in lines)


def test_a_damaged_checkpoint_costs_only_the_iterations(data, tmp_path):
    (tmp_path / "checkpoint-refit.npz").write_bytes(b"PK\x03\x04 no such thing")
    found = run(spec(data, out=str(tmp_path)), Context())
    same(found.topology, run(spec(data), Context()).topology)


KILLED = """
import os, signal, sys
from core.engine.context import Context
from core.analyses.refit import RefitSpec, run
from core import storage

class Dies(Context):
    def progress(self, fraction, message=""):
        super().progress(fraction, message)
        if message == "iteration 2":
            os.kill(os.getpid(), signal.SIGKILL)

run(storage.load(sys.argv[1], RefitSpec), Dies())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_refit_goes_on_to_the_same_end(data, tmp_path):
    asked = spec(data, out=str(tmp_path / "out"))
    storage.save(tmp_path / "spec.npz", asked)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "spec.npz")], cwd=root,
                          capture_output=True, timeout=60)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["checkpoint-refit.npz"]
    found = run(asked, Context())
    assert found.fit.info["fit"].startswith("converged")
    same(found.topology, run(spec(data), Context()).topology)


def test_stop_keeps_the_best_so_far(data, tmp_path):
    found = run(spec(data, out=str(tmp_path)), Stops(1, "request_stop"))
    assert found.fit.stopped
    assert found.fit.info["fit"] == "stopped after 1 iterations"
    assert found.held_out["force"][1] < found.held_out["force"][0]
    assert (tmp_path / "record.npz").exists()


def test_two_runs_are_the_same(data):
    asked = spec(data, profiles=(profile("hydroxyl", HYDROXYL, stronger(START, 3.0)),))
    same(run(asked, Context()).topology, run(asked, Context()).topology)


def test_a_cause_is_named_where_a_profile_cannot_be_met():
    """An angle term that only the reference has: no torsion can make it."""
    x = scan(HYDROXYL)
    jagged = energy(START, x) + 0.2 * (np.arange(24) % 2)
    found = run(spec(profiles=(Profile("jagged", x, jagged),), around=((1, 2),)), Context())
    assert "what is left is most like the" in found.profiles[0].cause


def bad_charges() -> Topology:
    return dataclasses.replace(START, charges=START.charges + 0.01)


X = scan(HYDROXYL)
E = energy(START, X)
FEW = np.where(np.arange(24) < 3, E, np.nan)
EVERY = tuple(Flag("torsion", r, frozen=True) for r in range(len(START.torsion)))
P = (Profile("p", X, E),)
LOW = (Flag("torsion", 0, low={"k": 1.0}),)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "nothing to fit to: choose a data set or a profile"),
        ({"profiles": (Profile("p", X, FEW),)}, "p: 3 of 24 points have an energy"),
        ({"profiles": (Profile("p", X[:, :8], E),)}, "no profile of a molecule of 9 atoms"),
        ({"profiles": P * 2}, "two profiles have the same name"),
        ({"profiles": P, "profile_weight": 0.0}, "neither frames nor profiles"),
        ({"profiles": P, "profile_weight": -1.0}, "weights .* must be 0 or more"),
        ({"profiles": P, "around": ((0, 2),)}, "C1-O3 is no bond of the molecule"),
        ({"profiles": P, "around": ((2, 8),)}, "no torsion term turns about the bond O3-H9"),
        ({"profiles": P, "around": ((1, 2),), "flags": EVERY}, "frozen: free at least one"),
        ({"profiles": P, "around": ((1, 2),), "flags": LOW}, "outside its bounds"),
        ({"profiles": P, "topology": bad_charges()}, r"charges add up to \+0.0900 e"),
        ({"profiles": P, "hyper": {"fit_terms": "none"}}, "must be one of"),
    ],
)
def test_bad_input_is_one_clear_sentence_and_writes_nothing(tmp_path, changes, words):
    with pytest.raises((RefitError, ForceFieldError), match=words):
        run(spec(out=str(tmp_path / "out"), **changes), Context())
    assert not (tmp_path / "out" / "record.npz").exists()


def test_a_data_set_of_other_atoms_or_without_labels_is_refused(data, tmp_path):
    whole = storage.load(data, Dataset)
    order = [2, 1, 0, 3, 4, 5, 6, 7, 8]
    numbers = ETHANOL.numbers[order]
    turned = dataclasses.replace(ETHANOL, numbers=numbers, positions=ETHANOL.positions[order],
                                 bonds=np.zeros((0, 2), dtype=int), orders=np.zeros(0))  # fmt: skip
    methanol = dataclasses.replace(ETHANOL, numbers=np.array([6, 6, 9, 1, 1, 1, 1, 1, 1]))
    for name, other, words in (
        ("turned", turned, "another atom order: atom 1 is O there and C here"),
        ("other", methanol, "is for C2H6F, not for C2H6O"),
    ):
        path = tmp_path / f"{name}.npz"
        storage.save(path, dataclasses.replace(whole, molecule=other))
        with pytest.raises(ForceFieldError, match=words):
            run(spec(str(path)), Context())
    bare = tmp_path / "bare.npz"
    storage.save(bare, dataclasses.replace(whole, energies=None, forces=None))
    frames = np.arange(10)
    none = np.zeros(0, dtype=int)
    with pytest.raises(RefitError, match="no training frame"):
        run(spec(str(bare), split=Split(frames, none, none)), Context())
