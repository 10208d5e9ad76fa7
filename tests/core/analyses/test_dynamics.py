import dataclasses

import numpy as np
import pytest
import torch

import core.forcefields.load as load
from core import storage
from core.analyses.dynamics import DynamicsSpec, Trajectory, run
from core.engine.context import Cancelled, Context
from core.fieldref import FieldRef
from tests.core.motion import toys


def spec_of(molecule, **more):
    settings = {"dt": 0.5, "time": 100.0, "stride": 10, "replicas": 3, "seed": 2}
    return DynamicsSpec(molecule, FieldRef("mmff94"), **(settings | more))


def toy(monkeypatch, field):
    monkeypatch.setattr(load, "make", lambda ref, molecule, device="cpu": field)


@pytest.fixture(scope="module")
def ethanol():
    return toys.build("CCO", relaxed=True)


@pytest.mark.parametrize("ensemble", ["langevin", "nve"])
def test_frames_fit_each_other(ethanol, ensemble):
    events = []
    context = Context(lambda kind, fraction, payload: events.append((kind, payload)))
    t = run(spec_of(ethanol, ensemble=ensemble), context)
    assert t.step.tolist() == list(range(0, 201, 10))
    assert t.time[-1] == pytest.approx(100.0)
    assert t.positions.shape == t.velocities.shape == (21, 3, 9, 3)
    assert (t.positions[0] == ethanol.positions).all()
    field = load.make(FieldRef("mmff94"), ethanol)
    again = field.predict(t.positions[:, 1])
    assert t.potential[:, 1] == pytest.approx(again.energy, abs=1e-9)
    assert (t.ended == -1).all()
    assert t.stable_ps == pytest.approx(0.1)
    assert t.steps_per_second > 0
    frames = [p for kind, p in events if kind == "frame"]
    assert frames
    assert frames[-1]["positions"].shape == (3, 9, 3)
    if ensemble == "nve":
        total = t.potential + t.kinetic
        assert np.ptp(total, axis=0).max() < 0.03
        assert np.ptp(t.potential, axis=0).min() > 0.1


def test_resume_goes_on_bit_for_bit(ethanol, tmp_path):
    whole = run(spec_of(ethanol), Context())
    half = spec_of(ethanol, time=50.0, out=str(tmp_path))
    run(half, Context())
    file = tmp_path / "checkpoint.npz"
    rest = run(spec_of(ethanol, resume=str(file)), Context())
    for name in ("step", "positions", "velocities", "potential", "kinetic"):
        assert np.array_equal(getattr(rest, name), getattr(whole, name)), name
    saved = storage.load(tmp_path / "record.npz", Trajectory)
    assert np.array_equal(saved.positions, whole.positions[:11])


def test_resume_after_a_kill_in_the_middle_and_with_a_replica_lost(monkeypatch, tmp_path):
    molecule = toys.triangle()
    toy(monkeypatch, toys.Cliff(molecule))
    settings = {"temperature": 300.0, "time": 60.0, "replicas": 6, "max_stretch": 1.3}
    whole = run(spec_of(molecule, **settings), Context())
    assert 0 < (whole.ended >= 0).sum() < 6
    # the kill: an exception at 40 fs, the last checkpoint is what there is
    context = Context()

    def emit(kind, fraction, payload):
        if kind == "frame" and payload["step"] >= 80:
            context.request_cancel()

    context._emit = emit
    monkeypatch.setattr("core.motion.trajectory.PACE", 0.0)
    out = {"out": str(tmp_path), "checkpoint_seconds": 1e-9}
    with pytest.raises(Cancelled):
        run(spec_of(molecule, **settings, **out), context)
    resume = str(tmp_path / "checkpoint.npz")
    rest = run(spec_of(molecule, **settings, resume=resume), Context())
    assert np.array_equal(rest.ended, whole.ended)
    assert rest.reasons == whole.reasons
    assert np.array_equal(rest.positions, whole.positions)
    assert np.array_equal(rest.unphysical, whole.unphysical)


def test_an_unphysical_replica_ends_with_its_reason_and_frame(monkeypatch):
    molecule = toys.triangle()
    toy(monkeypatch, toys.Cliff(molecule))
    t = run(spec_of(molecule, time=60.0, replicas=6, max_stretch=1.3), Context())
    gone = np.flatnonzero(t.ended >= 0)
    assert 0 < len(gone) < 6
    assert len(t.reasons) == len(t.unphysical) == len(gone)
    assert np.isfinite(t.unphysical).all()
    first = t.reasons[0]
    assert "x its starting length at" in first or "eV from its start" in first or "K at" in first
    assert first.startswith("replica ")
    d = np.linalg.norm(t.unphysical[:, 0] - t.unphysical[:, 1], axis=-1)
    assert (d > 1.05 * 1.3).all()
    for r in gone:
        after = t.step > t.ended[r]
        assert np.isnan(t.potential[after, r]).all()
        assert np.isfinite(t.positions[:, r]).all()
    others = [r for r in range(6) if r not in gone]
    assert np.isfinite(t.potential[:, others]).all()
    assert t.stable_ps == pytest.approx(t.ended[gone].min() * 0.5e-3)


def test_a_field_that_fails_ends_only_the_replica_it_failed_for(monkeypatch):
    molecule = toys.triangle()

    def refuses(x):
        return (x[:, 0] - x[:, 1]).norm(dim=-1) > 1.34

    toy(monkeypatch, toys.Moody(toys.Springs(molecule), refuses))
    t = run(spec_of(molecule, replicas=6, time=40.0), Context())
    assert (t.ended >= 0).any()
    assert all("no finite energy" in why for why in t.reasons)
    assert np.isfinite(t.unphysical).all()


def test_time_step_is_judged_before_the_first_step(ethanol):
    with pytest.raises(ValueError, match=r"5 fs is too long.*use at most 1\.1"):
        run(spec_of(ethanol, dt=5.0), Context())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ensemble": "npt"}, "langevin or nve"),
        ({"dt": 0.0}, "dt must be above 0"),
        ({"time": float("nan")}, "time must be above 0"),
        ({"temperature": -1.0}, "cannot be"),
        ({"replicas": 0}, "between 1 and"),
        ({"stride": 0}, "at least 1"),
        ({"time": 1e9}, "keep a frame every"),
        ({"friction": 0.0}, "friction"),
        ({"max_stretch": 1.0}, "max_stretch must be above 1"),
        ({"max_energy": float("nan")}, "max_energy must be above 0"),
        ({"max_temperature": -1.0}, "max_temperature cannot be"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_what_could(ethanol, change, text):
    with pytest.raises(ValueError, match=text):
        run(spec_of(ethanol, **change), Context())


def test_a_checkpoint_of_another_run_is_refused(ethanol, tmp_path):
    run(spec_of(ethanol, time=20.0, out=str(tmp_path)), Context())
    file = str(tmp_path / "checkpoint.npz")
    with pytest.raises(ValueError, match="with seed 2"):
        run(spec_of(ethanol, seed=3, resume=file), Context())
    with pytest.raises(ValueError, match="another molecule"):
        run(spec_of(toys.build("CC"), resume=file), Context())
    with pytest.raises(ValueError, match="not a checkpoint"):
        run(spec_of(ethanol, resume=str(tmp_path / "record.npz")), Context())
    with pytest.raises(ValueError, match="already run"):
        run(spec_of(ethanol, time=5.0, resume=file), Context())


def test_stop_keeps_what_is_there_and_cancel_throws(ethanol, monkeypatch, tmp_path):
    monkeypatch.setattr("core.motion.trajectory.PACE", 0.0)
    context = Context()

    def emit(kind, fraction, payload):
        if kind == "frame" and payload["step"] >= 50:
            context.request_stop()

    context._emit = emit
    t = run(spec_of(ethanol, time=1e4, out=str(tmp_path)), context)
    assert 5 < len(t.step) < 20
    assert np.isfinite(t.positions).all()
    whole = spec_of(ethanol, time=100.0, resume=str(tmp_path / "checkpoint.npz"))
    straight = dataclasses.replace(whole, resume="")
    assert np.array_equal(run(whole, Context()).positions, run(straight, Context()).positions)
    context = Context()
    context.request_cancel()
    with pytest.raises(Cancelled):
        run(spec_of(ethanol), context)


def test_threads_are_given_back(ethanol):
    before = torch.get_num_threads()
    run(spec_of(ethanol, time=5.0), Context())
    assert torch.get_num_threads() == before
