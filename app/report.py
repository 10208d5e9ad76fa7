"""One HTML file with figures inside it, CSV tables beside it."""

from __future__ import annotations

import base64
import csv
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.cli_output import write_text
from core.analyses import surface_tools
from core.analyses.dynamics import Trajectory
from core.analyses.errors import Errors
from core.analyses.surface import Surface
from core.bonding import chain_label
from core.geometry import measure
from core.units import KCAL_MOL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, readable by the colour-blind; the window uses the same order.
COLORS = ("#1a1a1a", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b97a00")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
figure { margin: 1.5rem 0; } figcaption { color: #555; }
code { background: #f3f3f3; padding: 0 .2rem; }
@media (prefers-color-scheme: dark) { img { background: #fff; border-radius: 4px; } }
"""


class Report:
    """Collects sections, writes report.html and the tables into one folder."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder = folder
        self.title = title
        self.parts: list[str] = []

    def text(self, words: str) -> None:
        """A paragraph."""
        self.parts.append(f"<p>{html.escape(words)}</p>")

    def heading(self, words: str) -> None:
        """A section heading."""
        self.parts.append(f"<h2>{html.escape(words)}</h2>")

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """Embed a figure and write it as NAME.png."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130)
        (self.folder / f"{name}.png").write_bytes(buffer.getvalue())
        data = base64.b64encode(buffer.getvalue()).decode()
        self.parts.append(
            f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )

    def table(self, name: str, header: list[str], rows: list[list[Any]]) -> None:
        """Show a table and write it as NAME.csv."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        write_text(self.folder / f"{name}.csv", text.getvalue())
        head = "".join(f"<th>{html.escape(h)}</th>" for h in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>"
            for row in rows
        )
        self.parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        self.parts.append(f"<p><a href='{name}.csv'>{name}.csv</a></p>")

    def write(self) -> Path:
        """Write report.html; returns its path."""
        path = self.folder / "report.html"
        write_text(
            path,
            f"<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head><body>"
            f"<h1>{html.escape(self.title)}</h1>{''.join(self.parts)}</body></html>\n",
        )
        return path


def new_figure(width: float, height: float) -> Figure:
    """A figure that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _grid(surface: Surface, values: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Axis edges in degrees and the closed grid, for drawing exactly one period."""
    grid = surface_tools.closed(values, surface.axes)
    sides = [
        np.degrees(np.linspace(*surface_tools.extent(axis), n))
        for axis, n in zip(surface.axes, grid.shape, strict=True)
    ]
    return sides, grid


def maps(surface: Surface, *, reference: int, top: float = 12.0) -> Figure:
    """Energies of every layer on one scale (kcal/mol), differences to the reference below."""
    layers = surface.layers
    figure = new_figure(3.1 * len(layers), 6.4)
    axes = figure.subplots(2, len(layers), squeeze=False, sharex=True, sharey=True)
    base = layers[reference].energy
    off = [surface_tools.difference(layer.energy, base) / KCAL_MOL for layer in layers]
    spread = np.nanpercentile(np.abs(np.concatenate(off)), 98)
    for column, layer in enumerate(layers):
        (x, y), grid = _grid(surface, surface_tools.zeroed(layer.energy) / KCAL_MOL)
        above = axes[0, column]
        energy = above.pcolormesh(x, y, grid.T, cmap="viridis", vmin=0, vmax=top, shading="gouraud")
        above.contour(x, y, grid.T, levels=np.arange(1, top), colors="white", linewidths=0.5)
        above.set_title(layer.label)
        below = axes[1, column]
        if column == reference:
            below.axis("off")
            continue
        _, change = _grid(surface, off[column])
        error = below.pcolormesh(
            x, y, change.T, cmap="RdBu_r", vmin=-spread, vmax=spread, shading="gouraud"
        )
        rmse = surface_tools.rmse(layer.energy, base) / KCAL_MOL
        below.set_title(f"− {layers[reference].label}: RMSE {rmse:.2f}", fontsize=9)
    for ax in axes.flat:
        ax.set_aspect("equal")
        ax.set_xticks(np.arange(-180, 181, 60))
        ax.set_yticks(np.arange(-180, 181, 60))
        ax.tick_params(labelsize=7)
    names = [axis_label(surface, k) for k in range(2)]
    figure.supxlabel(f"{names[0]} (°)")
    figure.supylabel(f"{names[1]} (°)")
    figure.colorbar(energy, ax=axes[0, :], label="energy (kcal/mol)", extend="max")
    figure.colorbar(error, ax=axes[1, :], label="difference (kcal/mol)", extend="both")
    return figure


def axis_label(surface: Surface, k: int) -> str:
    """For example C1–C2–O3–H9."""
    return chain_label(surface.molecule, surface.axes[k].atoms)


def parity(errors: Errors) -> Figure:
    """Predicted against reference energies and force components."""
    figure = new_figure(8.6, 4.2)
    left, right = figure.subplots(1, 2)
    zero = np.mean(errors.energies)
    rows = (
        (left, errors.energies - zero, errors.predicted_energies - zero, "energy (eV)"),
        (right, errors.forces, errors.predicted_forces, "force component (eV/Å)"),
    )
    for ax, true, predicted, name in rows:
        ax.plot(true, predicted, ".", ms=3, color=COLORS[1], alpha=0.6)
        ends = [np.min(true), np.max(true)]
        ax.plot(ends, ends, "-", lw=1, color="#777")
        ax.set_xlabel(f"reference {name}")
        ax.set_ylabel(f"predicted {name}")
    left.set_title(f"energy MAE {1000 * errors.energy_mae:.1f} meV")
    right.set_title(f"force MAE {1000 * errors.force_mae:.1f} meV/Å")
    return figure


def dynamics(trajectory: Trajectory, surface: Surface, *, layer: int) -> Figure:
    """Temperature and energy over time, and the path on a layer of the surface."""
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    time = np.asarray(trajectory.time) / 1000
    left.plot(time, trajectory.temperature, lw=0.4, color=COLORS[1], alpha=0.5)
    left.plot(time, np.nanmean(trajectory.temperature, axis=1), lw=1.4, color=COLORS[2])
    left.set_xlabel("time (ps)")
    left.set_ylabel("temperature (K): replicas and their mean")
    (x, y), grid = _grid(surface, surface_tools.zeroed(surface.layers[layer].energy) / KCAL_MOL)
    right.pcolormesh(x, y, grid.T, cmap="viridis", vmin=0, vmax=12, shading="gouraud")
    atoms = [axis.atoms for axis in surface.axes]
    paths = np.stack([measure(trajectory.positions, a) for a in atoms], axis=-1)  # (S,R,2)
    for replica in range(paths.shape[1]):
        path = paths[:, replica]
        path = np.degrees(surface_tools.broken(path[np.isfinite(path).all(-1)], surface.axes))
        right.plot(path[:, 0], path[:, 1], lw=0.5, color="white", alpha=0.8)
    right.set_aspect("equal")
    right.set_xticks(np.arange(-180, 181, 60))
    right.set_yticks(np.arange(-180, 181, 60))
    right.set_xlabel(f"{axis_label(surface, 0)} (°)")
    right.set_ylabel(f"{axis_label(surface, 1)} (°)")
    right.set_title(f"path on {surface.layers[layer].label}")
    return figure
