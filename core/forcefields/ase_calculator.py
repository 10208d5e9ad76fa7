"""Any calculator of the Atomic Simulation Environment (ASE), by import path.

Naming a class here runs its code: a job that names one must have been submitted by the person at
the machine. Never resume or re-run one found in a stranger's project without asking.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.forcefields.base import DataForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.molecule import Molecule
from core.permutations import exchanges

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Hyper:
    """Which calculator."""

    path: str = hyper(
        "ase.calculators.emt:EMT",
        label="Import path",
        help="module:Class of an ASE calculator that is installed here, for example "
        "tblite.ase:TBLite. Its code is run",
    )
    arguments: str = hyper(
        "{}",
        label="Arguments",
        help='Keyword arguments of the class as JSON, for example {"method": "GFN1-xTB"}',
    )


class ASECalculator(DataForceField):
    """One calculator, called for one geometry after the other.

    The atoms carry the molecule's charge and multiplicity as info "charge" and "spin", which
    learned potentials read; other calculators take them as arguments.
    """

    INFO = Info(
        key="ase-calculator",
        label="ASE calculator",
        family="external",
        doi="10.1088/1361-648X/aa680e",
        about="Any program or model that ASE can call: EMT, DFTB+, ORCA, MACE, AIMNet2 ...",
        implementation="ASE and the calculator named",
    )
    Hyper = Hyper

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        from ase import Atoms

        made = calculator_class(self.hyper.path)
        arguments = _arguments(self.hyper.arguments)
        try:
            calculator = made(**arguments)
        except Exception as error:  # a stranger's class may raise anything
            raise ForceFieldError(f"{self.hyper.path} could not be made: {error}") from error
        self._atoms = Atoms(numbers=molecule.numbers, positions=molecule.positions)
        self._atoms.info.update(charge=molecule.charge, spin=molecule.multiplicity)
        self._atoms.calc = calculator

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy = np.full(len(positions), np.nan)
        forces = np.full(positions.shape, np.nan)
        for i, r in enumerate(positions):
            try:
                self._atoms.set_positions(r)
                f = self._atoms.get_forces()  # first: most programs get both in one run
                energy[i], forces[i] = self._atoms.get_potential_energy(), f
            except Exception as error:  # a stranger's code may raise anything
                what = " ".join(str(error).split())
                self.reasons[i] = f"{self.hyper.path}: {type(error).__name__} {what}"
        return energy, forces

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N): no permutation, and each exchange of two neighbours in a list of equal nuclei."""
        return exchanges(self.molecule.numbers)


def calculator_class(path: str) -> type:
    """The class behind "module:Class". Raises ForceFieldError unless it is an ASE calculator."""
    from ase.calculators.calculator import BaseCalculator

    if not _PATH.fullmatch(path):
        raise ForceFieldError(
            f"{path!r} is not an import path; write module:Class, as in ase.calculators.emt:EMT"
        )
    module, name = path.split(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ForceFieldError(
            f"{module} cannot be imported ({error}): install it into this program's environment"
        ) from error
    except AttributeError:
        raise ForceFieldError(f"{module} has no {name}") from None
    if not isinstance(found, type) or not issubclass(found, BaseCalculator):
        raise ForceFieldError(f"{path} is not an ASE calculator class")
    return found


def _arguments(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ForceFieldError(
            f'the arguments are not JSON ({error}): write, for example, {{"method": "GFN1-xTB"}}'
        ) from error
    if not isinstance(values, dict):
        raise ForceFieldError("the arguments must be a JSON table of names and values")
    return values


FIELD = ASECalculator
