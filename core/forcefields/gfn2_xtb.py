"""GFN2-xTB (Bannwarth, Ehlert & Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) by tblite."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.forcefields.base import DataForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.molecule import Molecule
from core.permutations import exchanges
from core.units import BOHR, HARTREE, KB

#: Below this many geometries per thread another thread does not pay.
MIN_PER_THREAD = 2


@dataclass(frozen=True)
class Hyper:
    """How the self-consistent charges are solved."""

    accuracy: float = hyper(
        0.01,
        label="Accuracy",
        help="Thresholds of the SCF; smaller is tighter. tblite's own default is 1",
        low=1e-4,
        high=1e3,
    )
    electronic_temperature: float = hyper(
        300.0,
        label="Electronic temperature",
        unit="K",
        help="Fermi smearing of the orbital occupation; raise it where the SCF fails",
        low=0.0,
        high=20000.0,
    )
    max_iterations: int = hyper(
        250, label="SCF iterations", help="At most, per geometry", low=1, high=10000
    )


class GFN2xTB(DataForceField):
    """Semi-empirical quantum chemistry, all geometries independent of each other.

    Each thread has its own tblite calculator (tblite releases Python's lock) and OpenMP is held at
    one thread in each, since two waiting on each other cost ten times the work for a small
    molecule. Every SCF starts from the same guess, so answers do not depend on order or batch.
    """

    INFO = Info(
        key="gfn2-xtb",
        label="GFN2-xTB",
        family="semi-empirical",
        doi="10.1021/acs.jctc.8b01176",
        about="Semi-empirical tight binding for elements up to Rn. No training, no bonds needed.",
        implementation="tblite",
        elements=tuple(range(1, 87)),
    )
    Hyper = Hyper

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        try:
            import tblite.interface  # noqa: F401
        except ImportError as error:
            raise ForceFieldError(
                f"GFN2-xTB needs the library tblite, which cannot be loaded ({error}); install "
                "it with pip, and the system library libgomp1"
            ) from error
        electrons = int(molecule.numbers.sum()) - molecule.charge
        self._unpaired = molecule.multiplicity - 1
        if electrons < self._unpaired or (electrons - self._unpaired) % 2:
            raise ForceFieldError(
                f"{molecule.name or molecule.formula} with charge {molecule.charge:+d} has "
                f"{electrons} electrons, which do not make multiplicity {molecule.multiplicity}: "
                "correct the charge or the multiplicity"
            )
        self._calculators: list[Any] = []
        self._pool: ThreadPoolExecutor | None = None

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy = np.full(len(positions), np.nan)
        forces = np.full(positions.shape, np.nan)
        if not len(positions):
            return energy, forces
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_cores(), "tblite", initializer=_one_thread)
        parts = max(1, min(_cores(), len(positions) // MIN_PER_THREAD))
        bohr = positions / BOHR
        while len(self._calculators) < parts:
            self._calculators.append(self._calculator(bohr[0]))
        jobs = [
            self._pool.submit(self._some, calculator, part, bohr, energy, forces)
            for calculator, part in zip(
                self._calculators, np.array_split(np.arange(len(bohr)), parts), strict=False
            )
        ]
        for job in jobs:
            self.reasons |= job.result()
        return energy, forces

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N): no permutation, and each exchange of two neighbours in a list of equal nuclei."""
        return exchanges(self.molecule.numbers)

    def _calculator(self, bohr: np.ndarray) -> Any:
        from tblite.interface import Calculator

        made = Calculator(
            "GFN2-xTB",
            self.molecule.numbers.astype(np.int32),
            bohr,
            charge=float(self.molecule.charge),
            uhf=self._unpaired,
        )
        made.set("verbosity", 0)
        made.set("accuracy", self.hyper.accuracy)
        made.set("max-iter", self.hyper.max_iterations)
        made.set("temperature", self.hyper.electronic_temperature * KB / HARTREE)
        return made

    def _some(self, calculator, part, bohr, energy, forces) -> dict[int, str]:
        """Fill energy and forces for the geometries in `part`; index -> why it failed."""
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError

        failed = {}
        for i in part:
            try:
                calculator.update(np.ascontiguousarray(bohr[i]))
                result = calculator.singlepoint()
                energy[i] = result.get("energy") * HARTREE
                forces[i] = result.get("gradient") * (-HARTREE / BOHR)
            except (TBLiteRuntimeError, TBLiteValueError, RuntimeError) as error:
                failed[int(i)] = f"tblite: {' '.join(str(error).split()) or 'SCF failed'}"
        return failed


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_thread() -> None:
    """OpenMP: one thread for what this thread calls (torch's own threads stay as they are)."""
    from tblite import _libtblite

    try:
        ctypes.CDLL(_libtblite.__file__).omp_set_num_threads(1)
    except AttributeError:  # a tblite built without OpenMP has only one thread anyway
        return


FIELD = GFN2xTB
