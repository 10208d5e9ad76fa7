import dataclasses
import time

import numpy as np
import pytest
import torch

from core import storage
from core.analyses.errors import Errors, ErrorsSpec, evaluate, run
from core.dataset import Dataset
from core.engine.context import Cancelled, Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.info import Info
from tests.molecules import ETHANOL, ethanol_frames

M = 150


class Spring(ForceField):
    """E = |r|²/2 + 3, so that every error is known; fails beyond a chosen first coordinate."""

    INFO = Info(key="spring", label="Spring", family="MM", batched=True)
    limit, calls = np.inf, 0

    def compute(self, positions):
        self.calls += 1
        energy = positions.square().sum((1, 2)) / 2 + 3.0
        energy[positions[:, 0, 0] > self.limit] = torch.nan
        return energy, -positions


@pytest.fixture
def data() -> Dataset:
    r = ethanol_frames(M)
    rng = np.random.default_rng(0)
    energies = np.square(r).sum((1, 2)) / 2 + rng.normal(0, 0.1, M)
    return Dataset("e", ETHANOL, r, energies, -r + rng.normal(0, 0.2, r.shape))


def errors(data, field=None, frames=None, **options):
    field = field or Spring(ETHANOL)
    frames = np.arange(len(data)) if frames is None else frames
    return evaluate(field, data, frames, Context(), label="s", **options)


def test_errors_are_those_of_the_noise(data):
    found = errors(data)
    noise = np.square(data.positions).sum((1, 2)) / 2 - data.energies
    noise = noise - noise.mean()
    df = np.abs(-data.positions - data.forces)
    assert found.energy_shift == pytest.approx(
        np.mean(data.energies - np.square(data.positions).sum((1, 2)) / 2) - 3.0
    )
    assert found.energy_mae == pytest.approx(np.abs(noise).mean())
    assert found.energy_rmse == pytest.approx(np.sqrt((noise**2).mean()))
    assert found.force_mae == pytest.approx(df.mean())
    assert found.force_rmse == pytest.approx(np.sqrt((df**2).mean()))
    np.testing.assert_allclose(found.frame_force_mae, df.mean((1, 2)))
    np.testing.assert_allclose(np.sort(found.force_errors), np.sort(df.reshape(-1)))
    assert found.forces.shape == found.predicted_forces.shape == (M * 27,)
    assert np.abs(found.predicted_forces - found.forces).mean() == pytest.approx(df.mean())
    assert found.predict_bulk_ms > 0
    assert found.predict_single_ms > 0


def test_absolute_energies_are_not_shifted(data):
    field = Spring(ETHANOL)
    field.INFO = dataclasses.replace(Spring.INFO, absolute_energy=True)
    found = errors(data, field)
    assert found.energy_shift == 0.0
    assert found.energy_mae == pytest.approx(3.0, abs=0.1)


def test_only_labels_that_are_there_count(data):
    energies, forces = data.energies.copy(), data.forces.copy()
    energies[:10] = np.nan
    forces[5:20, 0, 0] = np.nan
    found = errors(dataclasses.replace(data, energies=energies, forces=forces))
    assert (found.n_energies, found.n_forces) == (M - 10, M - 15)
    assert np.isfinite([found.energy_mae, found.force_mae]).all()
    assert np.flatnonzero(np.isnan(found.frame_force_mae)).tolist() == list(range(5, 20))
    bare = errors(dataclasses.replace(data, energies=None, forces=None))
    assert np.isnan([bare.energy_mae, bare.force_rmse, bare.energy_shift]).tolist() == [
        True, True, False,
    ]  # fmt: skip
    assert "neither" in bare.notes["labels"]


def test_a_failing_geometry_is_named_and_left_out(data):
    field = Spring(ETHANOL)
    field.limit = np.sort(data.positions[:, 0, 0])[-3]
    bad = np.flatnonzero(data.positions[:, 0, 0] > field.limit)
    found = errors(data, field)
    assert found.n_energies == M - 2
    assert f"2 of {M} frames failed" in found.notes["failed"]
    assert f"frame {bad[0] + 1}" in found.notes["failed"]
    field.limit = -np.inf
    with pytest.raises(ForceFieldError, match="failed on every frame"):
        errors(data, field)


def test_batches_are_sized_by_the_clock_and_timed_apart_from_the_first(data):
    class Slow(Spring):
        def compute(self, positions):
            time.sleep(0.2 if self.calls == 0 else 1e-4 * len(positions))
            return super().compute(positions)

    field = Slow(ETHANOL)
    found = errors(data, field, timing=True)
    assert 0.1 <= found.predict_bulk_ms < 1.0  # 0.1 ms each, without the first call's 200 ms
    assert found.predict_single_ms < 2.0
    assert np.isnan(errors(data, timing=False).predict_single_ms)


def test_run_opens_saves_and_takes_frames(data, tmp_path):
    storage.save(tmp_path / "data.npz", data)
    spec = ErrorsSpec(FieldRef("mmff94"), str(tmp_path / "data.npz"), frames=np.arange(3, 9),
                      out=str(tmp_path / "out"))  # fmt: skip
    (tmp_path / "out").mkdir()
    found = run(spec, Context())
    assert (found.label, found.n_forces) == ("MMFF94", 6)
    assert storage.load(tmp_path / "out" / "record.npz", Errors).force_mae == found.force_mae
    with pytest.raises(ValueError, match="frame 151"):
        run(dataclasses.replace(spec, frames=np.array([150])), Context())


def test_cancel_is_heard(data):
    context = Context()
    context.request_cancel()
    with pytest.raises(Cancelled):
        evaluate(Spring(ETHANOL), data, np.arange(M), context, label="s")


def test_errors_by_element_and_by_frame(data):
    """Forces wrong by 0.5 eV/Å on the oxygen alone, energies by 1 eV in one frame."""
    o = int(np.flatnonzero(ETHANOL.numbers == 8)[0])
    clean = dataclasses.replace(data, forces=-data.positions)
    forces = clean.forces.copy()
    forces[:, o, 1] += 0.5
    energies = np.square(data.positions).sum((1, 2)) / 2 + 3.0
    energies[7] -= 1.0
    wrong = dataclasses.replace(data, forces=forces, energies=energies)
    frames = np.arange(5, 25)
    spring = Spring(ETHANOL)
    spring.INFO = dataclasses.replace(spring.INFO, absolute_energy=True)
    found = evaluate(spring, wrong, frames, Context(), label="s", timing=False)
    assert set(found.element_force) == {"H", "C", "O"}
    assert found.element_force["O"] == pytest.approx((0.5 / 3, 0.5 / 3**0.5))
    assert found.element_force["H"] == (0.0, 0.0)
    np.testing.assert_array_equal(found.frames, frames)
    assert found.frame_energy_error[2] == pytest.approx(1.0)
    assert np.abs(np.delete(found.frame_energy_error, 2)).max() < 1e-12


class Unsure(Spring):
    """Knows how far it is off: its sigma is a tenth of |r|²."""

    def sigma(self, positions):
        return 0.1 * np.square(positions).sum((1, 2))


def test_a_field_that_knows_its_uncertainty_is_asked_for_it(data):
    r2 = np.square(data.positions).sum((1, 2))
    assert data.forces is not None
    wrong = dataclasses.replace(data, energies=r2 / 2 + 3.0 + 0.01 * r2)  # off by more where larger
    unsure = Unsure(ETHANOL)
    unsure.INFO = dataclasses.replace(unsure.INFO, absolute_energy=True)
    found = evaluate(unsure, wrong, np.arange(20), Context(), label="s", timing=False)
    np.testing.assert_allclose(found.frame_sigma, 0.1 * r2[:20])
    mean, rank = found.uncertainty
    assert mean == pytest.approx(0.1 * r2[:20].mean())
    assert rank == pytest.approx(1.0)
    assert found.sigma_figures["rank"] == rank
    assert found.sigma_figures["mean"] == mean
    assert errors(data, timing=False).sigma_figures == {}
    assert len(errors(data, timing=False).frame_sigma) == 0
    assert np.isnan(errors(data, timing=False).uncertainty).all()
