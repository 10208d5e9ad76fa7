"""Torsions about one bond: recovery of known amplitudes, the guarantees, and real profiles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from core.bonding import with_bonds
from core.fitting.mm.options import RefitError
from core.fitting.mm.tie import one_way
from core.fitting.mm.torsion_refit import (
    TorsionOptions,
    is_chiral,
    refit_torsions,
    why_left,
)
from core.forcefields.gaff import GAFF, Hyper, parametrise
from core.geometry import rotate_dihedral
from core.mm import energy as mm
from core.mm.topology import Term
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests.benchmarks.bench_torsions import LIMIT, SETS, refitted, scans
from tests.tolerances import REFIT_RECOVERS

FREE = TorsionOptions(noise=1e-6 * KCAL_MOL)  #: a prior that does not hold


def scan(smiles: str, dihedral: tuple[int, ...], moving: list[int], points: int = 24):
    """A rigid scan: molecule, topology, positions (M,N,3)."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
    x = mol.GetConformer().GetPositions()
    molecule, topology = parametrise(with_bonds(Molecule(smiles, numbers, x)), Hyper())
    angles = np.radians(np.linspace(-180.0, 180.0, points, endpoint=False))
    mask = np.isin(np.arange(len(numbers)), moving)
    x = rotate_dihedral(np.repeat(x[None], points, axis=0), dihedral, angles, mask)
    return molecule, topology, np.asarray(x)


@pytest.fixture(scope="module")
def peroxide():
    """H-O-O-H: one dihedral, so every amplitude can be told from the profile."""
    return scan("OO", (2, 0, 1, 3), [3])


@pytest.fixture(scope="module")
def ethanol():
    """C-C-O-H driven: two classes."""
    return scan("CCO", (0, 1, 2, 8), [8])


def energy(topology, x) -> np.ndarray:
    return mm.energy(mm.tensors(topology), torch.tensor(x)).numpy()


def changed(topology, bond, seed: int, sines: bool = False):
    """The topology with random amplitudes added as rows of their own, and these by types."""
    term = topology.torsion
    here = [r for r, (_, b, c, _) in enumerate(term.atoms.tolist()) if {b, c} == set(bond)]
    rng = np.random.default_rng(seed)
    changes: dict[tuple[str, ...], np.ndarray] = {}
    rows = []
    for quartet in np.unique(term.atoms[here], axis=0).tolist():
        types = one_way("torsion", tuple(topology.types[a] for a in quartet))
        if types not in changes:
            changes[types] = rng.normal(size=(4, 2)) * KCAL_MOL * [1.0, float(sines)]
        for n, (a, b) in enumerate(changes[types], start=1):
            rows.append((quartet, float(np.hypot(a, b)), float(n), float(np.arctan2(b, a))))
    old = term.parameters
    new = {name: [r[i] for r in rows] for i, name in enumerate(("k", "n", "phase"), start=1)}
    torsion = Term(
        "torsion",
        np.concatenate([term.atoms, [r[0] for r in rows]]),
        {name: np.concatenate([old[name], new[name]]) for name in old},
    )
    return dataclasses.replace(topology, torsion=torsion), changes


def found(fit) -> dict[tuple[tuple[str, ...], int, bool], float]:
    """(types, n, whether a sine) -> change in eV."""
    out = {}
    for c in fit.changes:
        words = c.label.split()
        key = tuple(words[1].split("-")), int(words[2].removeprefix("n=")), words[3] == "sine"
        out[key] = c.after - c.before
    return out


def profile(topology, x, seed: int = 1, noise: float = 0.5) -> np.ndarray:
    """A profile that no torsion explains fully."""
    rng = np.random.default_rng(seed)
    return energy(topology, x) + rng.normal(scale=noise * KCAL_MOL, size=len(x))


@pytest.mark.parametrize("sines", [False, True])
def test_known_amplitudes_are_recovered(peroxide, sines):
    molecule, topology, x = peroxide
    truth, changes = changed(topology, (0, 1), 3, sines)
    options = dataclasses.replace(FREE, sines=sines)
    fit = refit_torsions(molecule, topology, (0, 1), x, energy(truth, x) - 1234.5, options)
    assert fit.sines is sines
    assert fit.improved
    told = found(fit)
    assert len(told) == sum(t.size if sines else len(t) for t in changes.values())
    for (types, n, sine), value in told.items():
        assert value == pytest.approx(changes[types][n - 1, int(sine)], abs=REFIT_RECOVERS)
    assert fit.before > 0.3 * KCAL_MOL
    assert fit.after < REFIT_RECOVERS
    assert fit.left_out < REFIT_RECOVERS


def test_a_profile_of_several_classes_is_met_and_the_topology_says_the_same(ethanol):
    molecule, topology, x = ethanol
    truth, _ = changed(topology, (1, 2), 5)
    fit = refit_torsions(molecule, topology, (1, 2), x, energy(truth, x), FREE)
    assert fit.after < REFIT_RECOVERS
    field = GAFF.from_topology(molecule, fit.topology)
    own = field.predict(x).energy
    np.testing.assert_allclose(own - own.mean(), fit.fitted, atol=1e-10)
    # only rows of this bond have changed, and they are cosines with k >= 0
    torsion = fit.topology.torsion
    here = np.array([{b, c} == {1, 2} for b, c in torsion.atoms[:, 1:3].tolist()])
    assert (torsion.parameters["k"][here] >= 0).all()
    assert set(torsion.parameters["phase"][here]) <= {0.0, np.pi}
    before = topology.torsion
    there = np.array([{b, c} != {1, 2} for b, c in before.atoms[:, 1:3].tolist()])
    np.testing.assert_array_equal(torsion.atoms[~here], before.atoms[there])
    np.testing.assert_array_equal(torsion.parameters["k"][~here], before.parameters["k"][there])
    np.testing.assert_array_equal(fit.topology.pairs14, topology.pairs14)


def test_a_refit_is_ridge_regression_on_the_cosines(ethanol):
    """Every class together, by numpy on the stacked system of points and priors."""
    molecule, topology, x = ethanol
    e = profile(topology, x)
    options = TorsionOptions(orders=3)
    fit = refit_torsions(molecule, topology, (1, 2), x, e, options)
    term = topology.torsion
    columns = {}
    for quartet in np.unique(term.atoms, axis=0).tolist():
        if set(quartet[1:3]) == {1, 2}:
            phi = mm.dihedrals(torch.tensor(x), torch.tensor([quartet])).numpy()[:, 0]
            types = one_way("torsion", tuple(topology.types[a] for a in quartet))
            for n in (1, 2, 3):
                columns[types, n, False] = columns.get((types, n, False), 0.0) + np.cos(n * phi)
    phi = np.array(list(columns.values())).T
    y = e - energy(topology, x)
    a = np.concatenate([(phi - phi.mean(0)) / options.noise, np.eye(len(columns)) / options.prior])
    b = np.concatenate([(y - y.mean()) / options.noise, np.zeros(len(columns))])
    expected = np.linalg.lstsq(a, b, rcond=None)[0]
    told = found(fit)
    np.testing.assert_allclose([told[key] for key in columns], expected, atol=1e-9)


def test_without_sines_the_mirror_image_keeps_its_energy(ethanol):
    molecule, topology, x = ethanol
    fit = refit_torsions(molecule, topology, (1, 2), x, profile(topology, x))
    assert not fit.sines
    mirror = x * np.array([1.0, 1.0, -1.0])
    np.testing.assert_allclose(energy(fit.topology, mirror), energy(fit.topology, x), atol=1e-10)


def test_a_stereocentre_brings_sines():
    molecule, topology, x = scan("C[C@H](O)F", (0, 1, 2, 8), [8])
    assert refit_torsions(molecule, topology, (1, 2), x, profile(topology, x)).sines
    for smiles, expected in (("CS(=O)(=O)[N-]C", False), ("CS(=O)CC", True), ("CC(O)C", False)):
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(mol, randomSeed=7)
        numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
        x = mol.GetConformer().GetPositions()
        molecule = Molecule(smiles, numbers, x, charge=Chem.GetFormalCharge(mol))
        assert is_chiral(with_bonds(molecule)) is expected, smiles


def test_the_left_out_error_is_that_of_refits(ethanol):
    molecule, topology, x = ethanol
    e = profile(topology, x)
    fit = refit_torsions(molecule, topology, (1, 2), x, e)
    squares = []
    for point in range(len(x)):
        gap = e.copy()
        gap[point] = np.nan
        part = refit_torsions(molecule, topology, (1, 2), x, gap)
        assert point not in part.points
        assert len(part.points) == len(x) - 1
        rest = energy(part.topology, x) - e
        squares.append((rest[point] - rest[part.points].mean()) ** 2)
    assert fit.left_out == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-6)
    assert fit.left_out > fit.after


def test_the_prior_holds_the_amplitudes(ethanol):
    molecule, topology, x = ethanol
    truth, _ = changed(topology, (1, 2), 5)
    sizes, errors = [], []
    for prior in (0.01, 0.1, 1.0, 10.0):
        options = TorsionOptions(prior=prior * KCAL_MOL)
        fit = refit_torsions(molecule, topology, (1, 2), x, energy(truth, x), options)
        sizes.append(sum(change**2 for change in found(fit).values()))
        errors.append(fit.after)
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("temperature", [20.0, 300.0, 2000.0])
def test_weights_never_make_the_plain_error_worse(ethanol, temperature):
    molecule, topology, x = ethanol
    options = TorsionOptions(temperature=temperature)
    for seed in range(8):
        e = profile(topology, x, seed=seed, noise=2.0)
        fit = refit_torsions(molecule, topology, (1, 2), x, e, options)
        own = energy(fit.topology, x) - e
        assert fit.after == pytest.approx(own.std(), rel=1e-8)
        assert fit.after <= fit.before


def test_what_cannot_be_fitted_is_said(ethanol):
    molecule, topology, x = ethanol
    e = energy(topology, x)
    few = np.where(np.arange(len(e)) < 3, e, np.nan)
    for bond, energies, words in (
        ((0, 2), e, "C1-O3 is no bond"),
        ((2, 8), e, "no torsion term turns about the bond O3-H9"),
        ((0, 99), e, "two of the 9 atoms"),
        ((1, 2), few, "3 of 24 points have an energy"),
        ((1, 2), e[:5], "no profile"),
    ):
        with pytest.raises(RefitError, match=words):
            refit_torsions(molecule, topology, bond, x, energies)
    with pytest.raises(RefitError, match="periodicities"):
        TorsionOptions(orders=0)


def test_a_flip_elsewhere_is_named(ethanol):
    molecule, topology, x = ethanol
    moved = x.copy()
    methyl = np.isin(np.arange(9), [3, 4, 5])
    turned = rotate_dihedral(x[12:], (2, 1, 0, 3), np.full(12, 2.2), methyl)
    moved[12:] = np.asarray(turned)
    moved[:12] = np.asarray(rotate_dihedral(x[:12], (2, 1, 0, 3), np.full(12, 1.0), methyl))
    fit = refit_torsions(molecule, topology, (1, 2), moved, profile(topology, moved))
    why = why_left(molecule, fit.topology, (1, 2), fit, moved)
    assert "jumps by 69° between the points 12 and 13" in why


def check(lines) -> None:
    fits = [line.fit for line in lines if line.fit is not None]
    assert len(fits) == len(lines)
    assert all(f.after <= f.before for f in fits)
    assert np.median([f.after for f in fits]) <= LIMIT * KCAL_MOL
    for line, f in zip(lines, fits, strict=True):
        own = energy(f.topology, line.scan.positions) - line.scan.energies
        assert own.std() == pytest.approx(f.after, abs=1e-8)
        assert bool(line.failure) == (f.after > LIMIT * KCAL_MOL)


@pytest.mark.parametrize("which", SETS)
def test_real_profiles(shared, which):
    """Every scan of both sets: none fails to fit, none gets worse, the median is met."""
    check([refitted(s) for s in scans(shared, which)])
