"""What a refit did to profiles and to the whole surface: before, after, and by kind of term."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.analyses.errors import Errors
    from core.analyses.refit import ParameterChange, Profile, ProfileFit
    from core.fitting.mm.options import Change
    from core.mm.topology import Topology
    from core.molecule import Molecule

MET = 0.4 * 0.0433641  #: eV, 0.4 kcal/mol: a profile met better than this has no cause to look for


def kinds(topology: Topology, positions: np.ndarray) -> dict[str, np.ndarray]:
    """Kind of term -> energy (G,) eV at positions (G,N,3) Å."""
    import torch

    from core.mm import energy as mm

    t = mm.tensors(topology)
    parts: dict[str, list[np.ndarray]] = {}
    with torch.no_grad():
        for x in torch.tensor(np.asarray(positions, dtype=float)).split(2000):
            for kind, e in mm.terms(t, x).items():
                parts.setdefault(kind, []).append(e.numpy())
    return {kind: np.concatenate(e) for kind, e in parts.items()}


def profile_fit(
    molecule: Molecule,
    profile: Profile,
    before: Topology,
    after: Topology,
    bonds: Sequence[tuple[int, ...]],
    *,
    used: bool,
) -> ProfileFit:
    """The profile before and after; bonds: those whose torsions were fitted (() = not known)."""
    from core.analyses.refit import ProfileFit
    from core.fitting.mm.driven import driven_bond
    from core.fitting.mm.torsion_refit import cause

    have = np.isfinite(profile.energies)
    where = have if have.any() else np.ones(len(have), dtype=bool)

    def centred(e: np.ndarray) -> np.ndarray:
        return e - e[where].mean()

    def rmse(e: np.ndarray) -> float:
        rest = (e - profile.energies)[have]
        return float(rest.std()) if len(rest) else float("nan")

    parts = [kinds(topology, profile.positions) for topology in (before, after)]
    sums = [np.sum(list(p.values()), axis=0) for p in parts]
    why = ""
    if rmse(sums[1]) > MET:
        bond = bonds[0] if len(bonds) == 1 else driven_bond(after, profile.positions) or ()
        points = np.flatnonzero(have)
        rest = centred(profile.energies) - centred(sums[1])
        why = cause(molecule, after, bond, points, profile.positions[points], rest[points])
    return ProfileFit(
        name=profile.name,
        positions=profile.positions,
        reference=centred(profile.energies),
        before=centred(sums[0]),
        after=centred(sums[1]),
        rmse_before=rmse(sums[0]),
        rmse_after=rmse(sums[1]),
        kinds_before={k: centred(e) for k, e in parts[0].items()},
        kinds_after={k: centred(e) for k, e in parts[1].items()},
        cause=why,
        used=used,
    )


def contributions(
    before: Topology, after: Topology, sets: Sequence[np.ndarray]
) -> dict[str, tuple[float, ...]]:
    """Kind -> (RMS before, RMS after) eV about its mean, over sets of positions (M,N,3) Å.

    Each set has a mean of its own, as its energy constant is free.
    """
    total: dict[str, list[float]] = {}
    count = sum(len(x) for x in sets)
    for x in sets:
        pair = [kinds(topology, x) for topology in (before, after)]
        for kind in pair[0]:
            line = total.setdefault(kind, [0.0, 0.0])
            for i, parts in enumerate(pair):
                line[i] += float(((parts[kind] - parts[kind].mean()) ** 2).sum())
    return {
        k: (float((a / count) ** 0.5), float((b / count) ** 0.5)) for k, (a, b) in total.items()
    }


def parameter_changes(changes: Sequence[Change]) -> tuple[ParameterChange, ...]:
    """Of parameters that were free, largest first."""
    from core.analyses.refit import ParameterChange

    return tuple(
        ParameterChange(c.label.rsplit(" ", 1)[0], c.name, c.before, c.after, c.sigmas)
        for c in changes
        if not c.frozen
    )


def no_errors(label: str) -> Errors:
    """Errors of a fit without a data set: nothing was compared."""
    from core.analyses.errors import Errors

    nan, none = float("nan"), np.zeros(0)
    notes = {"errors": "no data set was chosen"}
    return Errors(
        label, 0, 0, nan, nan, nan, nan, nan, none, none, none, none, none, notes=notes
    )  # fmt: skip
