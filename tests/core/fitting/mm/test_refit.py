"""Refit of terms: against data that known terms made, direct evaluation and derivatives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.mm.field import FitHyper, fit_terms
from core.fitting.mm.model import Model
from core.fitting.mm.options import KINDS, Options, RefitError
from core.fitting.mm.refit import _design, _problem, refit
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF
from core.forcefields.gaff_morse import GAFFMorse, start_depth
from core.mm.energy import tensors
from core.mm.forces import Forces
from core.mm.topology import Topology
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import REFIT_NORMAL_EQUATIONS, REFIT_RECOVERS

FRAMES = np.arange(40)


@pytest.fixture(scope="module")
def start() -> Topology:
    return GAFF(ETHANOL).topology


def moved(top: Topology, seed: int = 1) -> Topology:
    """Every bonded parameter and charge moved, like types alike."""
    rng = np.random.default_rng(seed)
    scale: dict[tuple, float] = {}

    def change(kind: str, name: str, column: np.ndarray, width: float) -> np.ndarray:
        term = getattr(top, kind)
        out = column.copy()
        for row, atoms in enumerate(term.atoms):
            names = tuple(top.types[a] for a in atoms)
            key = (kind, name, min(names, names[::-1]), *np.round(column[row : row + 1], 6))
            out[row] *= 1.0 + scale.setdefault(key, rng.normal(0.0, width))
        return out

    bond, angle, torsion = (getattr(top, k) for k in ("bond", "angle", "torsion"))
    p = [t.parameters for t in (bond, angle, torsion)]
    return dataclasses.replace(
        top,
        bond=dataclasses.replace(
            bond,
            parameters={
                "k": change("bond", "k", p[0]["k"], 0.2),
                "r0": change("bond", "r0", p[0]["r0"], 0.02),
            },
        ),
        angle=dataclasses.replace(
            angle,
            parameters={
                "k": change("angle", "k", p[1]["k"], 0.2),
                "theta0": change("angle", "theta0", p[1]["theta0"], 0.03),
            },
        ),
        torsion=dataclasses.replace(
            torsion, parameters={**p[2], "k": change("torsion", "k", p[2]["k"], 0.5)}
        ),
    )


def data(top: Topology, n: int = 60, seed: int = 3) -> Dataset:
    x = ethanol_frames(n, seed=seed)
    p = GAFF.from_topology(ETHANOL, top).predict(x)
    return Dataset("ethanol", ETHANOL, x, p.energy + 7.0, p.forces)


def rough(n: int = 60) -> Dataset:
    """Labels that no force field has: the fit must end at a compromise."""
    d = data(moved(GAFF(ETHANOL).topology), n)
    rng = np.random.default_rng(5)
    return dataclasses.replace(
        d,
        energies=d.energies + rng.normal(0.0, 0.03, n),
        forces=d.forces + rng.normal(0.0, 0.1, d.forces.shape),
    )


def errors(field: GAFF, d: Dataset, which: np.ndarray) -> tuple[float, float]:
    p = field.predict(d.positions[which])
    e = p.energy - d.energies[which]
    f = p.forces - d.forces[which]
    return float((e - e.mean()).std()), float(np.sqrt((f**2).mean()))


def test_terms_that_made_the_data_are_found_again(start):
    truth = moved(start)
    d = data(truth)
    bonded = ("bond", "angle", "torsion")
    found = refit(start, d, FRAMES, Options(kinds=bonded, orders=0, prior=1e-9), Context())
    energy, force = errors(GAFF.from_topology(ETHANOL, found.topology), d, np.arange(40, 60))
    assert energy < REFIT_RECOVERS
    assert force < 10 * REFIT_RECOVERS
    for name in ("k", "r0"):
        assert np.allclose(
            found.topology.bond.parameters[name], truth.bond.parameters[name], rtol=1e-3
        )
    assert found.converged


@pytest.mark.parametrize("tie", ["type", "symmetry"])
@pytest.mark.parametrize("morse", [False, True])
def test_normal_equations_tell_the_error_that_the_written_field_has(start, tie, morse):
    d = rough()
    depth = start_depth(start) if morse else None
    options = Options(tie=tie, orders=3)
    found = refit(start, d, FRAMES, options, Context(), valid=np.arange(40, 60), depth=depth)
    field: GAFF = GAFF.from_topology(ETHANOL, found.topology)
    if morse:
        field = GAFFMorse(ETHANOL, topology=found.topology, depth=found.depth)
    for name, which in (("train", FRAMES), ("valid", np.arange(40, 60))):
        energy, force = errors(field, d, which)
        assert found.errors[f"{name} energy"] == pytest.approx(energy, rel=REFIT_NORMAL_EQUATIONS)
        assert found.errors[f"{name} force"] == pytest.approx(force, rel=REFIT_NORMAL_EQUATIONS)


def test_gradient_is_that_of_the_objective_and_linear_part_is_at_its_minimum(start):
    d = rough()
    options = Options()
    x = torch.tensor(d.positions)
    model = Model(start, ETHANOL.numbers, x, options, start_depth(start))
    design = _design(model, Forces(tensors(start), 9), d, FRAMES, lambda f: None)
    problem = _problem(model, design, options)
    u = 0.3 * torch.randn(len(model.v0), generator=torch.manual_seed(2), dtype=torch.float64)
    gradient, _ = problem.normal(u)
    h = 1e-4
    for i in range(len(u)):
        step = torch.zeros_like(u)
        step[i] = h
        slope = (problem.objective(u + step) - problem.objective(u - step)) / (4 * h)
        assert float(gradient[i]) == pytest.approx(slope, rel=1e-5, abs=1e-4)
    at, _ = problem.normal(problem.linear(u))
    assert float(at[model.linear].abs().max()) < 1e-6 * float(gradient.abs().max())


def test_torsions_alone_are_ordinary_least_squares(start):
    """Amplitudes against a plain numpy solve of the same ridge problem."""
    d = rough()
    d = dataclasses.replace(d, forces=None)
    options = Options(kinds=("torsion",), orders=3)
    found = refit(start, d, FRAMES, options, Context())
    base = GAFF.from_topology(ETHANOL, start)
    y = d.energies[FRAMES] - base.predict(d.positions[FRAMES]).energy
    columns, sigmas = [], {c.label: c.sigmas for c in found.changes}
    labels = sorted(sigmas)
    from core.mm.energy import dihedrals

    phi = dihedrals(torch.tensor(d.positions[FRAMES]), torch.tensor(start.torsion.atoms)).numpy()
    once = {tuple(a): r for r, a in enumerate(start.torsion.atoms.tolist())}
    for label in labels:
        names, n = label.split()[1].split("-"), int(label.split("n=")[1].split()[0])
        rows = [
            r
            for a, r in once.items()
            if [start.types[i] for i in a] in (names, names[::-1])
        ]  # fmt: skip
        columns.append(np.cos(n * phi[:, rows]).sum(1))
    phi_n = np.array(columns).T
    phi_n = (phi_n - phi_n.mean(0)) / options.energy_error * 0.0434
    right = (y - y.mean()) / options.energy_error
    u = np.linalg.solve(phi_n.T @ phi_n + np.eye(len(labels)), phi_n.T @ right)
    assert np.allclose([sigmas[k] for k in labels], u, atol=1e-5)


def test_result_is_physical_and_deterministic(start):
    d = rough()
    one, two = (refit(start, d, FRAMES, Options(), Context()) for _ in range(2))
    for kind, term in one.topology.terms().items():
        for name, column in term.parameters.items():
            assert np.array_equal(column, two.topology.terms()[kind].parameters[name])
    top = one.topology
    assert top.charges.sum() == pytest.approx(start.charges.sum(), abs=1e-12)
    assert (top.bond.parameters["k"] > 0).all()
    assert (top.angle.parameters["k"] > 0).all()
    assert (top.angle.parameters["theta0"] <= np.pi).all()
    assert len(set(np.round(top.charges[3:6], 12))) == 1  # the methyl hydrogens stay alike
    assert (GAFF.from_topology(ETHANOL, top).permutations).shape[0] > 1


def test_prior_holds_and_frozen_parameters_stay(start):
    d = rough()
    held = refit(start, d, FRAMES, Options(prior=1e12), Context())
    assert max(abs(c.sigmas) for c in held.changes) < 1e-4
    label = "bond c3-c3 k"
    found = refit(start, d, FRAMES, Options(freeze=frozenset({label})), Context())
    change = next(c for c in found.changes if c.label == label)
    assert change.after == change.before
    assert any(abs(c.sigmas) > 0.1 for c in found.changes)
    with pytest.raises(RefitError, match="no parameter"):
        refit(start, d, FRAMES, Options(freeze=frozenset({"bond x-y k"})), Context())


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_chosen_kind_changes(start, kind):
    if kind == "improper":
        with pytest.raises(RefitError, match="no improper"):
            refit(start, rough(), FRAMES, Options(kinds=(kind,)), Context())
        return
    top = refit(start, rough(), FRAMES, Options(kinds=(kind,), orders=0), Context()).topology
    same = {
        k: all(np.array_equal(v, getattr(start, k).parameters[n]) for n, v in t.parameters.items())
        for k, t in top.terms().items()
    }
    same["charges"] = np.array_equal(top.charges, start.charges)
    same["lj"] = np.array_equal(top.epsilon, start.epsilon)
    assert [k for k, unchanged in same.items() if not unchanged] == [kind]


def test_energies_alone_forces_alone_and_frames_with_gaps(start):
    d = rough()
    for part in (
        dataclasses.replace(d, forces=None),
        dataclasses.replace(d, energies=None),
    ):
        found = refit(start, part, FRAMES, Options(), Context())
        assert len(found.errors) == 1
    energies, forces = d.energies.copy(), d.forces.copy()
    energies[::3], forces[1::3, 4, 1] = np.nan, np.nan
    gaps = dataclasses.replace(d, energies=energies, forces=forces)
    assert np.isfinite(list(refit(start, gaps, FRAMES, Options(), Context()).errors.values())).all()


def test_stop_keeps_the_best_so_far_and_cancel_ends(start):
    class Stops(Context):
        def curve(self, name, x, y, **labels):
            if x >= 1:
                self.request_stop()

    d = rough()
    found = refit(start, d, FRAMES, Options(), Stops())
    assert found.iterations == 1
    before = errors(GAFF.from_topology(ETHANOL, start), d, FRAMES)
    after = errors(GAFF.from_topology(ETHANOL, found.topology), d, FRAMES)
    assert after[0] < before[0]
    assert after[1] < before[1]
    context = Context()
    context.request_cancel()
    with pytest.raises(Cancelled):
        refit(start, d, FRAMES, Options(), context)


def test_only_the_torsions_about_the_chosen_bond_change(start):
    options = Options(kinds=("torsion",), orders=0, around=((2, 1),))
    top = refit(start, rough(), FRAMES, options, Context()).topology
    for row, atoms in enumerate(top.torsion.atoms):
        before = start.torsion.parameters["k"][row]
        about = set(atoms[1:3].tolist()) == {1, 2}
        assert (top.torsion.parameters["k"][row] != before) == about


def test_torsions_over_straight_angles_are_left_alone():
    from rdkit import Chem
    from rdkit.Chem import AllChem

    from core.bonding import with_bonds
    from core.molecule import Molecule

    mol = Chem.AddHs(Chem.MolFromSmiles("CC#N"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    z = np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
    nitrile = with_bonds(Molecule("acetonitrile", z, mol.GetConformer().GetPositions()))
    x = nitrile.positions + np.random.default_rng(0).normal(0.0, 0.05, (60, 6, 3))
    field = GAFF(nitrile)
    p = field.predict(x)
    d = Dataset("acetonitrile", nitrile, x, p.energy, 1.1 * p.forces)
    top = refit(field.topology, d, FRAMES, Options(), Context()).topology
    assert np.array_equal(top.torsion.parameters["k"], field.topology.torsion.parameters["k"])
    with pytest.raises(RefitError, match="no torsion"):
        refit(field.topology, d, FRAMES, Options(kinds=("torsion",)), Context())


def test_bad_input_is_refused_in_words(start):
    d = rough()
    with pytest.raises(RefitError, match="no training frame"):
        refit(start, d, np.zeros(0, dtype=int), Options(), Context())
    bare = dataclasses.replace(d, energies=None, forces=None)
    with pytest.raises(RefitError, match="no training frame"):
        refit(start, bare, FRAMES, Options(), Context())
    with pytest.raises(RefitError, match="cannot fit 'bonds'"):
        Options(kinds=("bonds",))
    with pytest.raises(RefitError, match="no parameters"):
        Options(kinds=())
    with pytest.raises(RefitError, match="tied by"):
        Options(tie="mood")
    split = Split(np.array([100]), np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(ForceFieldError, match="frame 101"):
        fit_terms(start, d, split, FitHyper(), Context())
