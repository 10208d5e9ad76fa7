"""GAFF and GAFF2: the general AMBER force field, from a structure or from AMBER's files.

Wang, Wolf, Caldwell, Kollman & Case, J. Comput. Chem. 25, 1157 (2004); terms in `core.mm`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.bonding import label, with_bonds
from core.dataset import Dataset, Split
from core.fitting.mm.field import FitHyper
from core.fitting.mm.start import is_saved, saved_terms
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.mm import energy as mm
from core.mm.forces import Forces
from core.mm.pack import from_arrays, to_arrays
from core.mm.symmetry import symmetries
from core.mm.topology import Topology
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.analyses.parameters import Flag
    from core.engine.context import Context

WHOLE = 0.02  #: e, by which imported charges may miss the molecule's charge


@dataclass(frozen=True)
class Source:
    """Where types, charges and parameters come from."""

    flavour: str = hyper(
        "gaff",
        label="Version",
        help="GAFF 1.81, or GAFF2 2.2.20 with newer bonded and Lennard-Jones parameters.",
        choices=("gaff", "gaff2"),
    )
    charges: str = hyper(
        "auto",
        label="Charges",
        help="auto: those of the mol2 or prmtop file where one is given, else Gasteiger; nagl: "
        "AM1-BCC by a graph network; antechamber: AM1-BCC by AmberTools; given: the file's.",
        choices=("auto", "gasteiger", "nagl", "antechamber", "given"),
    )
    parameters: str = hyper(
        "",
        label="Parameter file",
        help="frcmod: added to the tables, its values win. prmtop: everything is taken from it. A "
        "saved GAFF model: its terms, and in a fit its flags (frozen, tied, bounds).",
        file=True,
    )
    mol2: str = hyper(
        "",
        label="mol2 file",
        help="Atom types (and charges, see there) from this file instead of our own. Of one with "
        "SYBYL types only the charges are taken.",
        file=True,
    )


@dataclass(frozen=True)
class Hyper(FitHyper, Source):
    """Where the parameters come from, and how a fit may change them."""


class GAFF(ForceField):
    """Bonds, angles, torsions, impropers, Lennard-Jones and charges, each term at hand."""

    INFO = Info(
        key="gaff",
        label="GAFF",
        family="MM",
        doi="10.1002/jcc.20035",
        about="General AMBER force field for organic molecules; every term can be seen and edited.",
        implementation="PEScape, torch float64; own typing rules, tables 1.81 and 2.2.20",
        trainable=True,
        ready=True,
        differentiable=True,
        batched=True,
        gpu=True,
        energies_suffice=True,
        elements=(1, 6, 7, 8, 9, 15, 16, 17, 35, 53),
    )
    Hyper = Hyper
    BONDS: ClassVar[str] = "fixed"

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        topology: Topology | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """topology: the terms, where they are known (units there); else they are looked up."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        if topology is None:
            self.molecule, topology = parametrise(molecule, self.hyper)
        if len(topology.types) != len(molecule.numbers):
            raise ForceFieldError(
                f"the topology is for {len(topology.types)} atoms, not for {molecule.formula}"
            )
        self.topology = topology
        self.flags: tuple[Flag, ...] = ()  # what a refit was told to hold, for the file of a fit
        self.notes = _notes(topology)
        self.tensors = mm.tensors(topology, device=self.device, dtype=self.dtype)
        self._forces = Forces(self.tensors, len(molecule.numbers))

    @classmethod
    def from_topology(
        cls, molecule: Molecule, topology: Topology, hyper: Any = None, *, device: str = "cpu"
    ) -> Self:
        """A field with these terms. Raises ForceFieldError when they are for other atoms."""
        return cls(molecule, hyper, topology=topology, device=device)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return mm.energy(self.tensors, positions)

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and analytic forces (`core.mm.forces`, held to autograd by a test)."""
        return self._forces(positions)

    def terms(self, positions: torch.Tensor) -> dict[str, torch.Tensor]:
        """positions (B,N,3) Å -> kind of term -> energy (B,) eV."""
        return mm.terms(self.tensors, positions)

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the permutations that map every term on an equal one."""
        return symmetries(self.molecule.numbers, self.topology)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """Its parameters fitted to data, see `core.fitting.mm.refit`. Raises ForceFieldError."""
        from core.fitting.mm.field import fit_terms
        from core.fitting.mm.flags import carried
        from core.fitting.mm.start import saved_flags

        molecule, topology = parametrise(dataset.molecule, hyper)
        found, notes = fit_terms(topology, dataset, split, hyper, context)
        field = cls(molecule, hyper, topology=found.topology, device=context.device)
        field.flags = carried(saved_flags(hyper.parameters), topology, found.topology)
        field.notes |= notes
        return field

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        from core.fitting.mm.field import estimate

        return estimate(len(molecule.numbers), n_train)

    def state(self) -> dict[str, np.ndarray]:
        return to_arrays(self.topology)

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
        try:
            topology = from_arrays(state)
        except ValueError as error:
            raise ForceFieldError(f"the terms are damaged: {error}") from error
        return cls(molecule, hyper, topology=topology, device=device, dtype=dtype)


def parametrise(molecule: Molecule, hyper: Hyper) -> tuple[Molecule, Topology]:
    """The molecule with bonds, and its terms as `hyper` asks.

    Raises ForceFieldError naming the atom, file or term that is wrong.
    """
    path = hyper.parameters
    try:
        if is_saved(path):
            if hyper.mol2 or hyper.charges not in ("auto", "given"):
                raise ForceFieldError("a saved model has its own types and charges: leave the "
                                      "mol2 file out, and the charges on auto")  # fmt: skip
            return saved_terms(path, molecule)
        if path and _is_prmtop(path):
            return _from_prmtop(molecule, hyper)
        return _from_tables(molecule, hyper)
    except ForceFieldError:
        raise
    except ValueError as error:  # of types, tables, readers, bonds: all say what is wrong
        raise ForceFieldError(str(error)) from error


def _is_prmtop(path: str) -> bool:
    from core.mm.prmtop import looks_like_prmtop

    return looks_like_prmtop(path)


def _from_prmtop(molecule: Molecule, hyper: Hyper) -> tuple[Molecule, Topology]:
    from core.mm.prmtop import read_prmtop

    if hyper.mol2:
        raise ForceFieldError("a prmtop has its own atom types: leave the mol2 file out")
    atoms, topology = read_prmtop(hyper.parameters)
    known = _same_atoms(molecule, atoms.numbers, atoms.bonds, hyper.parameters)
    if hyper.charges in ("auto", "given"):
        total = float(topology.charges.sum())
        if abs(total - molecule.charge) > WHOLE:
            raise ForceFieldError(
                f"the charges of {Path(hyper.parameters).name} add up to {total:+.4f} e, the "
                f"molecule's charge is {molecule.charge:+d}"
            )
        return known, topology
    charges = _charges(known, hyper.charges)
    notes = (*topology.notes, f"charges: {hyper.charges}, not those of the prmtop")
    return known, dataclasses.replace(topology, charges=charges, notes=notes)


def _from_tables(molecule: Molecule, hyper: Hyper) -> tuple[Molecule, Topology]:
    from core.mm.assign import assign
    from core.mm.tables import read_frcmod, table
    from core.mm.typing import atom_types

    types: tuple[str, ...] | None = None
    given: np.ndarray | None = None
    remarks: tuple[str, ...] = ()
    if hyper.mol2:
        from core.mm.mol2 import gaff_types, read_mol2

        file, types, given = read_mol2(hyper.mol2)
        if not gaff_types(types):
            types, remarks = None, ("atom types: our own, those of the mol2 file are SYBYL's",)
        molecule = _same_atoms(molecule, file.numbers, file.bonds, hyper.mol2)
        if (
            given is not None
            and hyper.charges in ("auto", "given")
            and file.charge != molecule.charge
        ):
            raise ForceFieldError(
                f"the charges of {Path(hyper.mol2).name} add up to {file.charge:+d} e, the "
                f"molecule's charge is {molecule.charge:+d}"
            )
    molecule = with_bonds(molecule)
    if types is None:
        types = atom_types(molecule, flavour=hyper.flavour)
    method = hyper.charges
    if method == "auto":
        method = "gasteiger" if given is None else "given"
    if method == "given" and given is None:
        raise ForceFieldError(
            "charges are to be given, but there is no mol2 file with charges; name one, or "
            "choose gasteiger"
        )
    charges = _charges(molecule, method, given)
    extra = read_frcmod(hyper.parameters) if hyper.parameters else None
    topology = assign(molecule, types, charges, table(hyper.flavour), extra=extra)
    notes = (*topology.notes, *remarks, f"charges: {method}")
    return molecule, dataclasses.replace(topology, notes=notes)


def _charges(molecule: Molecule, method: str, given: np.ndarray | None = None) -> np.ndarray:
    from core.mm.charges import charges

    return charges(molecule, method, given=given)


def _same_atoms(molecule: Molecule, numbers: np.ndarray, bonds: np.ndarray, path: str) -> Molecule:
    """The molecule with bonds, if the file's atoms and bonds are the same in the same order."""
    from core.forcefields.load import check_atoms

    name = Path(path).name
    there = Molecule(
        name, numbers, np.zeros((len(numbers), 3)), bonds=bonds, orders=np.zeros(len(bonds))
    )
    known = with_bonds(molecule)
    check_atoms(there, known, what=name)
    ours, theirs = ({tuple(sorted(map(int, b))) for b in bs} for bs in (known.bonds, bonds))
    if ours == theirs:
        return known
    a, b = min(ours ^ theirs)
    where = "there and not here" if (a, b) in theirs else "here and not there"
    raise ForceFieldError(
        f"{name} has other bonds than the molecule: {label(molecule, a)} and {label(molecule, b)} "
        f"are bonded {where}. Reorder the atoms, or use a less distorted geometry"
    )


def _notes(topology: Topology) -> dict[str, str]:
    notes = {"parameters": topology.source} if topology.source else {}
    guessed = sum(int((t.penalty > 0).sum()) for t in topology.terms().values())
    if guessed:
        notes["by analogy"] = f"{guessed} terms have no parameters of their own"
    if topology.notes:
        notes["remarks"] = "; ".join(topology.notes)
    return notes


FIELD = GAFF
