"""GAFF-NN: GAFF with its bonded terms replaced by small neural networks, trained on one molecule.

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), section IV E; the terms in `core.mm.neural`, how
they are trained in `core.fitting.neural.gaff_nn`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.mm import energy as mm
from core.mm.forces import Forces
from core.mm.neural import ARRAYS, HARMONICS, KINDS, Functions, Networks, coordinates
from core.mm.pack import from_arrays, to_arrays
from core.mm.symmetry import symmetries
from core.mm.topology import TERMS, Term, Topology
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

MAX_LAYERS = 3


@dataclass(frozen=True)
class Hyper:
    """What a person can choose for GAFF-NN."""

    width: int = hyper(
        16, label="Units", help="Units in each hidden layer of a term's network.", low=2, high=128
    )
    layers: int = hyper(
        1, label="Hidden layers", help="Hidden layers of a term's network.", low=1, high=MAX_LAYERS
    )
    share: str = hyper(
        "type",
        label="One network for",
        help="type: all terms of the same atom types; symmetry: only terms that a symmetry of the "
        "molecule maps on each other.",
        choices=("type", "symmetry"),
        advanced=True,
    )
    nonbonded: str = hyper(
        "refit",
        label="Charges and Lennard-Jones",
        help="refit: trained too, in GAFF's form, equal for equivalent atoms; fixed: GAFF's own.",
        choices=("refit", "fixed"),
    )
    odd: bool = hyper(
        False,
        label="Dihedrals tell left from right",
        help="Adds sin(n phi) to the inputs. Without it mirror images have one energy, as they "
        "should unless the molecule is chiral and only one of its forms is of interest.",
        advanced=True,
    )
    energy_weight: float = hyper(
        1.0,
        label="Weight of energies",
        unit="1/Å²",
        help="Of the mean squared energy error beside the mean squared force error; 0 = forces.",
        low=0.0,
        high=1e6,
    )
    prior: float = hyper(
        1e-6,
        label="Hold to GAFF",
        help="Keeps what the data do not decide near GAFF's own functions and parameters.",
        low=1e-12,
        high=1e3,
        advanced=True,
    )
    smooth: float = hyper(
        0.3,
        label="Departure from GAFF",
        unit="eV",
        help="How far a function's first harmonic is expected to be from GAFF's; the n-th a n³-th "
        "part of it, so that few frames give smooth functions. 0 = any.",
        low=0.0,
        high=1e3,
        advanced=True,
    )
    iterations: int = hyper(
        200, label="Iterations", help="Most L-BFGS iterations of the last step.", low=1, high=100000
    )
    seed: int = hyper(
        0, label="Seed", help="Of the networks' first weights.", low=0, high=2**31, advanced=True
    )
    flavour: str = hyper(
        "gaff",
        label="Version",
        help="Whose atom types, non-bonded terms and starting functions: GAFF or GAFF2.",
        choices=("gaff", "gaff2"),
        advanced=True,
    )
    charges: str = hyper(
        "auto",
        label="Charges",
        help="Charges that training starts from (or keeps); auto: those of the parameter file "
        "where it has some, else Gasteiger; given: the file's.",
        choices=("auto", "gasteiger", "nagl", "antechamber", "given"),
        advanced=True,
    )
    parameters: str = hyper(
        "",
        label="Parameter file",
        help="frcmod, prmtop or a saved GAFF model (its terms, not its flags); only read while "
        "training.",
        advanced=True,
        file=True,
    )


class GAFFNN(ForceField):
    """A trained GAFF-NN."""

    INFO = Info(
        key="gaff-nn",
        label="GAFF-NN",
        family="MM",
        doi="10.1063/5.0023005",
        about="GAFF whose bonds, angles and torsions are small neural networks trained on data.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        absolute_energy=True,
        elements=(1, 6, 7, 8, 9, 15, 16, 17, 35, 53),
    )
    Hyper = Hyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {"width": 6, "iterations": 40}
    BONDS: ClassVar[str] = "fixed"

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        topology: Topology,
        functions: Functions,
        networks: Networks,
        offset: float = 0.0,
        absolute: bool = True,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """topology: its bonded terms only tell the start; offset eV, the energy constant."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        if len(topology.types) != len(molecule.numbers):
            raise ForceFieldError(
                f"the topology is for {len(topology.types)} atoms, not for {molecule.formula}"
            )
        self.topology, self.functions = topology, functions
        self.offset, self.absolute, self.notes = float(offset), absolute, notes or {}
        if not absolute:
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        self.networks = _cast(networks, self.device, self.dtype)
        self.index = {k: torch.tensor(a, device=self.device) for k, a in functions.atoms.items()}
        which = np.concatenate([functions.which[kind] for kind in KINDS])
        self.each = self.networks.take(torch.tensor(which, device=self.device))
        self.tensors = mm.tensors(nonbonded(topology), device=self.device, dtype=self.dtype)
        self._forces = Forces(self.tensors, len(molecule.numbers))

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        value, _ = self.each(coordinates(self.index, positions).T)
        return value.sum(0) + mm.energy(self.tensors, positions) + self.offset

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The networks carry their own slopes; only the coordinates go through autograd."""
        with torch.enable_grad():
            x = positions.detach().requires_grad_(True)
            q = coordinates(self.index, x)
            with torch.no_grad():
                value, slope = self.each(q.T)
            (g,) = torch.autograd.grad(q, x, slope.T)
        e, f = self._forces(positions.detach())
        return e + value.sum(0) + self.offset, f - g

    def terms(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        """positions (B,N,3) Å -> kind of term -> energy (B,) eV, without the energy constant."""
        value, _ = self.each(coordinates(self.index, positions).T)
        counts = [len(self.functions.atoms[kind]) for kind in KINDS]
        bonded = {k: v.sum(0) for k, v in zip(KINDS, value.split(counts), strict=True)}
        return {**mm.terms(self.tensors, positions), **bonded}

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the permutations that map every term on one with the same function."""
        return symmetries(self.molecule.numbers, self.topology)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.neural.gaff_nn`. Raises ForceFieldError where data cannot be fitted."""
        from core.fitting.neural.gaff_nn import fit_parts

        molecule, found = fit_parts(dataset, split, hyper, context, cls)
        return cls(molecule, hyper, device=context.device, **found)

    def state(self) -> dict[str, np.ndarray]:
        """The topology (refitted), which function each term follows, and all networks."""
        out = {f"topology.{k}": v for k, v in to_arrays(self.topology).items()}
        for kind in KINDS:
            out[f"atoms.{kind}"] = self.functions.atoms[kind]
            out[f"which.{kind}"] = self.functions.which[kind]
        out["kinds"] = self.functions.kinds
        out |= {name: getattr(self.networks, name).cpu().numpy() for name in ARRAYS}
        for i, (w, b) in enumerate(self.networks.weights):
            out[f"weights.{i}"], out[f"biases.{i}"] = w.cpu().numpy(), b.cpu().numpy()
        out["offset"], out["absolute"] = np.array([self.offset]), np.array([self.absolute])
        return out

    @classmethod
    def from_state(
        cls,
        molecule: Molecule,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> Self:
        """See `state`. Raises ForceFieldError where arrays are missing or do not fit."""
        try:
            return cls(molecule, hyper, device=device, dtype=dtype, **_parts(molecule, state))
        except ForceFieldError:
            raise
        except KeyError as error:
            raise ForceFieldError(f"this is not a GAFF-NN model: {error} is missing") from None
        except (ValueError, TypeError, IndexError) as error:
            raise ForceFieldError(f"the GAFF-NN model is damaged: {error}") from None

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.neural.gaff_nn import cost

        return cost(len(molecule.numbers), n_train, hyper)


def nonbonded(topology: Topology) -> Topology:
    """The topology without its bonded terms."""
    empty: dict[str, Any] = {
        kind: Term(kind, np.zeros((0, width), dtype=np.int64), {n: np.zeros(0) for n in names})
        for kind, (width, names) in TERMS.items()
    }
    return dataclasses.replace(topology, **empty)


def _cast(networks: Networks, device: torch.device, dtype: torch.dtype) -> Networks:
    def put(t: torch.Tensor) -> torch.Tensor:
        return t.to(device) if t.dtype == torch.bool else t.to(device, dtype)

    weights = tuple((put(w), put(b)) for w, b in networks.weights)
    plain: dict[str, Any] = {name: put(getattr(networks, name)) for name in ARRAYS}
    return Networks(**plain, weights=weights)


def _parts(molecule: Molecule, state: dict[str, np.ndarray]) -> dict[str, Any]:
    """Keyword arguments of GAFFNN. Raises KeyError or ValueError."""
    head = "topology."
    topology = from_arrays({k[len(head) :]: v for k, v in state.items() if k.startswith(head)})
    kinds = state["kinds"]
    if kinds.ndim != 1 or kinds.dtype.kind != "i" or not np.isin(kinds, range(len(KINDS))).all():
        raise ValueError("the kinds of the functions")
    n, count = len(molecule.numbers), len(kinds)
    atoms, which = {}, {}
    for number, kind in enumerate(KINDS):
        a, w = state[f"atoms.{kind}"], state[f"which.{kind}"]
        if a.dtype.kind != "i" or a.ndim != 2 or a.shape[1] != TERMS[kind][0]:
            raise ValueError(f"the atoms of the terms of kind {kind}")
        if a.size and (a.min() < 0 or a.max() >= n):
            raise ValueError(f"a {kind} names an atom outside 1..{n}")
        if w.dtype.kind != "i" or w.shape != (len(a),) or (w.size and w.min() < 0):
            raise ValueError(f"the functions of the terms of kind {kind}")
        if w.size and (w.max() >= count or (kinds[w] != number).any()):
            raise ValueError(f"a {kind} follows a function that is not there")
        atoms[kind], which[kind] = a, w
    plain = {name: _finite(state, name, count) for name in ARRAYS}
    inputs = plain["mean"].shape[1] if plain["mean"].ndim == 2 else 0
    if inputs not in (HARMONICS, 2 * HARMONICS):
        raise ValueError("the inputs of the networks")
    weights = []
    for i in range(MAX_LAYERS + 1):
        if i and f"weights.{i}" not in state and f"biases.{i}" not in state:
            break
        w, b = _finite(state, f"weights.{i}", count), _finite(state, f"biases.{i}", count)
        if w.ndim != 3 or w.shape[1] != inputs or b.shape != (count, w.shape[2]):
            raise ValueError(f"layer {i + 1} of the networks")
        inputs = w.shape[2]
        weights.append((torch.tensor(w), torch.tensor(b)))
    if inputs != 1:
        raise KeyError("the last layer of the networks")
    if plain["spread"].shape != plain["mean"].shape or not (plain["spread"] > 0).all():
        raise ValueError("the inputs are scaled by something not positive")
    for name in ("low", "high", "kappa", "periodic"):
        if plain[name].ndim != 1:
            raise ValueError(f"{name} of the networks")
    if plain["periodic"].dtype != bool:
        raise ValueError("which networks are periodic")
    arrays: dict[str, Any] = {name: torch.tensor(p) for name, p in plain.items()}
    offset = float(_finite(state, "offset", 1)[0])
    return {
        "topology": topology,
        "functions": Functions(atoms, which, kinds),
        "networks": Networks(**arrays, weights=tuple(weights)),
        "offset": offset,
        "absolute": bool(state["absolute"][0]),
    }


def _finite(state: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    array = state[name]
    if array.ndim < 1 or len(array) != count or not np.isfinite(array).all():
        raise ValueError(f"{name} is not {count} rows of numbers")
    return array


FIELD = GAFFNN
