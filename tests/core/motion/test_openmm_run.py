"""Runs whose steps OpenMM takes, held to our own integrators and to statistical mechanics."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

import core.forcefields.load as load
from core import storage
from core.analyses.dynamics import OPENMM, DynamicsSpec, Trajectory, run
from core.engine.context import Cancelled, Context
from core.fieldref import FieldRef
from core.forcefields.gaff import parametrise
from core.forcefields.gaff_morse import GAFFMorse
from core.mm.export.subject import POSSIBLE
from core.motion.thermal import freedom
from core.units import KB, KCAL_MOL
from tests.core.mm.export.neural import random_field
from tests.core.motion import toys
from tests.molecules import ETHANOL
from tests.tolerances import MM_EXPORT


@pytest.fixture(scope="module")
def openmm():
    return pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")


@pytest.fixture(scope="module")
def ethanol():
    return toys.build("CCO", relaxed=True)


def spec_of(molecule, *, key="gaff", **more) -> DynamicsSpec:
    settings = {"dt": 0.5, "time": 100.0, "stride": 10, "replicas": 2, "seed": 2}
    return DynamicsSpec(molecule, FieldRef(key), engine="openmm", **(settings | more))


def morse(molecule):
    molecule, topology = parametrise(molecule, GAFFMorse.Hyper())
    return GAFFMorse(molecule, topology=topology)


@pytest.mark.parametrize("kind", ["gaff", "gaff-morse", "gaff-nn"])
def test_energies_along_the_trajectory_are_ours(kind, ethanol, openmm, monkeypatch):
    makers = {"gaff-morse": morse, "gaff-nn": lambda m: random_field(m, units=(4,))}
    field = makers[kind](ethanol) if kind in makers else load.make(FieldRef(kind), ethanol)
    monkeypatch.setattr(load, "make", lambda ref, molecule, device="cpu": field)
    bounds = {"max_stretch": 3.0, "max_energy": 1e3, "max_temperature": 1e5}
    events = []
    context = Context(lambda kind, fraction, payload: events.append((kind, payload)))
    t = run(spec_of(ethanol, key=kind, dt=0.25, **bounds), context)
    assert t.step.tolist() == list(range(0, 401, 10))
    assert t.positions.shape == t.velocities.shape == (41, 2, 9, 3)
    assert np.abs(t.positions[:, 0] - t.positions[:, 1]).max() > 0.05
    for replica in range(2):
        ours = field.predict(t.positions[:, replica]).energy
        assert np.abs(ours - t.potential[:, replica]).max() / KCAL_MOL < MM_EXPORT
    mass = openmm_masses(t)
    centre = np.einsum("a,srax->srx", mass, t.positions) / mass.sum()
    assert np.abs(centre - centre[0, 0]).max() < 1e-9
    assert np.abs(np.einsum("a,srax->srx", mass, t.velocities)).max() < 1e-9
    assert t.steps_per_second > 0
    assert [p for kind, p in events if kind == "frame"][-1]["positions"].shape == (2, 9, 3)


def openmm_masses(t: Trajectory) -> np.ndarray:
    from core.elements import MASSES

    return np.asarray(MASSES)[t.molecule.numbers]


def test_constant_energy_is_our_own_trajectory(ethanol, openmm):
    """The same velocity Verlet: positions stay together as long as chaos lets them."""
    ours = run(
        DynamicsSpec(ethanol, FieldRef("gaff"), ensemble="nve", time=50.0, seed=2), Context()
    )
    theirs = run(spec_of(ethanol, ensemble="nve", time=50.0, replicas=1), Context())
    assert np.abs(theirs.positions - ours.positions).max() < 1e-6  # Å; float64, 100 steps
    assert np.abs(theirs.velocities - ours.velocities).max() < 1e-7  # Å/fs
    assert np.abs(theirs.kinetic - ours.kinetic).max() < 1e-6  # eV


def test_constant_energy_does_not_drift(ethanol, openmm):
    t = run(spec_of(ethanol, ensemble="nve", dt=0.25, time=10_000.0, stride=40), Context())
    total = t.potential + t.kinetic
    half = len(total) // 2
    drift = np.abs(total[half:].mean(0) - total[:half].mean(0)).max()
    assert drift < 1e-4  # eV in 5 ps, against a kinetic energy of 0.3 eV
    assert np.ptp(total, axis=0).max() < 0.01
    assert np.ptp(t.potential, axis=0).min() > 0.1


def test_langevin_has_its_temperature(ethanol, openmm):
    kelvin, gamma = 300.0, 0.05
    t = run(spec_of(ethanol, time=100_000.0, friction=gamma, stride=100, replicas=2), Context())
    late = t.temperature[len(t.step) // 10 :]
    dof = freedom(9)
    samples = late.size  # kinetic energy forgets within 1/(2 gamma), less than between two frames
    error = 4 * kelvin * (2 / dof) ** 0.5 / samples**0.5
    # BAOAB's kinetic energy is low by (omega dt/2)² in each mode: 2 % at most for X-H at 0.5 fs
    assert -0.02 * kelvin - error < late.mean() - kelvin < error
    assert late.std() == pytest.approx(kelvin * (2 / dof) ** 0.5, rel=0.15)
    assert KB * dof / 2 * late.mean() == pytest.approx(t.kinetic[len(t.step) // 10 :].mean())


def test_resume_goes_on(ethanol, openmm, tmp_path):
    """Without random numbers it is the same run; with them it starts from the same frame."""
    for ensemble in ("nve", "langevin"):
        whole = run(spec_of(ethanol, ensemble=ensemble, time=40.0), Context())
        out = tmp_path / ensemble
        run(spec_of(ethanol, ensemble=ensemble, time=20.0, out=str(out)), Context())
        file = str(out / "checkpoint.npz")
        rest = run(spec_of(ethanol, ensemble=ensemble, time=40.0, resume=file), Context())
        assert np.array_equal(rest.step, whole.step)
        assert np.array_equal(rest.positions[:5], whole.positions[:5])
        assert np.array_equal(rest.potential[:5], whole.potential[:5])
        if ensemble == "nve":
            assert np.abs(rest.positions - whole.positions).max() < 1e-9
        again = run(spec_of(ethanol, ensemble=ensemble, time=40.0, resume=file), Context())
        assert np.array_equal(again.positions, rest.positions)
        saved = storage.load(out / "record.npz", Trajectory)
        assert np.array_equal(saved.positions, whole.positions[:5])
    plain = spec_of(ethanol, time=40.0, resume=str(tmp_path / "langevin" / "checkpoint.npz"))
    with pytest.raises(ValueError, match="with engine openmm, not pescape"):
        run(dataclasses.replace(plain, engine="pescape"), Context())


def test_stop_keeps_what_is_there_and_cancel_throws(ethanol, openmm, monkeypatch, tmp_path):
    monkeypatch.setattr("core.motion.trajectory.PACE", 0.0)

    def at(step: int, ask) -> Context:
        context = Context()

        def emit(kind, fraction, payload):
            if kind == "frame" and payload["step"] >= step:
                ask(context)

        context._emit = emit
        return context

    t = run(spec_of(ethanol, time=1e5, out=str(tmp_path)), at(50, Context.request_stop))
    assert 5 < len(t.step) < 20
    assert np.isfinite(t.positions).all()
    assert (tmp_path / "checkpoint.npz").exists()
    with pytest.raises(Cancelled):
        run(spec_of(ethanol, time=1e5), at(50, Context.request_cancel))


def test_a_hot_replica_ends_with_its_reason_and_the_others_go_on(ethanol, openmm):
    t = run(
        spec_of(ethanol, temperature=900.0, replicas=6, time=200.0, max_stretch=1.12), Context()
    )
    gone = np.flatnonzero(t.ended >= 0)
    assert len(gone) > 0
    assert len(t.reasons) == len(t.unphysical) == len(gone)
    assert np.isfinite(t.positions).all()
    for r in gone:
        after = t.step > t.ended[r]
        assert np.isnan(t.potential[after, r]).all()
    assert t.stable_ps == pytest.approx(t.ended[gone].min() * 0.5e-3)


def test_what_cannot_be_run_is_said(ethanol, openmm):
    with pytest.raises(ValueError, match=r"OpenMM cannot run MMFF94.*Let PEScape run it"):
        run(spec_of(ethanol, key="mmff94"), Context())
    with pytest.raises(ValueError, match="up to 256"):
        run(spec_of(ethanol, replicas=300), Context())
    with pytest.raises(ValueError, match="too long"):
        run(spec_of(ethanol, dt=5.0), Context())
    with pytest.raises(ValueError, match="pescape or openmm, not by 'gromacs'"):
        run(DynamicsSpec(ethanol, FieldRef("gaff"), engine="gromacs"), Context())


def test_without_openmm_it_is_an_error_in_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(ValueError, match="pip install openmm"):
        run(spec_of(ETHANOL), Context())


def test_the_window_knows_the_same_force_fields_as_the_export():
    assert OPENMM == POSSIBLE
