"""`pescape fit` where torsion profiles or single bonds are fitted: core.analyses.refit."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from app.console import Console, UserError, parse_settings
from core.analyses.errors import ErrorsSpec
from core.analyses.parameters import Parameters, ParametersSpec
from core.analyses.refit import Profile, Refit, RefitSpec
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.units import KCAL_MOL

SHOWN = 8  #: parameters on the terminal, those that changed most


def wanted(options: argparse.Namespace) -> bool:
    """Whether the options ask for a refit to profiles or about single bonds."""
    return bool(options.profile or options.with_profile or options.around)


def refit(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Read, refit, tell, save."""
    if options.field != "gaff":
        raise UserError(f"--profile, --with-profile and --around are for gaff, not {options.field}")
    around = [_bond(text) for text in options.around]
    profiles: list[Profile] = []
    path = ""
    if options.profile:
        data, profiles = _scans(console, options.data, "data")
    else:
        data, path = console.dataset(options.data)
    for k, source in enumerate(options.with_profile):
        other, more = _scans(console, source, f"profile-{k + 1}")
        _same_atoms(other, data, source)
        profiles += more
    start = _start(options, console, data)
    settings = parse_settings(options.set)
    if options.profile and not around and "fit_terms" not in settings:
        around = _turned(options.data, start, profiles, console)
    _check_bonds(around, start)
    folder = console.folder("fit")
    found: Refit = console.run(
        RefitSpec(
            molecule=start.molecule,
            topology=start.topology,
            hyper={**start.hyper, **settings},
            flags=start.flags,
            dataset=path,
            n_train=options.train,
            n_valid=options.valid,
            seed=options.seed,
            profiles=tuple(profiles),
            around=tuple(around),
            label=f"{start.label}, refitted",
            parent=start.label,
            out=str(folder),
        ),
        "refitting gaff",
    )
    errors = found.fit.errors
    if options.test:
        _, held = console.dataset(options.test, name="test")
        field = FieldRef("", model=str(folder / "model.npz"), label=found.fit.label)
        errors = console.run(ErrorsSpec(field=field, dataset=held), "testing")
    console.copy(folder / "model.npz", options.out)
    _say(found, console)
    figures: dict[str, Any] = {}
    if errors.n_energies or errors.n_forces:
        from app.commands.fit import error_figures, say_errors

        say_errors(console, errors)
        figures |= error_figures(errors)
    console.say(f"refitted in {found.fit.fit_seconds:.1f} s; saved {options.out}")
    return figures | _figures(found, around)


def _scans(console: Console, source: str, name: str) -> tuple[Dataset, list[Profile]]:
    """The scans of one molecule in a file, and the molecule as a data set."""
    found = console.read(source, name=name).datasets
    first = found[0]
    z = first.molecule.numbers
    other = next((d for d in found if not np.array_equal(d.molecule.numbers, z)), None)
    if other is not None:
        raise UserError(
            f"{source} has scans of different molecules or atom orders, {first.name} and "
            f"{other.name}; give a file with one of them"
        )
    names = [Path(source).stem if len(found) == 1 else d.name for d in found]
    profiles = []
    for label, data in zip(names, found, strict=True):
        if data.energies is None:
            raise UserError(f"{source} has no energies; a torsion profile needs them")
        profiles.append(Profile(label, data.positions, data.energies))
    return first, profiles


def _start(options: argparse.Namespace, console: Console, data: Dataset) -> Parameters:
    """The terms to start from: a saved model's, or those of the tables."""
    hyper = parse_settings(options.set)
    model = ""
    if options.start:
        if not Path(options.start).is_file():
            raise UserError(f"--start {options.start}: there is no such file")
        model = str(Path(options.start).resolve())
        hyper = {}
    found: Parameters = console.run(
        ParametersSpec(data.molecule, hyper=hyper, model=model), "looking up parameters"
    )
    return found


def _turned(
    source: str, start: Parameters, profiles: list[Profile], console: Console
) -> list[tuple[int, int]]:
    """The bonds that the scans turn: as the file says (dihedrals=…), else from the geometries."""
    from core.fitting.mm.driven import driven_bond

    said = _stated(source, start)
    if said is not None and len(profiles) == 1:
        console.say(f"the file says that the bond {_name(said, start)} is turned")
        return [said]
    found = []
    for profile in profiles:
        bond = driven_bond(start.topology, profile.positions)
        if bond is None:
            raise UserError(
                f"{profile.name}: no bond is seen to be turned by 75° or more; say which with "
                "--around I-J"
            )
        console.say(f"{profile.name}: the bond {_name(bond, start)} is turned")
        found.append(bond)
    return list(dict.fromkeys(found))


def _stated(source: str, start: Parameters) -> tuple[int, int] | None:
    """The bond of `dihedrals=4-5-6-7` in an extended XYZ file, atoms from 0 as ASE counts."""
    try:
        with open(source, encoding="utf-8", errors="replace") as stream:
            head = [stream.readline(10_000) for _ in range(2)]
    except OSError:
        return None
    match = re.search(r'\bdihedrals?="?(\d+)[-, ](\d+)[-, ](\d+)[-, ](\d+)', head[1])
    if not match:
        return None
    i, j = sorted(int(a) for a in match.groups()[1:3])
    turned = {tuple(sorted(pair)) for pair in start.topology.torsion.atoms[:, 1:3].tolist()}
    return (i, j) if (i, j) in turned else None


def _same_atoms(have: Dataset, want: Dataset, source: str) -> None:
    """Atoms in another order would be fitted to nonsense."""
    ours, theirs = want.molecule, have.molecule
    if np.array_equal(ours.numbers, theirs.numbers):
        return
    if ours.formula != theirs.formula:
        raise UserError(f"{source} is of {theirs.formula}, the data are of {ours.formula}")
    at = int(np.flatnonzero(ours.numbers != theirs.numbers)[0])
    raise UserError(
        f"{source} has another atom order: atom {at + 1} is {theirs.symbols[at]} there and "
        f"{ours.symbols[at]} in the data. Reorder the atoms"
    )


def _bond(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text)
    if not match or int(match[1]) < 1 or int(match[2]) < 1:
        raise UserError(f"--around {text!r} is no bond of two atoms, as 2-3 (atoms from 1)")
    return int(match[1]) - 1, int(match[2]) - 1


def _check_bonds(bonds: list[tuple[int, int]], start: Parameters) -> None:
    n = len(start.molecule.numbers)
    for bond in bonds:
        if max(bond) >= n:
            raise UserError(f"--around names atom {max(bond) + 1}; the molecule has {n}")


def _name(bond: tuple[int, ...], start: Parameters) -> str:
    return "-".join(f"{start.molecule.symbols[a]}{a + 1}" for a in bond)


def _say(found: Refit, console: Console) -> None:
    for key, value in found.fit.info.items():
        if not key.startswith(("changed most", "profile ")):  # the tables below say those
            console.say(f"  {key}: {value}")
    if found.profiles:
        rows = [
            [p.name, f"{p.rmse_before / KCAL_MOL:.2f}", f"{p.rmse_after / KCAL_MOL:.2f}",
             f"{int(np.isfinite(p.reference).sum())} of {len(p.reference)}"]
            for p in found.profiles
        ]  # fmt: skip
        console.table(["profile (RMSE, kcal/mol)", "before", "after", "points"], rows)
    for profile in found.profiles:
        if profile.cause:
            console.say(f"  {profile.name}: {profile.cause}")
    rows = [
        [
            f"{c.label} {c.quantity.split('.')[-1]}",
            *_shown(c.quantity, c.before, c.after),
            f"{c.widths:+.2f}",
        ]
        for c in found.changes[:SHOWN]
    ]
    console.table(["changed most", "before", "after", "prior widths"], rows)


def _shown(quantity: str, *values: float) -> list[str]:
    """Values as chemists write them: kcal/mol, degrees."""
    if quantity == "angle.theta0":
        return [f"{math.degrees(v):.1f}°" for v in values]
    energy = quantity.endswith((".k", ".D")) or quantity == "epsilon"
    return [f"{v / KCAL_MOL:.3f} kcal/mol" if energy else f"{v:.4f}" for v in values]


def _figures(found: Refit, around: list[tuple[int, int]]) -> dict[str, Any]:
    from core.fitting.mm.options import UNITS

    fit = found.fit
    return {
        "profiles": [
            {
                "name": p.name,
                "rmse_before_eV": p.rmse_before,
                "rmse_after_eV": p.rmse_after,
                "points": len(p.reference),
                "points_used": int(np.isfinite(p.reference).sum()),
                "cause": p.cause,
            }
            for p in found.profiles
        ],
        "changes": [
            {
                "label": c.label,
                "quantity": c.quantity,
                "unit": UNITS[c.quantity],
                "before": c.before,
                "after": c.after,
                "prior_widths": c.widths,
            }
            for c in found.changes
        ],
        "held_out_rmse": {
            f"{what}_{when}_{'eV' if what == 'energy' else 'eV_per_A'}": value
            for what, pair in found.held_out.items()
            for when, value in zip(("before", "after"), pair, strict=True)
        },
        "contributions_rms_eV": {
            kind: {"before": pair[0], "after": pair[1]}
            for kind, pair in found.contributions.items()
        },
        "around": [[a + 1 for a in bond] for bond in around],
        "fit_seconds": fit.fit_seconds,
        "peak_rss_bytes": fit.peak_rss,
        "n_train": len(fit.split.train),
        "info": dict(fit.info),
        "hyper": dict(fit.hyper),
    }
