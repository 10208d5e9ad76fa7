"""Integrators against statistical mechanics and mechanics."""

import numpy as np
import pytest
import torch

from core.fieldref import FieldRef
from core.fitting.cores import cores
from core.forcefields.load import make
from core.motion.evaluate import Evaluator
from core.motion.hessians import own_hessian
from core.motion.integrators import State
from core.motion.langevin import Langevin
from core.motion.nve import VelocityVerlet
from core.motion.thermal import (
    freedom,
    kinetic,
    masses,
    maxwell_boltzmann,
    temperature,
    without_rotation,
)
from core.motion.timestep import fastest_period, verdict
from core.units import ACCELERATION, KB
from tests.core.motion import toys

T = 300.0


@pytest.fixture(autouse=True)
def _one_core():
    with cores(1):
        yield


def start(field, replicas, *, seed=1, kelvin=T):
    mass = masses(field.molecule.numbers)
    generator = torch.Generator().manual_seed(seed)
    v = maxwell_boltzmann(mass, kelvin, replicas, generator)
    x = torch.tensor(field.molecule.positions).expand(replicas, -1, -1)
    return mass, generator, State.at(x, v, mass, field.compute)


def drift(field, dt, fs):
    """Largest deviation of the total energy over a run, eV."""
    mass, _, state = start(field, 4)
    step = VelocityVerlet(mass, dt)
    first = state.energy + kinetic(state.v, mass)
    worst = torch.zeros(4, dtype=torch.float64)
    for _ in range(round(fs / dt)):
        step.run(state, 1, field.compute, None)
        worst = torch.maximum(worst, (state.energy + kinetic(state.v, mass) - first).abs())
    return worst


def test_energy_error_of_velocity_verlet_falls_as_dt_squared():
    field = toys.Springs(toys.triangle())
    order = torch.log2(drift(field, 0.5, 150.0) / drift(field, 0.25, 150.0))
    assert order.mean() == pytest.approx(2.0, abs=0.15)


def test_energy_does_not_drift_with_a_real_force_field():
    m = toys.build("CCO")
    field = make(FieldRef("mmff94"), m)
    mass, _, state = start(field, 8)
    step = VelocityVerlet(mass, 0.25)
    total = []
    for _ in range(100):
        step.run(state, 10, field.compute, None)
        total.append(state.energy + kinetic(state.v, mass))
    total = torch.stack(total)
    slope = (total[50:].mean(0) - total[:50].mean(0)).abs().max()
    assert slope < 0.002  # eV in 125 fs, against a kinetic energy of 0.35 eV


def test_velocity_verlet_runs_back_to_where_it_came_from():
    field = toys.Springs(toys.triangle())
    mass, _, state = start(field, 3)
    x, v = state.x.clone(), state.v.clone()
    step = VelocityVerlet(mass, 0.5)
    step.run(state, 400, field.compute, None)
    assert (state.x - x).abs().max() > 0.05
    state.v.neg_()
    step.run(state, 400, field.compute, None)
    assert (state.x - x).abs().max() < 1e-9
    assert (state.v + v).abs().max() < 1e-10


def test_start_velocities_have_the_temperature_and_no_drift():
    m = toys.build("CCO")
    mass = masses(m.numbers)
    v = maxwell_boltzmann(mass, T, 20_000, torch.Generator().manual_seed(5))
    assert (mass[:, None] * v).sum(1).abs().max() < 1e-12
    kelvin = temperature(kinetic(v, mass), len(mass))
    dof = freedom(len(mass))
    sigma = T * (2 / dof) ** 0.5  # of one replica: a chi-square distribution
    assert kelvin.mean() == pytest.approx(T, abs=4 * sigma / 20_000**0.5)
    assert kelvin.std() == pytest.approx(sigma, rel=0.03)
    x = torch.tensor(m.positions).expand(50, -1, -1)
    still = without_rotation(v[:50], x, mass)
    centre = (mass[:, None] * x).sum(1, keepdim=True) / mass.sum()
    assert torch.cross(x - centre, mass[:, None] * still, dim=-1).sum(1).abs().max() < 1e-10


def test_langevin_samples_the_boltzmann_distribution_of_oscillators():
    # wells for three atoms whose centre of mass is held: six oscillators of known variance
    field = toys.Wells(toys.triangle(), k=5.0)
    mass, generator, state = start(field, 512)
    dt = 1.0
    step = Langevin(mass, dt, temperature=T, friction=0.05)
    configurational, kinetic_t, spread = [], [], []
    for block in range(60):
        step.run(state, 20, field.compute, step.draw(20, 512, generator))
        if block >= 10:
            configurational.append(2 * state.energy / (KB * 6))
            kinetic_t.append(temperature(kinetic(state.v, mass), 3))
            spread.append((state.x - field.centres).flatten(1))
    samples = 50 * 512
    error = 4 * T * (2 / 6) ** 0.5 / samples**0.5 * 1.5  # neighbouring samples are correlated
    # BAOAB has no error in the positions of harmonic oscillators, at any time step
    assert torch.stack(configurational).mean() == pytest.approx(T, abs=error)
    # in the velocities it has one of second order: 1 - (omega dt)²/4, here below 1 %
    bias = T * field.k * ACCELERATION / float(mass.min()) * dt**2 / 4
    assert torch.stack(kinetic_t).mean() == pytest.approx(T, abs=error + bias)
    x = torch.cat(spread)
    # covariance kT/k (1 - m m^T / m.m): the part of space with sum m x = 0
    unit = mass / mass.norm()
    want = KB * T / field.k * (torch.eye(3, dtype=torch.float64) - unit[:, None] * unit[None, :])
    got = torch.cov(x.reshape(-1, 3, 3)[:, :, 0].T)
    assert (got - want).abs().max() < 0.05 * KB * T / field.k
    z = x[:, 0] / x[:, 0].std()
    assert (z**4).mean() == pytest.approx(3.0, abs=0.15)  # Gaussian
    drifted = (mass[:, None] * (state.x - field.centres)).sum(1)
    assert drifted.abs().max() < 1e-9


def test_equipartition_over_light_and_heavy_atoms():
    m = toys.build("CCO")
    field = toys.Springs(m, k=10.0)
    mass, generator, state = start(field, 256)
    step = Langevin(mass, 0.5, temperature=T, friction=0.05)
    each = []
    for block in range(60):
        step.run(state, 20, field.compute, step.draw(20, 256, generator))
        if block >= 15:
            each.append(state.v.square().sum(-1) * mass / ACCELERATION / (3 * KB))
    # with the centre of mass held an atom has 1 - m/M of its share
    got = torch.stack(each).mean((0, 1)) / (1 - mass / mass.sum())
    assert got.numpy() == pytest.approx(np.full(9, T), rel=0.04)


def test_a_seed_gives_the_same_trajectory_and_another_does_not():
    field = toys.Springs(toys.triangle())
    ends = []
    for seed in (3, 3, 4):
        mass, generator, state = start(field, 2, seed=seed)
        step = Langevin(mass, 0.5, temperature=T, friction=0.01)
        step.run(state, 50, field.compute, step.draw(50, 2, generator))
        ends.append(state.x)
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_fastest_vibration_against_the_hessian_and_the_verdict():
    m = toys.build("CCO", relaxed=True)
    field = make(FieldRef("mmff94"), m)
    x = torch.tensor(m.positions)
    h = own_hessian(Evaluator(field), x)
    root = (masses(m.numbers) / ACCELERATION).sqrt().repeat_interleave(3)
    top = torch.linalg.eigvalsh(h / root[:, None] / root[None, :])[-1]
    exact = 2 * np.pi / float(top) ** 0.5
    period = fastest_period(Evaluator(field), x, masses(m.numbers))
    assert period == pytest.approx(exact, rel=0.01)
    assert period == pytest.approx(9.1, abs=0.2)  # an O-H stretch, 3670 1/cm
    assert verdict(period, 0.5) == (True, "")
    may, text = verdict(period, 1.0)
    assert may
    assert "0.75 fs or less is safe" in text
    may, text = verdict(period, 5.0)
    assert not may
    assert "5 fs is too long" in text
    assert "1.11 fs" in text
