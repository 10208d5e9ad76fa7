"""Partial charges of a molecule by several methods; their sum is always the molecule's charge."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.bonding import BondingError, label, to_rdkit
from core.mm.nagl import NaglError, nagl_charges
from core.molecule import Molecule

METHODS = ("gasteiger", "nagl", "antechamber", "given")
#: e, by how much charges from a method or a file may miss the molecule's charge and be corrected.
WHOLE = 0.02
TIMEOUT = 1800  # s, an AM1 optimisation of a large molecule


class ChargeError(ValueError):
    """A charge method cannot be used here, or its charges do not add up; says what to do."""


def charges(
    molecule: Molecule, method: str, *, given: Sequence[float] | np.ndarray | None = None
) -> np.ndarray:
    """(N,) partial charges in e.

    "gasteiger": Gasteiger & Marsili, Tetrahedron 36, 3219 (1980), by RDKit. "nagl": AM1-BCC as
    OpenFF's graph network predicts it (optional package). "antechamber": AM1-BCC by AmberTools,
    which must be on PATH. "given": the list `given`. The sum is exact: what is missing (at most
    WHOLE) is spread evenly over all atoms. Raises ChargeError.
    """
    return spread(molecule, _raw(molecule, method, given), method)


def _raw(molecule: Molecule, method: str, given: Sequence[float] | np.ndarray | None) -> np.ndarray:
    if method == "gasteiger":
        return _gasteiger(molecule)
    if method == "nagl":
        try:
            return nagl_charges(molecule)
        except NaglError as error:
            raise ChargeError(str(error)) from None
    if method == "antechamber":
        return _antechamber(molecule)
    if method == "given":
        if given is None:
            raise ChargeError("the charge method is 'given', but no charges are given")
        return np.asarray(given, dtype=float)
    raise ChargeError(f"there is no charge method {method!r}; known: {', '.join(METHODS)}")


def residual(molecule: Molecule, values: np.ndarray) -> float:
    """What the charges miss, in e: the molecule's charge minus their sum."""
    return float(molecule.charge - np.sum(values))


def spread(molecule: Molecule, values: np.ndarray, what: str = "given") -> np.ndarray:
    """(N,) charges e with the residual spread evenly, so that the sum is exact (in float64).

    Raises ChargeError for a wrong number of charges, one that is not finite, or a residual beyond
    WHOLE.
    """
    name = molecule.name or molecule.formula
    values = np.array(values, dtype=np.float64)
    n = len(molecule.numbers)
    if values.shape != (n,):
        raise ChargeError(f"{name}: {values.size} {what} charges for {n} atoms")
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ChargeError(
            f"{name}: the {what} charge of {label(molecule, bad)} is not a number; the method has "
            "no parameters for it. Choose another one or give the charges"
        )
    missing = residual(molecule, values)
    if abs(missing) > WHOLE:
        raise ChargeError(
            f"{name}: the {what} charges add up to {values.sum():+.4f} e, but its charge is "
            f"{molecule.charge:+d}: correct one of them"
        )
    values += missing / n
    for _ in range(4):  # the sum of floats, not only of numbers
        values[np.argmax(np.abs(values))] += molecule.charge - values.sum()
    return values


def _gasteiger(molecule: Molecule) -> np.ndarray:
    from rdkit.Chem import rdPartialCharges

    try:
        mol = to_rdkit(molecule)
    except BondingError as error:
        raise ChargeError(str(error)) from None
    try:
        rdPartialCharges.ComputeGasteigerCharges(mol, nIter=12, throwOnParamFailure=True)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ChargeError(
            f"{molecule.name or molecule.formula}: Gasteiger charges are not defined for it "
            f"({reason}); choose another method or give the charges"
        ) from None
    return np.array([a.GetDoubleProp("_GasteigerCharge") for a in mol.GetAtoms()])


def _antechamber(molecule: Molecule) -> np.ndarray:
    from rdkit import Chem

    program = shutil.which("antechamber")
    if program is None:
        raise ChargeError(
            "AM1-BCC charges need AmberTools: antechamber is not on PATH. Install AmberTools "
            "(conda install -c conda-forge ambertools), or choose NAGL or Gasteiger charges"
        )
    try:
        mol = to_rdkit(molecule)
    except BondingError as error:
        raise ChargeError(str(error)) from None
    Chem.Kekulize(mol, clearAromaticFlags=True)
    name = molecule.name or molecule.formula
    with tempfile.TemporaryDirectory(prefix="pescape-bcc-") as folder:
        Path(folder, "in.sdf").write_text(Chem.MolToMolBlock(mol) + "$$$$\n", encoding="utf-8")
        command = [program, "-i", "in.sdf", "-fi", "sdf", "-o", "out.mol2", "-fo", "mol2",
                   "-c", "bcc", "-nc", str(molecule.charge), "-m", str(molecule.multiplicity),
                   "-at", "gaff2", "-dr", "no", "-pf", "y", "-s", "0"]  # fmt: skip
        home = {"AMBERHOME": os.environ.get("AMBERHOME", str(Path(program).parent.parent))}
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False,
                env={**os.environ, **home, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ChargeError(f"{name}: antechamber did not finish: {error}") from None
        out = Path(folder, "out.mol2")
        if done.returncode or not out.exists():
            words = (done.stdout + done.stderr).strip().splitlines()
            tail = " ".join(words[-3:])[:300] if words else f"exit code {done.returncode}"
            raise ChargeError(f"{name}: antechamber failed: {tail}")
        return _mol2_charges(out.read_text(encoding="utf-8", errors="replace"), name)


def _mol2_charges(text: str, name: str) -> np.ndarray:
    block = text.partition("@<TRIPOS>ATOM")[2].partition("@<TRIPOS>")[0]
    try:
        return np.array([float(line.split()[8]) for line in block.splitlines() if line.strip()])
    except (IndexError, ValueError):
        raise ChargeError(f"{name}: antechamber wrote a mol2 file that cannot be read") from None
