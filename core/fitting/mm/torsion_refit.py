"""The torsion terms about one bond refitted to a torsion profile, and why a profile is not met.

The profile's geometries stay as they are (those of the reference, no relaxation by the field), so
the energy is linear in the amplitudes and `core.fitting.mm.refit` has them in closed form: all
cosines n = 1..orders of every class of dihedrals about the bond, a Gaussian prior about each
amplitude's start, the profile's zero free, as in ForceBalance (Wang, Chen & Van Voorhis, J. Chem.
Theory Comput. 9, 452 (2013)). Sines would give a molecule and its mirror image different energies:
they are for chiral molecules only, and then belong to the enantiomer they were fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.bonding import BondingError, connectivity, label, neighbours, to_rdkit
from core.engine.context import Context
from core.fitting.mm.options import Change, Options, RefitError
from core.fitting.mm.profile import profiled
from core.fitting.mm.refit import NONE, refit
from core.mm import energy as mm
from core.mm.topology import MAX_PERIODICITY, Topology
from core.molecule import Molecule
from core.units import KCAL_MOL

FLIP = np.radians(
    45.0
)  #: rad; between points of a scan every 15 degrees no smooth change does that


class TorsionFitError(RefitError):
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
    the hat matrix). changes: of every amplitude, eV. freedom: effective number of parameters, the
    zero left out.
    """

    topology: Topology
    reference: np.ndarray
    start: np.ndarray
    fitted: np.ndarray
    points: np.ndarray
    before: float
    after: float
    left_out: float
    changes: tuple[Change, ...]
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
    RefitError where the bond has no torsion terms or the profile does not allow a fit.
    """
    options = options or TorsionOptions()
    sines = is_chiral(molecule) if options.sines is None else options.sines
    profile = profiled(
        molecule.name or molecule.formula,
        len(molecule.numbers),
        positions,
        energies,
        temperature=options.temperature,
    )
    asked = Options(
        kinds=("torsion",),
        orders=options.orders,
        sines=sines,
        around=(tuple(int(a) for a in bond),),
        priors={"torsion.k": options.prior},
        profile_error=options.noise,
    )
    found = refit(
        topology, None, NONE, asked, Context(), profiles=[profile], numbers=molecule.numbers
    )
    x, reference = profile.positions, profile.energies.numpy()
    start, fitted = (mm.energy(mm.tensors(t), x).numpy() for t in (topology, found.topology))
    before, after = (_rms(_centred(e - reference)) for e in (start, fitted))
    improved = bool(after <= before)
    return TorsionFit(
        topology=found.topology if improved else topology,
        reference=_centred(reference),
        start=_centred(start),
        fitted=_centred(fitted if improved else start),
        points=profile.points,
        before=before,
        after=after if improved else before,
        left_out=found.left_out[0] if improved else before,
        changes=found.changes if improved else (),
        freedom=found.freedom[0] if improved else 0.0,
        sines=sines,
        improved=improved,
    )


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


def why_left(
    molecule: Molecule,
    topology: Topology,
    bond: Sequence[int],
    fit: TorsionFit,
    positions: np.ndarray,
) -> str:
    """See `cause`; positions (M,N,3) Å of all points."""
    rest = fit.reference - fit.fitted
    x = np.asarray(positions)[fit.points]
    return cause(molecule, topology, bond, fit.points, x, rest)


def cause(
    molecule: Molecule,
    topology: Topology,
    bond: Sequence[int],
    points: np.ndarray,
    positions: np.ndarray,
    rest: np.ndarray,
) -> str:
    """What most likely keeps a profile from being met.

    bond: the one that is turned, () = not known. points (M,) their numbers from 0; positions
    (M,N,3) Å; rest (M,) eV: reference - fitted, with mean 0.
    """
    x = np.asarray(positions, dtype=np.float64)
    bonds = [set(map(tuple, connectivity(molecule.numbers, frame).tolist())) for frame in x]
    moved = next(((i, a ^ bonds[0]) for i, a in enumerate(bonds) if a != bonds[0]), None)
    if moved:
        a, b = min(moved[1])
        return (
            f"bonds change along the scan: {label(molecule, a)}-{label(molecule, b)} at point "
            f"{points[moved[0]] + 1}"
        )
    jump = _jump(molecule, topology, bond, torch.tensor(x), points)
    if jump:
        return jump
    parts = {
        k: _centred(e.numpy()) for k, e in mm.terms(mm.tensors(topology), torch.tensor(x)).items()
    }
    for kind in ("lj", "coulomb"):
        parts[kind] = parts[kind] + parts.pop(f"{kind}14")
    parts.pop("torsion")
    alike = {k: float(np.mean(rest * e)) / (_rms(e) * _rms(rest) or 1.0) for k, e in parts.items()}
    kind = max(alike, key=lambda k: abs(alike[k]))
    names = {"lj": "Lennard-Jones", "coulomb": "Coulomb"}
    worst = int(points[int(np.argmax(np.abs(rest)))]) + 1
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


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _centred(e: np.ndarray) -> np.ndarray:
    return e - e.mean()


def _rms(e: np.ndarray) -> float:
    return float(np.sqrt(np.mean(e**2)))
