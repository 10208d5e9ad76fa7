"""The torsion terms about one bond, refitted to a torsion profile in closed form.

The profile's geometries stay as they are (those of the reference, no relaxation by the field), so
the energy is linear in the amplitudes. With phi_q the dihedrals about the bond in geometry i, tied
into classes c of the same atom types, the correction to the start is

    dE_i = e0 + sum_c sum_n [ a_cn sum_(q in c) cos(n phi_q) + b_cn sum_(q in c) sin(n phi_q) ]

and a, b minimise

    sum_i w_i (E_start,i + dE_i - E_ref,i)² / noise² + sum_cn (a_cn² + b_cn²) / prior²

the least squares with Gaussian priors about the start of ForceBalance (Wang, Chen & Van Voorhis,
J. Chem. Theory Comput. 9, 452 (2013)). e0, the zero of the profile, is free and has no prior. Sines
would give a molecule and its mirror image different energies: they are for chiral molecules only,
and then belong to the enantiomer they were fitted to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.bonding import BondingError, connectivity, label, neighbours, to_rdkit
from core.fitting.mm_tie import one_way
from core.mm import energy as mm
from core.mm.topology import MAX_PERIODICITY, Term, Topology
from core.molecule import Molecule
from core.units import KB, KCAL_MOL

FEWEST = 4  #: points below which there is no profile
NOTHING = 1e-9  #: eV, an amplitude that is left out
FLIP = np.radians(
    45.0
)  #: rad; between points of a scan every 15 degrees no smooth change does that
SOURCE = "torsion refit"
#: class of atom types -> the dihedrals (four atoms each) that share its amplitudes
Classes = dict[tuple[str, ...], list[tuple[int, ...]]]


class TorsionFitError(ValueError):
    """A profile that cannot be fitted; the message says why."""


@dataclass(frozen=True)
class TorsionOptions:
    """How a profile is fitted.

    orders: n = 1..orders; sines: None = where the molecule is chiral; noise eV: how closely the
    points are to be met; prior eV: how far an amplitude may wander (only noise / prior matters);
    temperature K: weights exp(-(E - min E)/kT), 0 = all points alike. Raises TorsionFitError.
    """

    orders: int = 4
    sines: bool | None = None
    noise: float = 0.3 * KCAL_MOL
    prior: float = 1.0 * KCAL_MOL
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.orders <= MAX_PERIODICITY:
            raise TorsionFitError(f"{self.orders} periodicities; 1 to {MAX_PERIODICITY} can be")
        if not (self.noise > 0 and self.prior > 0 and self.temperature >= 0):
            raise TorsionFitError("noise and prior must be positive, the temperature not negative")


@dataclass(frozen=True, eq=False)
class TorsionFit:
    """A refitted bond.

    topology: with the new torsions (the start's where it was better: improved False). reference,
    start, fitted (M,) eV, each with its mean at 0, at the points used: points (M,) from 0. before,
    after: RMSE eV; left_out: RMSE eV of every point predicted by a fit to all others (exact, from
    the hat matrix). changes: class of types -> (orders, 2) eV, of cosines and of sines. freedom:
    effective number of parameters, e0 left out.
    """

    topology: Topology
    reference: np.ndarray
    start: np.ndarray
    fitted: np.ndarray
    points: np.ndarray
    before: float
    after: float
    left_out: float
    changes: dict[tuple[str, ...], np.ndarray]
    freedom: float
    sines: bool
    improved: bool


def refit_torsions(
    molecule: Molecule,
    topology: Topology,
    bond: Sequence[int],
    positions: np.ndarray,
    energies: np.ndarray,
    options: TorsionOptions | None = None,
) -> TorsionFit:
    """All torsions about one bond (two atoms from 0; in a ring too) together.

    positions (M,N,3) Å and energies (M,) eV of the profile; points without an energy (NaN) are left
    out. The plain RMSE never gets worse: where weights make it so, the start is kept. Raises
    TorsionFitError where the bond has no torsion terms or the profile does not allow a fit.
    """
    options = options or TorsionOptions()
    points, x, reference = _profile(molecule, positions, energies)
    classes = _known(molecule, topology, bond)
    sines = is_chiral(molecule) if options.sines is None else options.sines
    start = mm.energy(mm.tensors(topology), x).numpy()
    columns = _columns(classes, x, options.orders, sines)
    weights = _weights(reference, options.temperature)
    u, hat = _solve(columns, reference - start, weights, options)
    fitted = start + columns @ u
    rests = [_centred(e - reference) for e in (start, fitted)]
    before, after = (_rms(r) for r in rests)
    improved = bool(after <= before)
    changes = _changes(classes, u, options.orders, sines)
    offset = np.average(fitted - reference, weights=weights)
    left_out = (fitted - reference - offset) / np.maximum(1.0 - hat, 1e-12)
    return TorsionFit(
        topology=with_changes(topology, classes, changes) if improved else topology,
        reference=_centred(reference),
        start=_centred(start),
        fitted=_centred(fitted if improved else start),
        points=points,
        before=before,
        after=after if improved else before,
        left_out=_rms(left_out) if improved else before,
        changes=changes if improved else {c: np.zeros_like(v) for c, v in changes.items()},
        freedom=float(hat.sum() - 1.0) if improved else 0.0,
        sines=sines,
        improved=improved,
    )


def torsion_classes(topology: Topology, bond: Sequence[int]) -> Classes:
    """The dihedrals about a bond (two atoms from 0), each once, by their types."""
    pair = {int(a) for a in bond}
    found: Classes = {}
    seen = set()
    for atoms in topology.torsion.atoms.tolist():
        quartet = _one_end(atoms)
        if {atoms[1], atoms[2]} == pair and quartet not in seen:
            seen.add(quartet)
            key = one_way("torsion", tuple(topology.types[a] for a in quartet))
            found.setdefault(key, []).append(quartet)
    return found


def is_chiral(molecule: Molecule) -> bool:
    """Whether there is a stereocentre, by RDKit; not where bond orders are unknown.

    A centre whose neighbours differ by the Kekulé form only, as S in N-S(=O)(=O)-C drawn with one
    O-, is none.
    """
    from rdkit import Chem

    try:
        mol = to_rdkit(molecule)
    except BondingError:
        return False
    near, colour = neighbours(molecule), [int(z) for z in molecule.numbers]
    for _ in colour:  # Morgan's refinement: element, and who the neighbours are
        keys = [(c, tuple(sorted(colour[j] for j in near[i]))) for i, c in enumerate(colour)]
        order = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        colour = [order[key] for key in keys]
    centres = Chem.FindMolChiralCenters(mol, useLegacyImplementation=False)
    return any(len({colour[j] for j in near[c]}) == len(near[c]) for c, _ in centres)


def with_changes(
    topology: Topology, classes: Classes, changes: dict[tuple[str, ...], np.ndarray]
) -> Topology:
    """The topology with `changes` (orders, 2) eV added to the series of every class's dihedrals.

    A series' rows are k (1 + cos(n phi - phase)) with k >= 0: phase is 0 or pi without sines.
    """
    term = topology.torsion
    series: dict[tuple[int, ...], dict[int, complex]] = {}
    of = {quartet: c for c, quartets in classes.items() for quartet in quartets}
    kept = []
    for row, atoms in enumerate(term.atoms.tolist()):
        quartet = _one_end(atoms)
        if quartet not in of:
            kept.append(row)
            continue
        k, n, phase = (float(term.parameters[p][row]) for p in ("k", "n", "phase"))
        waves = series.setdefault(quartet, {})
        waves[round(n)] = waves.get(round(n), 0.0) + k * np.exp(1j * phase)
    new = []
    for quartet, waves in series.items():
        for n, (a, b) in enumerate(changes[of[quartet]], start=1):
            waves[n] = waves.get(n, 0.0) + complex(a, b)
        large = {n: wave for n, wave in waves.items() if abs(wave) > NOTHING}
        # a dihedral keeps a row, or it could not be edited any more
        new += [(quartet, n, w) for n, w in sorted((large or {1: 0.0j}).items())]
    return dataclasses.replace(topology, torsion=_joined(term, kept, new, topology.types))


def _joined(term: Term, kept: list[int], new: list[tuple], types: tuple[str, ...]) -> Term:
    k = [abs(w) for _, _, w in new]
    # pi and not -pi; rounding of a cosine series' phase is no sine
    phase = [abs(p) if np.sin(p) ** 2 < 1e-20 else p for p in (np.angle(w) for *_, w in new)]
    columns = {"k": k, "n": [float(n) for _, n, _ in new], "phase": phase}
    return Term(
        "torsion",
        np.concatenate([term.atoms[kept], np.array([q for q, *_ in new]).reshape(-1, 4)]),
        {p: np.concatenate([term.parameters[p][kept], columns[p]]) for p in columns},
        types=(
            *(term.types[r] for r in kept),
            *("-".join(types[a] for a in q) for q, *_ in new),
        )
        if term.types
        else (),
        source=(*(term.source[r] for r in kept), *(SOURCE for _ in new)) if term.source else (),
        penalty=np.concatenate([term.penalty[kept], np.zeros(len(new))])
        if len(term.penalty)
        else term.penalty,
    )


def why_left(
    molecule: Molecule,
    topology: Topology,
    bond: Sequence[int],
    fit: TorsionFit,
    positions: np.ndarray,
) -> str:
    """What most likely keeps a profile from being met, from its geometries (M,N,3) Å."""
    x = np.asarray(positions, dtype=np.float64)[fit.points]
    bonds = [set(map(tuple, connectivity(molecule.numbers, frame).tolist())) for frame in x]
    moved = next(((i, a ^ bonds[0]) for i, a in enumerate(bonds) if a != bonds[0]), None)
    if moved:
        a, b = min(moved[1])
        return (
            f"bonds change along the scan: {label(molecule, a)}-{label(molecule, b)} at point "
            f"{fit.points[moved[0]] + 1}"
        )
    jump = _jump(molecule, topology, bond, torch.tensor(x), fit.points)
    if jump:
        return jump
    rest = fit.reference - fit.fitted
    parts = {
        k: _centred(e.numpy()) for k, e in mm.terms(mm.tensors(topology), torch.tensor(x)).items()
    }
    for kind in ("lj", "coulomb"):
        parts[kind] = parts[kind] + parts.pop(f"{kind}14")
    parts.pop("torsion")
    alike = {k: float(np.mean(rest * e)) / (_rms(e) * _rms(rest) or 1.0) for k, e in parts.items()}
    kind = max(alike, key=lambda k: abs(alike[k]))
    names = {"lj": "Lennard-Jones", "coulomb": "Coulomb"}
    worst = int(fit.points[int(np.argmax(np.abs(rest)))]) + 1
    return (
        f"what is left is most like the {names.get(kind, kind)} energy (r = {alike[kind]:+.2f}), "
        f"largest at point {worst}"
    )


def _jump(
    molecule: Molecule,
    topology: Topology,
    bond: Sequence[int],
    x: torch.Tensor,
    points: np.ndarray,
) -> str:
    """Where another dihedral, or a pyramid at the bond, flips from one point to the next."""
    pair = {int(a) for a in bond}
    atoms = topology.torsion.atoms
    phi = mm.dihedrals(x, torch.tensor(atoms)).numpy()
    step = _wrapped(np.diff(phi, axis=0))
    own = np.array([{int(b), int(c)} == pair for b, c in atoms[:, 1:3]])
    if own.any():  # the drive itself, by the median of the bond's dihedrals
        step[:, own] = _wrapped(step[:, own] - np.median(step[:, own], axis=1, keepdims=True))
    at, row = np.unravel_index(int(np.argmax(np.abs(step))), step.shape)
    if abs(step[at, row]) < FLIP:
        return ""
    name = "-".join(label(molecule, int(a)) for a in atoms[row])
    return (
        f"{name} jumps by {abs(np.degrees(step[at, row])):.0f}° between the points "
        f"{points[at] + 1} and {points[at + 1] + 1}: the profile is no function of this bond's "
        "dihedrals alone"
    )


# -- pieces ---------------------------------------------------------------------------------------
def _known(molecule: Molecule, topology: Topology, bond: Sequence[int]) -> Classes:
    n = len(molecule.numbers)
    if len(bond) != 2 or not all(0 <= int(a) < n for a in bond):
        raise TorsionFitError(f"a bond is two of the {n} atoms, not {tuple(bond)}")
    classes = torsion_classes(topology, bond)
    if classes:
        return classes
    name = "-".join(label(molecule, int(a)) for a in bond)
    pairs = {frozenset(pair) for pair in topology.bond.atoms.tolist()}
    if frozenset(map(int, bond)) not in pairs:
        raise TorsionFitError(f"{name} is no bond of {molecule.name or molecule.formula}")
    raise TorsionFitError(f"no torsion term turns about the bond {name}")


def _one_end(atoms: Sequence[int]) -> tuple[int, ...]:
    """phi(i,j,k,l) = phi(l,k,j,i)."""
    return tuple(atoms if atoms[1] < atoms[2] else atoms[::-1])


def _profile(
    molecule: Molecule, positions: np.ndarray, energies: np.ndarray
) -> tuple[np.ndarray, torch.Tensor, np.ndarray]:
    positions, energies = np.asarray(positions, dtype=float), np.asarray(energies, dtype=float)
    n = len(molecule.numbers)
    if positions.shape != (len(energies), n, 3):
        raise TorsionFitError(
            f"{len(energies)} energies and geometries of shape {positions.shape} are no profile of "
            f"{molecule.name or molecule.formula} with its {n} atoms"
        )
    points = np.flatnonzero(np.isfinite(energies))
    if len(points) < FEWEST:
        raise TorsionFitError(f"{len(points)} points with an energy; a profile needs {FEWEST}")
    return points, torch.tensor(positions[points]), energies[points]


def _columns(classes: Classes, x: torch.Tensor, orders: int, sines: bool) -> np.ndarray:
    """(M,C): for every class cos(n phi), n = 1..orders, summed over its dihedrals; then sines."""
    n = np.arange(1, orders + 1)
    blocks = []
    for quartets in classes.values():
        phi = mm.dihedrals(x, torch.tensor(quartets)).numpy()[..., None] * n
        blocks.append(np.cos(phi).sum(1))
        if sines:
            blocks.append(np.sin(phi).sum(1))
    return np.concatenate(blocks, axis=1)


def _weights(energies: np.ndarray, temperature: float) -> np.ndarray:
    if temperature == 0:
        return np.ones(len(energies))
    w = np.exp(-(energies - energies.min()) / (KB * temperature))
    return w * len(w) / w.sum()


def _solve(
    columns: np.ndarray, y: np.ndarray, weights: np.ndarray, options: TorsionOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes (C,) eV and the diagonal of the hat matrix (M,), the free constant in it."""
    root = np.sqrt(weights)
    share = weights / weights.sum()
    a = root[:, None] * (columns - share @ columns)
    b = root * (y - share @ y)
    # singular values: as good as the data even where classes are copies of one another
    left, s, right = np.linalg.svd(a, full_matrices=False)
    ridge = (options.noise / options.prior) ** 2
    damped = s / (s**2 + ridge)
    u = right.T @ (damped * (left.T @ b))
    return u, share + (left**2) @ (s * damped)


def _changes(
    classes: Classes, u: np.ndarray, orders: int, sines: bool
) -> dict[tuple[str, ...], np.ndarray]:
    table = u.reshape(len(classes), 2 if sines else 1, orders)
    full = np.zeros((len(classes), orders, 2))
    full[..., : table.shape[1]] = table.transpose(0, 2, 1)
    return dict(zip(classes, full, strict=True))


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _centred(e: np.ndarray) -> np.ndarray:
    return e - e.mean()


def _rms(e: np.ndarray) -> float:
    return float(np.sqrt(np.mean(e**2)))
