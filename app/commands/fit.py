"""Train a force field on labelled frames and save it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from app.commands import fit_together
from app.commands.fit_refit import refit, wanted
from app.console import Console, UserError, parse_settings
from core.analyses.errors import Errors, ErrorsSpec
from core.analyses.fit import Fit, FitSpec
from core.fieldref import FieldRef
from core.forcefields.info import Info

NAME = "fit"
HELP = "train a force field: pescape fit DATA --field sgdml --train 200 --out MODEL"
ORDER = 20
REGION = "surface-region"  # the one split that needs --region


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `fit`."""
    parser.add_argument("data", help="labelled frames of one molecule (extxyz, npz …)")
    parser.add_argument("--field", required=True, metavar="FIELD", help="for example sgdml")
    parser.add_argument("--train", type=int, default=200, metavar="N", help="training frames")
    parser.add_argument("--valid", type=int, default=100, metavar="N", help="validation frames")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument(
        "--split",
        default=FitSpec.method,
        metavar="METHOD",
        help="how frames are drawn: energy-stratified (default), random, evenly-spaced, "
        "farthest-point, cluster, trajectory-block or surface-region",
    )
    parser.add_argument(
        "--region",
        default="",
        metavar="I-J-K-L:A:B",
        help="for surface-region: train where this dihedral is from A to B degrees, test outside; "
        "atoms from 1, as 1-2-3-9:-90:90",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a hyper-parameter, for example sigma=20 (again for more)",
    )
    parser.add_argument("--test", metavar="DATA2", help="test on these frames instead")
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="gaff: start from this saved model, its edits and its flags (frozen, tied, bounds)",
    )
    fit_together.arguments(parser)
    group = parser.add_argument_group("refit of gaff to torsion profiles")
    group.add_argument(
        "--profile",
        action="store_true",
        help="DATA is a torsion scan; the torsions about the turned bond are fitted to it",
    )
    group.add_argument(
        "--with-profile",
        action="append",
        default=[],
        metavar="SCAN",
        help="fit this scan together with DATA (again for more)",
    )
    group.add_argument(
        "--around",
        action="append",
        default=[],
        metavar="I-J",
        help="only the torsions about this bond change, atoms from 1 (again for more; default with "
        "--profile: the bond that the scan turns, or what --set fit_terms=… says)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model file")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Fit, test, save."""
    if options.train < 1 or options.valid < 0:
        raise UserError("--train must be at least 1 and --valid at least 0")
    console.check_target(options.out)
    if options.region and options.split != REGION:
        raise UserError(f"--region goes with --split {REGION}")
    if wanted(options):
        if options.together or options.isolated:
            raise UserError("a refit to torsion profiles takes neither --together nor --isolated")
        return refit(options, console)
    hyper = parse_settings(options.set)
    if options.start:
        hyper["parameters"] = _start(options, hyper)
    data, paths = fit_together.read(options, console)
    for each in data:
        if options.train > len(each):
            raise UserError(
                f"{each.name} has {len(each)} frames, fewer than the {options.train} to train on; "
                "say with --train how many (and with --valid how many choose the settings)"
            )
    if options.isolated and not _info(console, options.field).combines:
        console.say(f"{options.field} has no energies of single atoms: --isolated changes nothing")
    folder = console.folder("fit")
    fit: Fit = console.run(
        FitSpec(
            key=options.field,
            dataset=paths[0],
            others=fit_together.shares(options, paths),
            n_train=options.train,
            n_valid=options.valid,
            seed=options.seed,
            method=options.split,
            region=options.region,
            hyper=hyper,
            device=options.device,
            out=str(folder),
        ),
        f"training {options.field}",
    )
    errors = fit.errors
    if options.test:
        _, other = console.dataset(options.test, name="test")
        field = FieldRef(key=fit.key, model=str(folder / "model.npz"), label=fit.label)
        errors = console.run(ErrorsSpec(field=field, dataset=other), "testing")
    console.copy(folder / "model.npz", options.out)
    figures: dict[str, Any] = {
        **error_figures(errors),
        "fit_seconds": fit.fit_seconds,
        "peak_rss_bytes": fit.peak_rss,
    }
    for key, value in fit.info.items():
        console.say(f"  {key}: {value}")
    rows = fit_together.molecules(fit, data[0]) if fit.others else []
    for _, _, _, found in rows:
        say_errors(console, found)
    if options.test or not rows:
        say_errors(console, errors)
    console.say(f"trained in {fit.fit_seconds:.1f} s, {fit.peak_rss / 2**30:.2f} GiB at most")
    console.say(f"saved {options.out}")
    figures["info"] = dict(fit.info)
    figures["hyper"] = dict(fit.hyper)
    figures["hyper_units"] = _units(console, fit.key)
    figures["n_train"] = len(fit.split.train)
    if rows:
        figures["molecules"] = fit_together.figures(rows)
    return figures


def _units(console: Console, key: str) -> dict[str, str]:
    """Units of the hyper-parameters that have one."""
    return {p.name: p.unit for p in _info(console, key).parameters if p.unit}


def _info(console: Console, key: str) -> Info:
    """What a force field tells about itself; of an unknown one, which the fit refuses, nothing."""
    rows = (info for info in console.engine.catalog() if info.key == key)
    return next(rows, Info(key, key, ""))


def _start(options: argparse.Namespace, hyper: dict[str, Any]) -> str:
    path = Path(options.start)
    if not path.is_file():
        raise UserError(f"--start {path}: there is no such file")
    if "parameters" in hyper:
        raise UserError("--start and --set parameters=… both say where the terms come from")
    return str(path.resolve())


def error_figures(errors: Errors) -> dict[str, float]:
    """The error keys of every command's JSON."""
    return {
        "energy_mae_eV": errors.energy_mae,
        "energy_rmse_eV": errors.energy_rmse,
        "force_mae_eV_per_A": errors.force_mae,
        "force_rmse_eV_per_A": errors.force_rmse,
        "energy_shift_eV": errors.energy_shift,
        "predict_bulk_ms": errors.predict_bulk_ms,
        "predict_single_ms": errors.predict_single_ms,
        "n_energies": errors.n_energies,
        "n_forces": errors.n_forces,
        **_uncertainty(errors),
    }


def _uncertainty(errors: Errors) -> dict[str, float]:
    mean, rank = errors.uncertainty
    if math.isnan(mean):
        return {}
    return {"sigma_mean_eV": mean, "sigma_error_rank_correlation": rank}


def say_errors(console: Console, errors: Errors) -> None:
    """Errors as a person reads them."""
    rows = [
        ["energy (meV)", _meV(errors.energy_mae), _meV(errors.energy_rmse), str(errors.n_energies)],
        ["force (meV/Å)", _meV(errors.force_mae), _meV(errors.force_rmse), str(errors.n_forces)],
    ]
    console.table([errors.label, "MAE", "RMSE", "frames"], rows)
    if errors.energy_shift:
        console.say(
            f"energies compared after a shift by their mean difference, "
            f"{errors.energy_shift:.4f} eV"
        )
    mean, rank = errors.uncertainty
    if math.isfinite(mean):
        known = f", rank correlation with the error {rank:.2f}" if math.isfinite(rank) else ""
        console.say(f"its own uncertainty of an energy: {_meV(mean)} meV on average{known}")
    for note in errors.notes.values():
        console.say(f"  {note}")
    if math.isfinite(errors.predict_bulk_ms):
        console.say(
            f"per geometry: {errors.predict_bulk_ms:.3f} ms in bulk, "
            f"{errors.predict_single_ms:.3f} ms single"
        )


def _meV(value: float) -> str:
    return f"{value * 1000:.2f}" if math.isfinite(value) else "–"
