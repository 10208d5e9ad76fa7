"""GAFF-NN's bonded terms as OpenMM's Custom forces: the networks written out as expressions.

All terms of a kind share one expression of the internal coordinate; the weights are parameters of
each term, with every digit. So OpenMM computes the very function, in compiled code and without
Python. (Its PythonForce is not used: it keeps its function as a pickle inside the XML, and whoever
reads such a file runs what somebody wrote there.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.mm.export.subject import Bonded, ExportError
from core.units import KJ_MOL

if TYPE_CHECKING:
    from core.mm.neural import Networks

#: Hidden layers -> units, up to which OpenMM differentiates and compiles the expression within
#: about half a second for a kind of term. (Its expressions have no vectors: the derivative of a
#: unit is written out through every unit below, 41 s for three layers of 16.)
MOST = {1: 64, 2: 10}
#: Our coordinate q (Å, a cosine, rad) from OpenMM's.
COORDINATE = {"bond": "10*r", "angle": "cos(theta)", "torsion": "theta", "improper": "theta"}


@dataclass(frozen=True, eq=False)
class Custom:
    """One kind of term. atoms (T,k); energy: the expression in kJ/mol, nm and rad; names (P,) of
    the parameters of a term and their values (T,P)."""

    kind: str
    atoms: np.ndarray
    energy: str
    names: tuple[str, ...]
    values: np.ndarray


def customs(bonded: Bonded) -> dict[str, Custom]:
    """Kind of term -> its expression. Raises ExportError for networks that are too large."""
    shape = [b.shape[1] for _, b in bonded.networks.weights[:-1]]
    if max(shape, default=0) > MOST.get(len(shape), 0):
        known = " or ".join(f"{n} hidden layer{'s' * (n > 1)} of {w}" for n, w in MOST.items())
        raise ExportError(
            f"networks of {len(shape)} hidden layers of {max(shape, default=0)} units are too "
            f"large for OpenMM's expressions (at most {known} units); train smaller ones"
        )
    return {
        kind: _custom(kind, atoms, bonded.which[kind], bonded.networks)
        for kind, atoms in bonded.atoms.items()
        if len(atoms)
    }


def _custom(kind: str, atoms: np.ndarray, which: np.ndarray, all_: Networks) -> Custom:
    """E = f(q') + slope (q - q') + kappa (q - q')², as in `core.mm.neural`, f written out."""
    import torch

    nets = all_.take(torch.as_tensor(which, device=all_.low.device))
    waves = kind in ("torsion", "improper")
    names: list[str] = []
    columns: list[np.ndarray] = []

    def parameter(name: str, values: torch.Tensor) -> str:
        names.append(name)
        columns.append(values.double().cpu().numpy())
        return name

    inputs, count = _inputs(nets.mean.shape[1], waves=waves)
    last, lines = len(nets.weights) - 1, []
    for layer, (w, b) in enumerate(nets.weights):
        if layer == 0:  # the standardised features, as weights of the plain ones
            w = w / nets.spread[:, :, None]
            b = b - (w * nets.mean[:, :, None]).sum(1)
            w = w[:, :count]
        scale = 1.0 / KJ_MOL if layer == last else 1.0
        outputs = []
        for j in range(w.shape[2]):
            total = parameter(f"b{layer}_{j}", b[:, j] * scale)
            for i, z in enumerate(inputs):
                total += f"+{parameter(f'w{layer}_{i}_{j}', w[:, i, j] * scale)}*{z}"
            outputs.append(f"h{layer}_{j}")
            lines.append(total if layer == last else f"{outputs[-1]}=tanh({total})")
        inputs = outputs
    shell = ""
    if not (waves and float(nets.low.max()) < -math.pi and float(nets.high.min()) > math.pi):
        shell = _shell(nets, parameter)
    energy = [lines[-1] + shell, *lines[-2::-1]]  # what is used stands behind what uses it
    energy += _features(nets.mean.shape[1], waves=waves)
    energy += _held(held=bool(shell))
    energy.append(f"x={COORDINATE[kind]}")
    return Custom(kind, atoms, "; ".join(energy), tuple(names), np.stack(columns, axis=1))


def _inputs(features: int, *, waves: bool) -> tuple[list[str], int]:
    """Names of the inputs and how many of a network's features they are; the others are 0."""
    return ([f"z{i}" for i in range(features)], features) if waves else (["q"], 1)


def _features(features: int, *, waves: bool) -> list[str]:
    """z0, z1, z2 = cos(n q), then sin(n q)."""
    half = 3
    turns = [f"z{i}={'cos' if i < half else 'sin'}({i % half + 1}*q)" for i in range(features)]
    return turns if waves else []


def _held(*, held: bool) -> list[str]:
    return ["below=min(x-low,0)", "above=max(x-high,0)", "q=min(max(x,low),high)"] if held else [
        "q=x"]  # fmt: skip


def _shell(nets: Networks, parameter) -> str:
    """What is added outside of the range of the training data; slopes are those at its ends."""
    _, slope = nets(_ends(nets))
    for name, values in (("low", nets.low), ("high", nets.high)):
        parameter(name, values)
    parameter("kappa", nets.kappa / KJ_MOL)
    parameter("slopelow", slope[:, 0] / KJ_MOL)
    parameter("slopehigh", slope[:, 1] / KJ_MOL)
    return "+(slopelow+kappa*below)*below+(slopehigh+kappa*above)*above"


def _ends(nets: Networks):
    import torch

    return torch.stack([nets.low, nets.high], dim=1)
