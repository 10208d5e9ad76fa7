"""GAFF-NN's networks in our JSON, and back.

"networks": null, or {"constant" kcal/mol, "bond" | "angle" | "torsion" | "improper": [[atoms …,
function]], "functions": [{"kind", "low", "high", "kappa", "mean", "spread", "weights", "biases"}]}.
Atoms and functions count from 1. A function of q (Å, cosine of the angle, rad) is, with q' = q held
within low … high,

    f(q') + f'(q') (q - q') + kappa (q - q')²,    f = W_L tanh(… tanh(W_1 z + b_1)) + b_L

in kcal/mol; z = (features - mean) / spread, features q, or cos(q), cos(2q), cos(3q) (and as many
sines where there are six) of a dihedral. weights: of each layer, one row for each of its inputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.mm.export.subject import Bonded
from core.mm.topology import TERMS
from core.units import KCAL_MOL

KINDS = tuple(TERMS)
WAVES = ("torsion", "improper")
MAX_LAYERS = 8
MOST = 1 << 16  #: atoms and functions


def as_dict(bonded: Bonded) -> dict[str, Any]:
    """The record as plain values."""
    nets = bonded.networks
    kinds: dict[int, str] = {}
    for kind, which in bonded.which.items():
        kinds |= dict.fromkeys(which.tolist(), kind)
    rows = {
        kind: [[*(a + 1 for a in atoms), function + 1] for atoms, function in zip(
            bonded.atoms[kind].tolist(), bonded.which[kind].tolist(), strict=True)]
        for kind in KINDS
    }  # fmt: skip
    functions = []
    last = len(nets.weights) - 1
    for c in range(len(nets.low)):
        wave = bool(nets.periodic[c])
        count = nets.mean.shape[1] if wave else 1
        weights, biases = [], []
        for layer, (w, b) in enumerate(nets.weights):
            unit = KCAL_MOL if layer == last else 1.0
            rows_in = w[c][:count] if layer == 0 else w[c]
            weights.append((rows_in / unit).tolist())
            biases.append((b[c] / unit).tolist())
        bias = nets.weights[0][1][c] - _unused(nets, c, count)
        biases[0] = (bias / (KCAL_MOL if last == 0 else 1.0)).tolist()
        functions.append(
            {
                "kind": kinds.get(c, "torsion" if wave else "bond"),
                "low": float(nets.low[c]),
                "high": float(nets.high[c]),
                "kappa": float(nets.kappa[c]) / KCAL_MOL,
                "mean": nets.mean[c][:count].tolist(),
                "spread": nets.spread[c][:count].tolist(),
                "weights": weights,
                "biases": biases,
            }
        )
    return {"constant": bonded.offset / KCAL_MOL, **rows, "functions": functions}


def _unused(nets: Any, c: int, count: int) -> Any:
    """What features that are always 0 add to the first layer."""
    w = nets.weights[0][0][c][count:]
    return (w * (nets.mean[c][count:] / nets.spread[c][count:])[:, None]).sum(0)


def read(found: dict[str, Any], n_atoms: int) -> Bonded:
    """From such a record. Raises ValueError or KeyError where it is damaged."""
    import torch

    from core.mm.neural import Networks

    functions = list(found["functions"])
    kinds = [str(f["kind"]) for f in functions]
    if not set(kinds) <= set(KINDS):
        raise ValueError("a function of no kind of term")
    features = max((len(f["mean"]) for f in functions), default=1)
    features = 3 if features == 1 else features
    if features not in (3, 6):
        raise ValueError("a function with neither 1, 3 nor 6 features")
    atoms, which = {}, {}
    for kind in KINDS:
        table = np.array(found[kind], dtype=np.float64)
        table = table if len(table) else np.zeros((0, TERMS[kind][0] + 1))
        fits = table.ndim == 2 and table.shape[1] == TERMS[kind][0] + 1
        if not fits or not np.isin(table, np.arange(1, MOST)).all():
            raise ValueError(f"a {kind} that is not its atoms and its function")
        whole = table.astype(np.int64)
        atoms[kind], which[kind] = whole[:, :-1] - 1, whole[:, -1] - 1
        if (atoms[kind] >= n_atoms).any() or (which[kind] >= len(functions)).any():
            raise ValueError(f"a {kind} of atoms or a function that is not there")
        if any(kinds[f] != kind for f in which[kind].tolist()):
            raise ValueError(f"a {kind} that follows a function of another kind")
    layers = {len(f["weights"]) for f in functions} | {len(f["biases"]) for f in functions}
    if len(layers) != 1 or not 1 <= max(layers) <= MAX_LAYERS:
        raise ValueError("functions with different numbers of layers")
    weights = []
    for layer in range(layers.pop()):
        w = [np.array(f["weights"][layer], dtype=np.float64) for f in functions]
        w = [_wide(a, features) if layer == 0 else a for a in w]
        b = np.array([f["biases"][layer] for f in functions], dtype=np.float64)
        weights.append((_finite(np.array(w)), _finite(b)))
    width = features
    for rows, biases in weights:
        if rows.ndim != 3 or rows.shape[1] != width or biases.shape != (len(kinds), rows.shape[2]):
            raise ValueError("layers that do not fit each other")
        width = rows.shape[2]
    if width != 1:
        raise ValueError("networks with more than one output")
    unit = {len(weights) - 1: KCAL_MOL}
    plain = {n: _finite(np.array([f[n] for f in functions], dtype=np.float64))
             for n in ("low", "high", "kappa")}  # fmt: skip
    plain["kappa"] = plain["kappa"] * KCAL_MOL
    mean, spread = np.zeros((len(kinds), features)), np.ones((len(kinds), features))
    for c, f in enumerate(functions):
        m, s = (_finite(np.array(f[n], dtype=np.float64)) for n in ("mean", "spread"))
        if m.shape != s.shape or m.shape not in ((1,), (features,)) or not (s > 0).all():
            raise ValueError("features that are not scaled by positive numbers")
        if (kinds[c] in WAVES) != (len(m) > 1):
            raise ValueError("a function with the features of another kind")
        mean[c, : len(m)], spread[c, : len(s)] = m, s
    tensors: dict[str, Any] = {k: torch.tensor(v) for k, v in plain.items()}
    made = Networks(
        **tensors,
        mean=torch.tensor(mean),
        spread=torch.tensor(spread),
        periodic=torch.tensor([k in WAVES for k in kinds]),
        weights=tuple(
            (torch.tensor(w * unit.get(i, 1.0)), torch.tensor(b * unit.get(i, 1.0)))
            for i, (w, b) in enumerate(weights)
        ),
    )
    constant = float(found["constant"]) * KCAL_MOL
    if not np.isfinite(constant):
        raise ValueError("a constant that is not finite")
    return Bonded(atoms, which, made, constant)


def _wide(w: np.ndarray, features: int) -> np.ndarray:
    """(in,out) -> (features,out), rows of features that are always 0 filled up."""
    if w.ndim != 2 or len(w) not in (1, features):
        raise ValueError("a first layer that does not fit the features")
    return np.concatenate([w, np.zeros((features - len(w), w.shape[1]))])


def _finite(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise ValueError("a number that is not finite")
    return array
