"""Flags of the parameter editor in a refit: frozen rows, untied rows, bounds."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from core.analyses.parameters import FLAGS, Flag, flags_to_text
from core.dataset import Dataset, Split
from core.engine.context import Context
from core.fitting.mm.flags import carried
from core.fitting.mm.model import Model
from core.fitting.mm.nonbonded import at_total
from core.fitting.mm.options import Options, RefitError
from core.fitting.mm.profile import energy_columns, profiled
from core.fitting.mm.refit import refit
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF, Hyper
from core.forcefields.gaff_morse import start_depth
from core.forcefields.load import save_model
from core.mm.topology import Topology
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import REFIT_RECOVERS

FRAMES = np.arange(40)
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def start() -> Topology:
    return GAFF(ETHANOL).topology


@pytest.fixture(scope="module")
def data(start) -> Dataset:
    """Labels far enough from the start that every parameter wants to move."""
    x = ethanol_frames(40, seed=3)
    p = GAFF.from_topology(ETHANOL, start).predict(x)
    rng = np.random.default_rng(5)
    forces = 1.2 * p.forces + rng.normal(0.0, 0.2, x.shape)
    return Dataset("ethanol", ETHANOL, x, 1.2 * p.energy, forces)


def fitted(start, data, flags, **options):
    return refit(start, data, FRAMES, Options(**options), Context(), flags=flags)


def rows(term, pairs) -> list[int]:
    """Rows whose two middle atoms (or whose two atoms) are these."""
    atoms = term.atoms[:, 1:3] if term.atoms.shape[1] == 4 else term.atoms
    return [r for r, a in enumerate(atoms.tolist()) if set(a) == set(pairs)]


def series(topology, quartet) -> dict[int, float]:
    """n -> amplitude of the cosine of one quartet, either way round."""
    term = topology.torsion
    out: dict[int, float] = {}
    for atoms, k, n, phase in zip(term.atoms.tolist(), *term.parameters.values(), strict=True):
        if atoms in (list(quartet), list(quartet)[::-1]):
            out[int(n)] = out.get(int(n), 0.0) + k * math.cos(phase)
    return out


@pytest.mark.parametrize("kind", ["bond", "angle", "torsion", "charge", "lj"])
def test_a_frozen_row_stays_to_the_last_digit_and_others_move(start, data, kind):
    row = 3 if kind == "torsion" else 0
    found = fitted(start, data, [Flag(kind, row, frozen=True)]).topology
    if kind == "torsion":
        quartet, n = start.torsion.atoms[row], int(start.torsion.parameters["n"][row])
        before, after = series(start, quartet), series(found, quartet)
        assert after[n] == pytest.approx(before[n], abs=1e-15)
        twin = next(
            a
            for a in start.torsion.atoms.tolist()
            if a != quartet.tolist() and start.types[a[0]] == start.types[quartet[0]]
        )
        assert series(found, twin) != series(start, twin)
        return
    for name in {"charge": ["charges"], "lj": ["epsilon", "rmin_half"]}.get(kind, ["k", ""]):
        if kind in ("charge", "lj"):
            old, new = getattr(start, name), getattr(found, name)
        else:
            name = name or {"bond": "r0", "angle": "theta0"}[kind]
            old, new = (getattr(t, kind).parameters[name] for t in (start, found))
        assert new[0] == old[0]
        assert not np.isclose(new[1:], old[1:], rtol=1e-6).all()
    assert found.charges.sum() == pytest.approx(start.charges.sum(), abs=1e-12)


def test_an_untied_row_has_parameters_of_its_own(start, data):
    row = next(
        r for r, t in enumerate(start.bond.types) if sum(t == o for o in start.bond.types) > 1
    )
    tied = fitted(start, data, []).topology.bond.parameters["r0"]
    free = fitted(start, data, [Flag("bond", row, tied=False)])
    same = [r for r, t in enumerate(start.bond.types) if t == start.bond.types[row] and r != row]
    assert np.ptp(tied[[row, *same]]) == 0.0
    r0 = free.topology.bond.parameters["r0"]
    assert np.ptp(r0[same]) == 0.0
    assert abs(r0[row] - r0[same[0]]) > 1e-4
    atoms = "-".join(str(a + 1) for a in start.bond.atoms[row])
    assert any(c.label.endswith(f"({atoms}) r0") for c in free.changes)


def test_only_the_untied_order_of_a_torsion_leaves_its_type(start, data):
    term = start.torsion
    quartets = [a for a in term.atoms.tolist() if start.types[a[0]] == "hc"]
    row = next(r for r, a in enumerate(term.atoms.tolist()) if a == quartets[0])
    n = int(term.parameters["n"][row])
    types = [start.types[a] for a in quartets[0]]
    other = next(q for q in quartets if q != quartets[0] and [start.types[a] for a in q] == types)
    found = fitted(start, data, [Flag("torsion", row, tied=False)], kinds=("torsion",)).topology
    one, two = series(found, quartets[0]), series(found, other)
    assert {m for m in one if abs(one[m] - two[m]) > 1e-9} == {n}


BOUNDED = [
    ("bond", 0, "r0"),
    ("bond", 1, "k"),
    ("angle", 0, "theta0"),
    ("torsion", 0, "k"),
    ("charge", 2, "charges"),
    ("lj", 3, "rmin_half"),
]


@pytest.mark.parametrize(("kind", "row", "name"), BOUNDED)
def test_bounds_hold_and_bind(start, data, kind, row, name):
    """A bound half the way that the fit would go: it stops there."""

    def value(topology) -> float:
        if kind == "torsion":
            phase = start.torsion.parameters["phase"][row]
            n = int(start.torsion.parameters["n"][row])
            return series(topology, start.torsion.atoms[row])[n] / math.cos(phase)
        if kind in ("charge", "lj"):
            return float(getattr(topology, name)[row])
        return float(getattr(topology, kind).parameters[name][row])

    options = {"kinds": ({"charge": "charges"}.get(kind, kind),), "prior": 1e-3, "orders": 0}
    plain = fitted(start, data, [], **options)
    before, loose, count = value(start), value(plain.topology), len(plain.changes)
    half = 0.5 * (before + loose)
    ends = {"high": {name: half}} if loose > before else {"low": {name: half}}
    free = fitted(start, data, [Flag(kind, row, **ends)], **options)
    found = free.topology
    assert len(free.changes) == count, "a bound unties nothing"
    assert value(found) == pytest.approx(half, abs=1e-7)
    assert (value(found) - half) * (loose - before) <= 1e-12
    assert found.charges.sum() == pytest.approx(start.charges.sum(), abs=1e-12)


def test_amplitudes_within_bounds_are_the_constrained_optimum(start):
    """Torsions alone on a profile, n = 3 bounded: against a general minimiser of the same sum."""
    x = ethanol_frames(30, seed=9)
    y = 0.1 * np.random.default_rng(1).normal(size=30)
    e = GAFF.from_topology(ETHANOL, start).predict(x).energy + y
    width = 0.002
    flags = [
        Flag("torsion", r, low={"k": k - width}, high={"k": k + width})
        for r, (k, n) in enumerate(zip(*(start.torsion.parameters[p] for p in "kn"), strict=True))
        if n == 3
    ]
    asked = Options(kinds=("torsion",), orders=3, prior=0.5)
    rows = [profiled("p", 9, x, e)]
    found = refit(start, None, NONE, asked, Context(), flags=flags, profiles=rows,
                  numbers=ETHANOL.numbers)  # fmt: skip
    model = Model(start, ETHANOL.numbers, torch.tensor(x), asked, flags=flags)
    phi = energy_columns(model.blocks, torch.tensor(x)).numpy() @ model.slopes.numpy()
    a, b = (v - v.mean(0) for v in (phi / asked.profile_error, y / asked.profile_error))
    ends = list(zip(model.low.tolist(), model.high.tolist(), strict=True))
    best = minimize(lambda u: float(((a @ u - b) ** 2).sum() + 0.5 * u @ u), np.zeros(len(ends)),
                    jac=lambda u: 2 * a.T @ (a @ u - b) + u, bounds=ends, method="L-BFGS-B",
                    options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000})  # fmt: skip
    mine = {c.label: c.sigmas for c in found.changes}
    u = np.array([mine[p.label] for p in model.parameters])
    np.testing.assert_allclose(u, best.x, atol=1e-4)
    assert (np.isclose(u, model.low.numpy()) | np.isclose(u, model.high.numpy())).any()
    assert found.converged


def test_charges_are_projected_on_their_total_and_bounds():
    rng = np.random.default_rng(2)
    wished = torch.tensor(rng.normal(size=6))
    exact = torch.tensor(rng.normal(size=6) * 0.1)
    count = torch.tensor([1.0, 3.0, 2.0, 1.0, 1.0, 2.0])
    low, high = exact - 0.3, exact + 0.4
    low[4] = high[4] = exact[4]
    found = at_total(wished, exact, count, low, high).numpy()
    n, w, q0 = (t.numpy() for t in (count, wished, exact))
    ends = list(zip(low.numpy(), high.numpy(), strict=True))
    total = {"type": "eq", "fun": lambda q: float(n @ (q - q0))}
    best = minimize(lambda q: float(n @ (q - w) ** 2), q0, bounds=ends, constraints=[total],
                    method="SLSQP", options={"ftol": 1e-14, "maxiter": 500})  # fmt: skip
    np.testing.assert_allclose(found, best.x, atol=1e-6)
    assert found @ n == pytest.approx(q0 @ n, abs=1e-14)


def test_a_frozen_torsion_gets_no_new_orders(start, data):
    quartet = start.torsion.atoms[0].tolist()
    every = [r for r, a in enumerate(start.torsion.atoms.tolist()) if a == quartet]
    flags = [Flag("torsion", r, frozen=True) for r in every]
    found = fitted(start, data, flags, orders=6).topology
    assert series(found, quartet) == series(start, quartet)


def test_flags_that_cannot_hold_are_said(start, data):
    r0 = start.bond.parameters["r0"][0]
    bad = [
        (Flag("bond", 99), "bond 100, but there are 8"),
        (Flag("spring", 0), "a flag is about 'spring'"),
        (Flag("bond", 0, low={"k3": 1.0}), "no 'k3' to bound"),
        (Flag("bond", 0, low={"r0": r0 + 0.1}), r"the bond of atoms 1-2 starts with r0 = .* Å, "),
        (Flag("angle", 0, high={"theta0": 1.0}), r"theta0 = 1\d\d.* °, outside its bounds"),
        (Flag("bond", 0, low={"r0": math.nan}), "outside its bounds"),
    ]
    for flag, words in bad:
        with pytest.raises(RefitError, match=words):
            fitted(start, data, [flag])
    every = [Flag("bond", r, frozen=True) for r in range(len(start.bond))]
    with pytest.raises(RefitError, match="frozen: free at least one"):
        fitted(start, data, every, kinds=("bond",))
    with pytest.raises(RefitError, match="frozen"):
        fitted(start, data, [], freeze=frozenset({"bond c3-c3 k"}), kinds=("bond",),
               priors={"bond.k": 0.0, "bond.r0": 0.0})  # fmt: skip


def test_flags_follow_their_rows_through_a_refit(start, data):
    row = len(start.torsion) - 1
    atoms, n = start.torsion.atoms[row].tolist(), start.torsion.parameters["n"][row]
    flags = (Flag("torsion", row, frozen=True), Flag("charge", 2, tied=False))
    found = fitted(start, data, flags).topology
    moved = carried(flags, start, found)
    assert found.torsion.atoms[moved[0].row].tolist() == atoms
    assert found.torsion.parameters["n"][moved[0].row] == n
    assert moved[0].row != row  # rows were added before it
    assert moved[1] == flags[1]


def test_a_fit_from_a_saved_model_keeps_to_its_flags(start, data, tmp_path):
    bond = start.bond
    k = bond.parameters["k"].copy()
    k[0] *= 1.5
    edited = dataclasses.replace(start, bond=dataclasses.replace(
        bond, parameters={**bond.parameters, "k": k}))  # fmt: skip
    path = tmp_path / "edited.npz"
    flags = (Flag("bond", 0, frozen=True),)
    save_model(path, GAFF.from_topology(ETHANOL, edited), extra={FLAGS: flags_to_text(flags)})
    hyper = Hyper(parameters=str(path))
    assert GAFF(ETHANOL, hyper).topology.bond.parameters["k"][0] == k[0]
    field = GAFF.fit(data, Split(FRAMES, NONE, NONE), hyper, Context())
    assert field.flags == flags
    found = field.topology
    assert found.bond.parameters["k"][0] == k[0]
    assert found.bond.parameters["k"][1] != k[1]
    with pytest.raises(ForceFieldError, match="its own types and charges"):
        GAFF(ETHANOL, Hyper(parameters=str(path), charges="gasteiger"))
    turned = dataclasses.replace(ETHANOL, numbers=ETHANOL.numbers[::-1].copy())
    with pytest.raises(ForceFieldError, match="another atom order"):
        GAFF(turned, hyper)


def test_a_frozen_morse_bond_keeps_its_curve_and_others_change(start, data):
    depth = start_depth(start)
    found = refit(start, data, FRAMES, Options(), Context(), depth=depth,
                  flags=[Flag("bond", 0, frozen=True)])  # fmt: skip
    for name in ("k", "r0"):
        old, new = (t.bond.parameters[name] for t in (start, found.topology))
        assert new[0] == old[0]
        assert (new[1:] != old[1:]).all()
    assert found.depth[0] == depth[0]
    assert (found.depth[1:] != depth[1:]).all()


def test_recovery_within_flags(start):
    """Data that the field with one changed bond made: the free bond finds it, others frozen."""
    bond = start.bond
    r0 = bond.parameters["r0"].copy()
    r0[0] += 0.02
    truth = dataclasses.replace(
        start, bond=dataclasses.replace(bond, parameters={**bond.parameters, "r0": r0})
    )
    x = ethanol_frames(40, seed=3)
    p = GAFF.from_topology(ETHANOL, truth).predict(x)
    made = Dataset("ethanol", ETHANOL, x, p.energy, p.forces)
    flags = [Flag("bond", r, frozen=r != 0) for r in range(len(bond))]
    found = fitted(start, made, flags, kinds=("bond",), prior=1e-9)
    np.testing.assert_allclose(found.topology.bond.parameters["r0"], r0, atol=REFIT_RECOVERS)
    assert found.errors["train energy"] < REFIT_RECOVERS
