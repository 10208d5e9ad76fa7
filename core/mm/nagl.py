"""AM1-BCC charges from OpenFF's NAGL graph network, without its packages.

Model openff-gnn-am1bcc-1.0.0 (OpenFF, CC BY 4.0, package openff-nagl-models): six GraphSAGE
layers (Hamilton, Ying, Leskovec, NeurIPS 2017), a two-layer readout, charge equilibration (Gilson,
Gilson, Potter, J. Chem. Inf. Comput. Sci. 43, 1982 (2003)). The checkpoint is a zip of raw arrays
with a pickled index; only the names, shapes and places of arrays are taken from the index, by
walking its opcodes: nothing in it is ever run.
"""

from __future__ import annotations

import importlib.util
import io
import pickletools
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.bonding import BondingError, label, to_rdkit
from core.elements import SYMBOLS
from core.mm.resonance import average_charges
from core.molecule import Molecule

if TYPE_CHECKING:
    import torch

PACKAGE = "openff.nagl_models"
FILE = "openff-gnn-am1bcc-1.0.0.pt"
ELEMENTS = (6, 8, 1, 7, 16, 9, 35, 17, 53, 15)  # the order of the one-hot feature
LAYERS = 6
MAX_INDEX = 64 << 20
MAX_VALUES = 1 << 24


class NaglError(ValueError):
    """NAGL cannot give charges: weights missing or unreadable, or a molecule outside its domain."""


def find_weights() -> Path:
    """The checkpoint of the installed openff-nagl-models. Raises NaglError when it is absent."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        found = None
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "models" / "am1bcc" / FILE
        if path.is_file():
            return path
    raise NaglError(
        "NAGL charges need the package openff-nagl-models (a download of 75 MB): "
        "pip install 'pescape[nagl]', or choose Gasteiger charges"
    )


@lru_cache(maxsize=1)
def weights(path: Path) -> dict[str, torch.Tensor]:
    """Name -> float32 tensor of the checkpoint. Raises NaglError where it is not as expected."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            index = next(i for i in archive.infolist() if i.filename.endswith("/data.pkl"))
            if index.file_size > MAX_INDEX:
                raise NaglError(f"{path.name}: its index has {index.file_size} bytes")
            root = index.filename.removesuffix("data.pkl")
            found = {}
            for name, key, offset, shape in _arrays(archive.read(index)):
                raw = np.frombuffer(archive.read(f"{root}data/{key}"), dtype="<f4")
                count = int(np.prod(shape))
                found[name] = torch.from_numpy(raw[offset : offset + count].reshape(shape).copy())
    except (OSError, zipfile.BadZipFile, StopIteration, KeyError, ValueError) as error:
        raise NaglError(f"the NAGL weights in {path} cannot be read: {error}") from None
    expected = {f"convolution_module.gcn_layers.{i}.fc_self.weight" for i in range(LAYERS)}
    if not expected <= set(found):
        raise NaglError(f"{path.name} is not the network {FILE}: layers are missing")
    return found


def _arrays(index: bytes) -> list[tuple[str, str, int, tuple[int, ...]]]:
    """(name, storage, offset, shape) of every contiguous array after the word state_dict.

    An array is written as: its name, …, a persistent id ("storage", type, key, "cpu", size), the
    offset, the shape, the strides.
    """
    start = index.rfind(b"X\x0a\x00\x00\x00state_dict")
    if start < 0:
        raise ValueError("no state_dict in its index")
    found: list[tuple[str, str, int, tuple[int, ...]]] = []
    words: list[str] = []
    numbers: list[int] = []
    tuples: list[tuple[int, ...]] = []
    name = key = ""
    for op, arg, _ in pickletools.genops(io.BytesIO(index[start:])):
        if op.name == "BINUNICODE":
            if arg == "_metadata":
                break
            words.append(str(arg))
        elif op.name in ("BININT", "BININT1", "BININT2"):
            numbers.append(int(arg or 0))
        elif op.name == "BINPERSID":
            key = next(w for w in reversed(words) if w.isdigit())
            name = next(w for w in reversed(words) if "." in w)
            numbers, tuples = [], []
        elif op.name in ("TUPLE1", "TUPLE2") and key:
            width = int(op.name[-1])
            tuples.append(tuple(numbers[-width:]))
            if len(tuples) == 2:
                shape, strides = tuples
                dense = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
                if strides != dense or not 0 < np.prod(shape) <= MAX_VALUES or numbers[0] < 0:
                    raise ValueError(f"the array {name} has the shape {shape}")
                found.append((name, key, numbers[0], shape))
                key = ""
    return found


def features(molecule: Molecule) -> tuple[np.ndarray, np.ndarray]:
    """(N,22) features of the atoms and (N,N) bonded (0 or 1), as NAGL defines them.

    Element (10), neighbours 0-6 (7), formal charge averaged over resonance forms, in a ring of 3,
    4, 5, 6. Raises NaglError for an element outside its domain.
    """
    for i, z in enumerate(molecule.numbers):
        if int(z) not in ELEMENTS:
            raise NaglError(
                f"{molecule.name or molecule.formula}: NAGL was not trained on "
                f"{label(molecule, i)} ({SYMBOLS[z]}); choose another charge method"
            )
    try:
        mol = to_rdkit(molecule)
    except BondingError as error:
        raise NaglError(str(error)) from None
    from rdkit import Chem

    if any(a.GetNumRadicalElectrons() for a in mol.GetAtoms()):
        raise NaglError(f"{molecule.name or molecule.formula}: NAGL has no charges for radicals")
    Chem.Kekulize(mol, clearAromaticFlags=True)
    rings = Chem.GetSymmSSSR(mol)
    rows = []
    for atom, charge in zip(mol.GetAtoms(), average_charges(mol), strict=True):
        sizes = {len(r) for r in rings if atom.GetIdx() in r}
        rows.append(
            [atom.GetAtomicNum() == z for z in ELEMENTS]
            + [atom.GetDegree() == n for n in range(7)]
            + [charge]
            + [n in sizes for n in (3, 4, 5, 6)]
        )
    bonded = Chem.GetAdjacencyMatrix(mol).astype(np.float32)
    return np.array(rows, dtype=np.float32), bonded


def nagl_charges(molecule: Molecule) -> np.ndarray:
    """(N,) AM1-BCC (ELF10) charges in e as the network predicts them; they add up to the charge.

    Raises NaglError where the weights are not installed or the molecule is outside the domain.
    """
    import torch

    w = weights(find_weights())
    x, bonded = (torch.from_numpy(a) for a in features(molecule))
    mean = bonded / bonded.sum(1, keepdim=True).clamp(min=1)
    with torch.no_grad():
        for i in range(LAYERS):
            at = f"convolution_module.gcn_layers.{i}.fc_"
            own = x @ w[at + "self.weight"].T + w[at + "self.bias"]
            x = torch.relu(own + mean @ x @ w[at + "neigh.weight"].T)
        at = "readout_modules.am1bcc_charges.readout_layers."
        x = torch.sigmoid(x @ w[at + "0.weight"].T + w[at + "0.bias"])
        prior, chi, hardness = (x @ w[at + "3.weight"].T + w[at + "3.bias"]).double().T
        soft = 1.0 / hardness
        start = prior - chi * soft
        charges = start - soft * (start.sum() - molecule.charge) / soft.sum()
    return charges.numpy()
