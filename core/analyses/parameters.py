"""The molecular-mechanics terms of a molecule, ready to be read and edited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from core.mm.topology import Topology
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

FLAGS = "parameter flags"  #: name of the flags in the `extra` of a saved model


@wire
@dataclass(frozen=True)
class Flag:
    """How a refit may treat one term of one kind; row counts from 0 within the kind.

    frozen: kept as it is. tied: moves together with the terms of the same type (and periodicity).
    low, high: parameter -> bound in the units of `core.mm.topology.Term`.
    """

    kind: str
    row: int
    frozen: bool = False
    tied: bool = True
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)


@wire
@dataclass(frozen=True, eq=False)
class ParametersSpec:
    """Terms of `molecule` by GAFF with `hyper` (its flavour, charges …), or of a saved `model`.

    molecule: None takes the model's own.
    """

    QUIET: ClassVar[bool] = True
    QUICK: ClassVar[bool] = True

    molecule: Molecule | None
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    model: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Parameters:
    """molecule with bonds; its terms; hyper-parameters they were made with; flags of a saved model.

    Types, source and penalty of every term stand in the topology. label: what a person calls it.
    dihedrals: those that can be turned, best first.
    """

    molecule: Molecule
    topology: Topology
    hyper: dict[str, bool | int | float | str]
    label: str
    notes: dict[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    dihedrals: tuple[tuple[int, ...], ...] = ()


def run(spec: ParametersSpec, context: Context) -> Parameters:
    """See ParametersSpec.

    Raises ForceFieldError naming the atom, term or file that is wrong, also where the model is of
    a kind that has no terms.
    """
    import dataclasses

    from core.bonding import dihedrals, with_bonds
    from core.fieldref import FieldRef
    from core.forcefields.base import ForceFieldError
    from core.forcefields.load import make, read_model

    flags: tuple[Flag, ...] = ()
    if spec.model:
        made = make(FieldRef("", model=spec.model), spec.molecule)
        extra = read_model(spec.model).extra
        label = extra.get("label", "") or made.INFO.label
        flags = flags_from_text(extra.get(FLAGS, ""))
    else:
        made = make(FieldRef("gaff", hyper=dict(spec.hyper)), spec.molecule)
        label = str(getattr(made.hyper, "flavour", made.INFO.label)).upper()
    topology = getattr(made, "topology", None)
    if made.INFO.key != "gaff" or not isinstance(topology, Topology):
        raise ForceFieldError(
            f"{made.INFO.label} has no table of terms to edit: choose GAFF, or a fit made from it"
        )
    molecule = with_bonds(made.molecule)
    if spec.molecule is not None:
        molecule = dataclasses.replace(molecule, positions=spec.molecule.positions)
    hyper = dataclasses.asdict(made.hyper)
    turning = tuple(tuple(int(a) for a in d) for d in dihedrals(molecule))
    return Parameters(molecule, topology, hyper, label, dict(made.notes), flags, turning)


def flags_to_text(flags: tuple[Flag, ...]) -> str:
    """Flags as one JSON text, for the `extra` of a model."""
    import dataclasses
    import json

    return json.dumps([dataclasses.asdict(f) for f in flags])


def flags_from_text(text: str) -> tuple[Flag, ...]:
    """Undo `flags_to_text`; "" gives none. Raises ValueError where it is something else."""
    import json

    from core.wire import TAG, unpack

    if not text:
        return ()
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise ValueError("the parameter flags of the model are damaged")
    return tuple(unpack({**row, TAG: "Flag"}, Flag) for row in rows)


SPEC = ParametersSpec
