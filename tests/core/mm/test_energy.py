import dataclasses
import json

import numpy as np
import pytest
import torch

from core.geometry import measure
from core.mm import energy as mm
from core.mm.constants import OPENMM_COULOMB
from core.mm.forces import Forces
from core.mm.prmtop import read_prmtop
from core.mm.topology import Topology
from core.units import KCAL_MOL
from tests.core.mm.toy import geometries, toy
from tests.tolerances import (
    ANALYTIC_EQUALS_AUTOGRAD,
    BATCH_EQUALS_SINGLE,
    FINITE_DIFFERENCE_FORCE,
    FINITE_DIFFERENCE_HESSIAN,
    MM_FORCE,
    MM_TERM,
)

#: our name -> the oracle's
TERMS = {
    "bond": "bond", "angle": "angle", "torsion": "proper", "improper": "improper",
    "lj": "vdw", "lj14": "vdw14", "coulomb": "ele", "coulomb14": "ele14",
}  # fmt: skip
STEP = 1e-4


def tensor(array) -> torch.Tensor:
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def by_autograd(t: mm.Tensors, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_(True)
    e = mm.energy(t, x)
    return e.detach(), -torch.autograd.grad(e.sum(), x)[0]


@pytest.fixture(scope="module")
def oracle(shared):
    """key -> (topology, positions (1,N,3), reference)."""
    folder = shared / "oracles" / "gaff"
    found = {}
    for key, values in json.loads((folder / "energies_forces.json").read_text()).items():
        name, flavour, geometry = key.split("/")
        _, topology = read_prmtop(folder / f"{name}_{flavour}.prmtop")
        x = np.loadtxt(folder / f"{name}_{geometry}.xyz", skiprows=2, usecols=(1, 2, 3))
        found[key] = topology, tensor(x)[None], values
    assert len(found) == 20
    return found


# -- against other programs ------------------------------------------------------------------
def test_every_term_is_that_of_amber(oracle):
    for key, (topology, x, reference) in oracle.items():
        ours = mm.terms(mm.tensors(topology), x)
        assert tuple(ours) == mm.KINDS
        for kind, name in TERMS.items():
            away = float(ours[kind][0]) / KCAL_MOL - reference["numpy_amber_k"][name]
            assert abs(away) < MM_TERM, (key, kind)


def test_forces_are_those_of_openmm(oracle):
    for key, (topology, x, reference) in oracle.items():
        t = mm.tensors(dataclasses.replace(topology, coulomb=OPENMM_COULOMB))
        _, forces = Forces(t, x.shape[1])(x)
        away = forces[0].numpy() / KCAL_MOL - np.array(reference["openmm_forces"])
        assert np.abs(away).max() < MM_FORCE, key


# -- the two paths ---------------------------------------------------------------------------
def test_analytic_forces_equal_autograd(oracle):
    generator = torch.Generator().manual_seed(1)
    for key, (topology, x, _) in oracle.items():
        noise = torch.randn(5, *x.shape[1:], dtype=x.dtype, generator=generator)
        x = torch.cat([x, x + 0.1 * noise])
        t = mm.tensors(topology)
        e, f = Forces(t, x.shape[1])(x)
        energy, forces = by_autograd(t, x)
        assert (e - energy).abs().max() < ANALYTIC_EQUALS_AUTOGRAD, key
        assert (f - forces).abs().max() < ANALYTIC_EQUALS_AUTOGRAD, key


def test_analytic_forces_of_the_toy():
    x = tensor(geometries(300))
    t = mm.tensors(toy())
    e, f = Forces(t, 6)(x)
    energy, forces = by_autograd(t, x)
    assert (e - energy).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    assert (f - forces).abs().max() < ANALYTIC_EQUALS_AUTOGRAD


def test_chunks_make_no_difference(monkeypatch):
    x = tensor(geometries(50))
    whole = Forces(mm.tensors(toy()), 6)
    e, f = whole(x)
    monkeypatch.setattr("core.mm.forces.CHUNK", 7 * len(whole.heads))
    parts, pieces = whole(x)
    assert (parts - e).abs().max() < BATCH_EQUALS_SINGLE
    assert (pieces - f).abs().max() < BATCH_EQUALS_SINGLE
    # nor does the way for molecules whose incidence matrix would be too large
    monkeypatch.setattr("core.mm.forces.DENSE", 0)
    _, scattered = Forces(mm.tensors(toy()), 6)(x)
    assert (scattered - f).abs().max() < BATCH_EQUALS_SINGLE


def test_atoms_without_any_terms():
    empty = {
        kind: dataclasses.replace(
            term,
            atoms=term.atoms[:0],
            parameters={n: c[:0] for n, c in term.parameters.items()},
            types=(),
            source=(),
            penalty=np.zeros(0),
        )
        for kind, term in toy().terms().items()
    }
    none = np.zeros((0, 2), dtype=int)
    alone = dataclasses.replace(
        toy(), **empty, pairs=none, pairs14=none, scee14=np.zeros(0), scnb14=np.zeros(0)
    )
    e, f = Forces(mm.tensors(alone), 6)(tensor(geometries(3)))
    assert e.tolist() == [0.0] * 3
    assert not f.any()
    assert mm.energy(mm.tensors(alone), tensor(geometries(3))).tolist() == [0.0] * 3


# -- awkward geometries ----------------------------------------------------------------------
def planar(angle: float) -> np.ndarray:
    """The toy with the dihedral 1-2-3-4 at exactly `angle`."""
    x = geometries(1)[0]
    x[:4] = [[-0.5, 1.0, 0.0], [0.0, 0.0, 0.0], [1.4, 0.0, 0.0], [1.9, np.cos(angle), 0.0]]
    x[3, 2] = np.sin(angle)
    return x


def slopes(t: mm.Tensors, x: np.ndarray) -> np.ndarray:
    """-dE/dx by central differences."""
    n = x.size
    steps = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *x.shape) * STEP
    e = mm.energy(t, tensor(x + steps)).numpy()
    return -((e[:n] - e[n:]) / (2 * STEP)).reshape(x.shape)


@pytest.mark.parametrize("angle", [0.0, np.pi, 1e-9, np.pi - 1e-9, -1e-9])
def test_flat_dihedrals(angle):
    x = planar(angle)
    t = mm.tensors(toy())
    wanted = slopes(t, x)
    for _, forces in (by_autograd(t, tensor(x)[None]), Forces(t, 6)(tensor(x)[None])):
        assert np.abs(forces[0].numpy() - wanted).max() < FINITE_DIFFERENCE_FORCE


def test_dihedral_and_angle_are_those_of_the_view():
    x = geometries(20)
    for atoms in ([0, 1, 2, 3], [2, 3, 4, 5]):
        phi = mm.dihedrals(tensor(x), torch.tensor([atoms]))[:, 0].numpy()
        assert np.abs(phi - measure(x, atoms)).max() < 1e-12
    theta = mm.angles(tensor(x), torch.tensor([[1, 2, 3]]))[:, 0].numpy()
    assert np.abs(theta - measure(x, [1, 2, 3])).max() < 1e-12


def straight() -> Topology:
    """Two bonds and one angle whose rest value is pi, no more."""
    top = toy()
    cut = {
        kind: dataclasses.replace(
            term,
            atoms=term.atoms[rows],
            parameters={n: c[rows] for n, c in term.parameters.items()},
            types=(),
            source=(),
            penalty=np.zeros(0),
        )
        for kind, term, rows in (
            ("angle", top.angle, [1]),
            ("torsion", top.torsion, []),
            ("improper", top.improper, []),
        )
    }
    return dataclasses.replace(top, **cut)


def test_an_angle_that_wants_to_be_straight():
    x = geometries(1)[0]
    x[1:4] = [[0.0, 0.0, 0.0], [1.4, 0.0, 0.0], [2.9, 0.0, 0.0]]
    t = mm.tensors(straight())
    wanted = slopes(t, x)
    for _, forces in (by_autograd(t, tensor(x)[None]), Forces(t, 6)(tensor(x)[None])):
        assert np.abs(forces[0].numpy() - wanted).max() < FINITE_DIFFERENCE_FORCE
    # and its curvature is there: k (delta/r1 + delta/r2)^2 for the middle atom moved by delta
    hessian = torch.autograd.functional.hessian(
        lambda y: mm.rows(t, "angle", y.reshape(1, 6, 3)).sum(), tensor(x).reshape(-1)
    )
    wanted_k = 2 * 3.0 * (1 / 1.4 + 1 / 1.5) ** 2
    assert abs(float(hessian[7, 7]) - wanted_k) < FINITE_DIFFERENCE_HESSIAN


def test_everything_on_one_line_stays_finite():
    x = np.zeros((1, 6, 3))
    x[0, :, 0] = np.arange(6) * 1.3
    t = mm.tensors(toy())
    for e, forces in (by_autograd(t, tensor(x)), Forces(t, 6)(tensor(x))):
        assert torch.isfinite(e).all()
        assert torch.isfinite(forces).all()


# -- rows and parameters ---------------------------------------------------------------------
def test_rows_add_up_to_terms():
    x = tensor(geometries(4))
    t = mm.tensors(toy())
    total = torch.zeros(4, dtype=torch.float64)
    sizes = {"lj": 3, "coulomb": 3, "lj14": 3, "coulomb14": 3}
    for kind, energy in mm.terms(t, x).items():
        rows = mm.rows(t, kind, x)
        size = sizes.get(kind) or len(getattr(toy(), kind))
        assert rows.shape == (4, size)
        assert (rows.sum(1) - energy).abs().max() < 1e-14
        total += energy
    assert (total - mm.energy(t, x)).abs().max() < 1e-12
    with pytest.raises(KeyError, match="no term 'stretch'"):
        mm.rows(t, "stretch", x)


def test_slopes_in_the_parameters():
    """Every parameter may require a gradient; epsilon = 0 has none that is infinite."""
    x = tensor(geometries(3))
    t = mm.tensors(toy())
    values = {n: v.clone().requires_grad_(True) for n, v in t.values.items() if n[-2:] != ".n"}
    grads = torch.autograd.grad(mm.energy(t.with_values(values), x).sum(), list(values.values()))
    for (name, value), grad in zip(values.items(), grads, strict=True):
        assert torch.isfinite(grad).all(), name
        for k in range(len(value)):
            if name == "epsilon" and value[k] == 0:
                continue
            step = torch.zeros_like(value)
            step[k] = 1e-6
            up, down = (
                float(mm.energy(t.with_values({name: value.detach() + s}), x).sum())
                for s in (step, -step)
            )
            assert abs((up - down) / 2e-6 - float(grad[k])) < 1e-5 * max(1, abs(float(grad[k])))


def test_forces_can_be_fitted():
    """d(forces)/d(parameters): the graph may be differentiated twice."""
    t = mm.tensors(toy())
    k = t.values["torsion.k"].clone().requires_grad_(True)
    x = tensor(geometries(2)).requires_grad_(True)
    e = mm.energy(t.with_values({"torsion.k": k}), x)
    (g,) = torch.autograd.grad(e.sum(), x, create_graph=True)
    (slope,) = torch.autograd.grad(g.square().sum(), k)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() > 0


def test_one_value_per_geometry():
    """What a slider needs: many values of one parameter in one call."""
    t = mm.tensors(toy())
    x = tensor(geometries(1)).expand(5, 6, 3)
    k = t.values["torsion.k"] * torch.linspace(0.5, 2.0, 5, dtype=torch.float64)[:, None]
    together = mm.energy(t.with_values({"torsion.k": k}), x)
    for i in range(5):
        alone = mm.energy(t.with_values({"torsion.k": k[i]}), x[:1])
        assert abs(float(together[i] - alone[0])) < BATCH_EQUALS_SINGLE
    with pytest.raises(KeyError, match="no parameter"):
        t.with_values({"torsion.amplitude": k})
