"""Fitted values back into a topology."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from core.fitting.mm.fourier import Series, Wave
from core.fitting.mm.model import Model
from core.mm.topology import Term, Topology

SOURCE = "refit"
NOTHING = 1e-9  #: eV; an amplitude below this needs no row


def write(model: Model, values: np.ndarray) -> tuple[Topology, np.ndarray | None]:
    """values (P,) -> the start's topology with them, and the depths of Morse bonds (T,) eV."""
    start = model.start
    changed: dict[str, Any] = {}
    for kind in ("bond", "angle"):
        term = getattr(start, kind)
        columns = {n: c.copy() for n, c in term.parameters.items()}
        touched: set[int] = set()
        for name in columns:
            for rows, at in model.tied.get(f"{kind}.{name}", []):
                columns[name][rows] = values[at]
                touched |= set(rows.tolist())
        changed[kind] = dataclasses.replace(
            term, parameters=columns, source=_sources(term, touched)
        )
    for kind in ("torsion", "improper"):
        series = [s for s in model.fourier if s.kind == kind]
        if series:
            changed[kind] = _fourier(getattr(start, kind), series, values, keep=kind == "improper")
    for name in ("epsilon", "rmin_half"):
        column = getattr(start, name).copy()
        for rows, at in model.tied.get(name, []):
            column[rows] = values[at]
        changed[name] = column
    if model.charges_of is not None:
        charges = model.charges_of(torch.tensor(values)).numpy()[model.charge_classes]
        changed["charges"] = _total(charges, model)
    depth = None
    if model.depth is not None:
        depth = model.depth.copy()
        for rows, at in model.tied.get("bond.D", []):
            depth[rows] = values[at]
    kinds = ", ".join(model.options.kinds)
    told = (*start.notes, f"refitted to quantum data: {kinds}, tied by {model.options.tie}")
    return dataclasses.replace(start, notes=told, **changed), depth


def _total(charges: np.ndarray, model: Model) -> np.ndarray:
    """The start's total to the last digit, put on charges that may change."""
    free = [not model.rules.frozen("charge", i) for i in range(len(charges))]
    if not any(free):
        return model.start.charges.copy()
    return charges + np.where(free, (model.start.charges.sum() - charges.sum()) / sum(free), 0.0)


def _sources(term: Term, rows: set[int]) -> tuple[str, ...]:
    old = term.source or ("",) * len(term)
    return tuple(SOURCE if i in rows else s for i, s in enumerate(old))


def _fourier(term: Term, series: list[Series], values: np.ndarray, *, keep: bool) -> Term:
    """The term with every quartet's free rows replaced by its fitted series.

    keep: write also amplitudes of nothing (an improper that vanishes is still one).
    """
    place = {int(row): s for s in series for row in s.rows}
    done: set[tuple[int, ...]] = set()
    rows: list[tuple[int, float, float, float]] = []  # row of the start, k, n, phase
    p = term.parameters
    for row, atoms in enumerate(term.atoms.tolist()):
        if row not in place or p["n"][row] == 0:
            rows.append((row, float(p["k"][row]), float(p["n"][row]), float(p["phase"][row])))
            if row not in place:
                continue
        key = tuple(atoms if atoms[1] < atoms[2] or keep else atoms[::-1])
        if key in done:
            continue
        done.add(key)
        left = len(rows)
        for wave in place[row].waves:
            k, phase = _amplitude(wave, values)
            if abs(k) > NOTHING or keep or wave.phase is not None:
                rows.append((row, k, float(wave.n), phase))
        if len(rows) == left:  # nothing is left of the series, but the torsion stays listed
            rows.append((row, 0.0, float(p["n"][row]), float(p["phase"][row])))
    index = [r[0] for r in rows]
    columns = {
        name: np.array([r[i] for r in rows]) for i, name in enumerate(("k", "n", "phase"), 1)
    }

    def texts(old: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(old[i] for i in index) if old else ()

    source = tuple(SOURCE if i in place else (term.source[i] if term.source else "") for i in index)
    penalty = term.penalty[index] if len(term.penalty) else term.penalty
    return Term(term.kind, term.atoms[index], columns, texts(term.types), source, penalty)


def _amplitude(wave: Wave, values: np.ndarray) -> tuple[float, float]:
    """k eV and phase rad; k >= 0 unless the phase is one that is kept."""
    a = float(values[wave.cosine])
    if wave.phase is not None:
        return a, wave.phase
    if wave.sine < 0:
        return abs(a), 0.0 if a >= 0 else float(np.pi)
    b = float(values[wave.sine])
    k, phase = float(np.hypot(a, b)), float(np.arctan2(b, a))
    # pi and not -pi; the rounding of a cosine's phase is no sine
    return k, abs(phase) if np.sin(phase) ** 2 < 1e-20 else phase
