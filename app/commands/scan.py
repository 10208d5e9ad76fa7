"""Scan one or two dihedrals with any number of force fields, rigid or relaxed."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from app.cli_output import plain, write_text
from app.console import Console, UserError
from core.analyses import surface_tools
from core.analyses.surface import Axis, Layer, Surface, SurfaceSpec
from core.geometry import wrap
from core.units import KCAL_MOL

NAME = "scan"
HELP = "energy over dihedrals: pescape scan GEOMETRY --field uff --axis 1-2-3-9:-180:165:24 --out F"
ORDER = 40


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `scan`."""
    parser.add_argument("geometry", help="a file with one molecule, or a SMILES string")
    parser.add_argument("--frame", type=int, default=1, help="which frame of the file, from 1")
    parser.add_argument(
        "--field",
        action="append",
        required=True,
        metavar="MODEL|FIELD",
        help="a model file, or a force field as KEY[,name=value]; again for more",
    )
    parser.add_argument(
        "--axis",
        action="append",
        required=True,
        metavar="i-j-k-l:start:stop:n",
        help="a dihedral: atoms from 1, degrees, both ends included (once or twice)",
    )
    parser.add_argument(
        "--relax",
        action="store_true",
        help="minimise the rest with the dihedrals held (else rotate rigidly)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".csv, .json or .npz (everything, with geometries)",
    )


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Scan and write."""
    if options.out.suffix not in (".csv", ".json", ".npz"):
        raise UserError(f"--out {options.out}: the name must end in .csv, .json or .npz")
    console.check_target(options.out)
    if len(options.axis) > 2:
        raise UserError(f"{len(options.axis)} axes; one or two are possible")
    axes = tuple(parse_axis(text) for text in options.axis)
    molecule = console.molecule(options.geometry, frame=options.frame)
    fields = tuple(console.field(text) for text in options.field)
    folder = console.folder("surface")
    surface: Surface = console.run(
        SurfaceSpec(
            molecule=molecule,
            axes=axes,
            fields=fields,
            relax=options.relax,
            device=options.device,
            out=str(folder),
        ),
        "scanning",
    )
    figures = surface_figures(surface)
    if options.out.suffix == ".npz":
        console.copy(folder / "record.npz", options.out)
    elif options.out.suffix == ".json":
        write_text(options.out, json.dumps(plain(figures), indent=1) + "\n")
    else:
        write_text(options.out, surface_csv(surface))
    say_surface(console, surface)
    console.say(f"saved {options.out}")
    failed = [layer.label for layer in surface.layers if not np.isfinite(layer.energy).any()]
    if failed:
        raise UserError(f"no point could be computed with {', '.join(failed)}", status=1)
    return figures


def parse_axis(text: str) -> Axis:
    """ "1-2-3-9:-180:165:24" -> Axis. Raises UserError that says what is wrong."""
    parts = text.split(":")
    try:
        atoms = tuple(int(a) - 1 for a in parts[0].split("-"))
        start, stop, n = float(parts[1]), float(parts[2]), int(parts[3])
    except (ValueError, IndexError):
        atoms, start, stop, n = (), 0.0, 0.0, 0
    if len(atoms) != 4 or len(parts) != 4:
        raise UserError(f"--axis {text!r} is not i-j-k-l:start:stop:n, as in 1-2-3-9:-180:165:24")
    if not (math.isfinite(start) and math.isfinite(stop)) or not 1 <= n <= 3601:
        raise UserError(f"--axis {text!r}: between 1 and 3601 points over finite angles, please")
    return Axis(atoms=atoms, start=math.radians(start), stop=math.radians(stop), n=n)


def grid_degrees(surface: Surface) -> np.ndarray:
    """Requested angles (G,A) in degrees, second axis fastest."""
    return np.degrees(surface_tools.grid_angles(surface.axes))


def surface_csv(surface: Surface) -> str:
    """One row per grid point: requested and measured angles, energy of every force field."""
    names = axis_names(surface)
    header = [f"{n}_requested_deg" for n in names]
    for layer in surface.layers:
        header += [
            f"{layer.label}_energy_eV",
            f"{layer.label}_relative_kcal_per_mol",
            f"{layer.label}_converged",
        ]
        header += [f"{layer.label}_{n}_measured_deg" for n in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    relative = [relative_kcal(layer) for layer in surface.layers]
    for g, angles in enumerate(grid_degrees(surface)):
        row: list[Any] = [f"{a:.6f}" for a in angles]
        for layer, energy in zip(surface.layers, relative, strict=True):
            row += [f"{layer.energy[g]:.8f}", f"{energy[g]:.6f}", int(layer.converged[g])]
            row += [f"{a:.6f}" for a in np.degrees(layer.measured[g])]
        writer.writerow(row)
    return text.getvalue()


def axis_names(surface: Surface) -> list[str]:
    """Atoms of each axis, counted from 1."""
    return ["-".join(str(a + 1) for a in axis.atoms) for axis in surface.axes]


def relative_kcal(layer: Layer) -> np.ndarray:
    """(G,) kcal/mol above the layer's own minimum."""
    return surface_tools.zeroed(layer.energy) / KCAL_MOL


def off_degrees(surface: Surface, layer: Layer) -> float:
    """Largest |requested - measured| dihedral, degrees."""
    off = np.degrees(wrap(surface_tools.grid_angles(surface.axes) - layer.measured))
    good = np.isfinite(off)
    return float(np.abs(off[good]).max()) if good.any() else float("nan")


def surface_figures(surface: Surface) -> dict[str, Any]:
    """The JSON of a scan."""
    return {
        "axes": axis_names(surface),
        "relaxed": surface.relaxed,
        "requested_deg": grid_degrees(surface),
        "fields": {
            layer.label: {
                "energy_eV": layer.energy,
                "relative_kcal_per_mol": relative_kcal(layer),
                "measured_deg": np.degrees(np.asarray(layer.measured)),
                "converged": np.asarray(layer.converged).astype(bool),
                "failed_points": dict(layer.problems),
                "max_angle_error_deg": off_degrees(surface, layer),
                "seconds": layer.seconds,
                "ms_per_point": 1000 * layer.seconds / len(layer.energy),
            }
            for layer in surface.layers
        },
    }


def say_surface(console: Console, surface: Surface) -> None:
    """One line per force field."""
    rows = []
    for layer in surface.layers:
        energy = relative_kcal(layer)
        good = np.isfinite(energy)
        rows.append(
            [
                layer.label,
                f"{int(good.sum())}/{len(energy)}",
                f"{np.nanmax(energy):.2f}" if good.any() else "–",
                f"{off_degrees(surface, layer):.1e}",
                f"{1000 * layer.seconds / len(energy):.2f}",
            ]
        )
    console.table(["force field", "points", "range kcal/mol", "angle error °", "ms/point"], rows)
    for layer in surface.layers:
        for point, why in list(layer.problems.items())[:5]:
            console.say(f"  {layer.label}, point {point}: {why}")
