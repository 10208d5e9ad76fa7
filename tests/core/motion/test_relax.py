import numpy as np
import pytest
import torch

from core.bonding import dihedrals, moving_atoms
from core.fieldref import FieldRef
from core.forcefields.base import DataForceField
from core.forcefields.info import Info
from core.forcefields.load import make
from core.geometry import measure, rotate_dihedral, wrap
from core.motion.evaluate import Evaluator
from core.motion.internals import build
from core.motion.relax import relax
from core.motion.scan import RelaxedScan, make_grid
from tests.core.motion import toys
from tests.tolerances import HELD_DIHEDRAL, RELAXED_AGAINST_ASE

FREE = np.zeros((0, 4), dtype=np.int64)


def scan_of(field, molecule, atoms, values, **more):
    grid = make_grid(atoms, values)
    settings = {"fmax": 0.005, "max_steps": 200} | more
    return grid, RelaxedScan(field, molecule, grid, **settings).run()


@pytest.mark.parametrize("smiles", ["CCO", "OCC=O"])
def test_scan_agrees_with_ase_fixinternals_bfgs(smiles):
    from ase.constraints import FixInternals
    from ase.optimize import BFGS

    from core.references.ase_bridge import to_ase

    m = toys.build(smiles)
    field = make(FieldRef("mmff94"), m)
    atoms = dihedrals(m)[0]
    values = np.radians([-150.0, -80.0, -20.0, 40.0, 100.0, 170.0])
    _, scan = scan_of(field, m, [atoms], [values], improve=False, fmax=0.0005)
    assert scan.converged.all()
    for i in (0, 3):
        start = rotate_dihedral(
            scan.positions[i], atoms, values[i : i + 1], moving_atoms(m, atoms)
        )[0]
        # from nearby but not from the answer: both must find the bottom of the same basin
        kicked = start + np.random.default_rng(3).normal(0, 0.03, start.shape)
        kicked = rotate_dihedral(kicked, atoms, values[i : i + 1], moving_atoms(m, atoms))[0]
        other = to_ase(m, field)
        other.set_positions(kicked)
        degrees = np.degrees(values[i]) % 360
        other.set_constraint(FixInternals(dihedrals_deg=[[degrees, list(atoms)]], epsilon=1e-9))
        BFGS(other, logfile=None).run(fmax=0.0005, steps=500)
        energy = other.get_potential_energy()
        assert scan.energy[i] == pytest.approx(energy, abs=RELAXED_AGAINST_ASE)


@pytest.mark.parametrize("smiles", ["CCO", "OCCO", "CC(=O)OC", "C#CC(O)C"])
def test_two_held_dihedrals_are_exact_and_few_evaluations_are_needed(smiles):
    m = toys.build(smiles)
    field = make(FieldRef("mmff94"), m)
    pair = dihedrals(m)[:2]
    values = np.linspace(-np.pi, np.pi, 9)
    grid, scan = scan_of(field, m, pair, [values, values], improve=False, fmax=0.01)
    assert scan.converged.all(), scan.reasons
    got = np.stack([measure(scan.positions, a) for a in pair], -1)
    assert np.abs(wrap(got - grid.targets)).max() < HELD_DIHEDRAL
    assert scan.residual.max() < 0.01
    assert scan.evaluations < 15 * len(grid.targets)
    # the edges of a full turn are one and the same angle
    e = scan.energy.reshape(9, 9)
    assert np.abs(e[0] - e[-1]).max() < 1e-4


def test_a_free_relaxation_ends_where_forces_vanish():
    m = toys.build("CC(=O)NC")
    field = make(FieldRef("uff"), m)
    x = torch.tensor(m.positions)[None]
    coords = build(m.numbers, m.positions, m.bonds, FREE)
    out = relax(Evaluator(field), coords, x, x.new_zeros((1, 0)), fmax=1e-4)
    assert out.converged[0]
    _, f = field.compute(out.positions)
    assert f.norm(dim=-1).max() < 1e-4


def test_what_stops_early_is_marked_and_not_given_out_as_done():
    m = toys.build("CCO")
    field = make(FieldRef("mmff94"), m)
    _, scan = scan_of(field, m, dihedrals(m)[:1], [np.array([0.3, 1.0])], max_steps=1, fmax=1e-6)
    assert not scan.converged.any()
    assert np.isnan(scan.energy).all()
    assert "not converged in 1 steps" in scan.reasons[0]


@pytest.mark.parametrize("raises", [True, False])
def test_failing_geometries_do_not_harm_the_others(raises):
    m = toys.build("CCO")
    inner = make(FieldRef("mmff94"), m)
    atoms = dihedrals(m)[0]

    def refuses(x):
        return np.abs(measure(x.numpy(), atoms)) < 0.4

    field = toys.Moody(inner, refuses, raises=raises)
    values = np.linspace(-np.pi, np.pi, 12, endpoint=False)
    _, scan = scan_of(field, m, [atoms], [values])
    _, fine = scan_of(inner, m, [atoms], [values])
    bad = np.abs(values) < 0.4
    assert (scan.converged == ~bad).all()
    assert scan.energy[~bad] == pytest.approx(fine.energy[~bad], abs=RELAXED_AGAINST_ASE)
    assert set(scan.reasons) == set(np.flatnonzero(bad))
    assert ("SCF not converged" if raises else "no finite energy") in scan.reasons[6]


def test_the_reason_that_a_program_gives_is_passed_on():
    class Program(DataForceField):
        INFO = Info("program", "Program", "toy")

        def evaluate(self, positions):
            self.reasons = {1: "SCF not converged"}
            return np.array([0.0, np.nan, 0.0]), np.zeros(positions.shape)

    m = toys.triangle()
    evaluate = Evaluator(Program(m))
    energy, _ = evaluate(torch.tensor(m.positions).expand(3, -1, -1))
    assert torch.isfinite(energy).tolist() == [True, False, True]
    assert evaluate.reasons == {1: "Program: SCF not converged"}


def test_a_failed_point_is_tried_again_from_its_neighbour():
    m = toys.build("CCO")
    inner = make(FieldRef("mmff94"), m)
    atoms = dihedrals(m)[0]
    calls = []

    def refuses(x):  # the first time this angle is seen, the program fails
        bad = np.abs(measure(x.numpy(), atoms)) < 0.2
        if bad.any():
            calls.append(1)
        return bad & (len(calls) < 2)

    values = np.linspace(-np.pi, np.pi, 12, endpoint=False)
    _, scan = scan_of(toys.Moody(inner, refuses, raises=False), m, [atoms], [values])
    assert scan.converged.all()
    assert not scan.reasons


def test_neighbours_remove_hysteresis():
    m = toys.build("OCCO")
    field = make(FieldRef("mmff94"), m)
    atoms = dihedrals(m)[:1]
    values = np.linspace(-np.pi, np.pi, 24, endpoint=False)
    _, once = scan_of(field, m, atoms, [values], improve=False)
    _, better = scan_of(field, m, atoms, [values], improve=True)
    gain = once.energy - better.energy
    assert gain.min() > -1e-4
    assert gain.max() > 0.05  # a hydroxyl that the first pass left on the wrong side
    assert better.evaluations < 2 * once.evaluations


def test_grid_neighbours_are_periodic_only_round_a_full_turn():
    full = make_grid([(0, 1, 2, 3)], [np.linspace(-np.pi, np.pi, 5)])
    # first and last row are the same angle: their neighbours are each other's
    assert full.neighbours.tolist() == [[3, 1], [0, 2], [1, 3], [2, 4], [3, 1]]
    half = make_grid([(0, 1, 2, 3)], [np.linspace(0, np.pi, 3)])
    assert half.neighbours.tolist() == [[-1, 1], [0, 2], [1, -1]]
    two = make_grid([(0, 1, 2, 3), (1, 2, 3, 4)], [np.array([0.0, 1.0])] * 2)
    assert two.targets.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert two.neighbours[1].tolist() == [-1, 3, 0, -1]
