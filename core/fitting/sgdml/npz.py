"""The sgdml package's model files (.npz), read and written without pickles.

Facts about the format (sgdml 1.0.3): `z` (N,) atomic numbers; `R_desc` (D,M) inverse distances over
the pairs i > j, row by row of the lower triangle; `R_d_desc_alpha` (M,D) the weights J alpha;
`sig`, `std` and `c`: energies and forces are multiplied by std, and c is added to energies; `perms`
(S,N) and, as indices into S copies of a descriptor, `tril_perms_lin` (D S,); `alphas_E` (M,) where
energies were fitted; `e_unit`, `r_unit` where the data set said so. Predictions do not need the
entries that the package pickles (`f_err`, `e_err`, `md5_test`): they are neither read nor written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.descriptors.inverse_distances import pairs, permute_pairs
from core.fitting.sgdml.shape import geometry
from core.forcefields.errors import ForceFieldError
from core.molecule import Molecule
from core.readers.errors import ReaderError, shown
from core.readers.npy import Npz
from core.storage import StorageError, replacing
from core.units import BOHR, HARTREE, KCAL_MOL, KJ_MOL

if TYPE_CHECKING:
    from core.forcefields.base import ForceField
    from core.forcefields.load import Model
    from core.forcefields.sgdml import SGDML

ENERGY = {
    "kcal/mol": KCAL_MOL, "kj/mol": KJ_MOL, "ev": 1.0, "mev": 1e-3,
    "hartree": HARTREE, "ha": HARTREE, "eh": HARTREE, "au": HARTREE, "a.u.": HARTREE,
}  # fmt: skip
LENGTH = {"ang": 1.0, "angstrom": 1.0, "å": 1.0, "a": 1.0, "bohr": BOHR, "au": BOHR, "a.u.": BOHR}
CONVENTION = ("kcal/mol", "Ang")  #: what the package's own calculator takes where a file says none
NEAREST = (0.5, 3.5)  #: Å between which the shortest distance of any molecule lies
VERSION = "1.0.3"  #: of the package whose format is written


def read_package_model(
    path: str | Path, *, energy_unit: str = "", length_unit: str = "", device: str = "cpu"
) -> SGDML:
    """The force field in a file of the sgdml package.

    energy_unit, length_unit: overrule what the file says; where neither does, kcal/mol and Å are
    taken, as the package itself does (the notes say so). The file holds distances, not geometries:
    the molecule's positions are rebuilt from those of the first training frame, up to a mirror
    image. Raises ForceFieldError naming the file and what is wrong.
    """
    from core.forcefields.hyper import hyper_from
    from core.forcefields.sgdml import SGDML

    model = read_package_record(path, energy_unit=energy_unit, length_unit=length_unit)
    field = SGDML.from_state(
        model.molecule, hyper_from(SGDML, model.hyper), model.state, device=device
    )
    field.notes = dict(model.extra)
    return field


def read_package_record(path: str | Path, *, energy_unit: str = "", length_unit: str = "") -> Model:
    """The same as a record, see `core.forcefields.load.Model`."""
    from core.forcefields.load import Model

    try:
        with Npz(Path(path)) as npz:
            found = _arrays(npz)
            texts = ("e_unit", "r_unit", "dataset_name", "dataset_theory")
            said = {k: (npz.text(k) if k in npz.keys else None) or "" for k in texts}
    except ReaderError as error:
        raise ForceFieldError(str(error)) from None
    name = Path(path).name
    e_unit = energy_unit or said["e_unit"] or CONVENTION[0]
    r_unit = length_unit or said["r_unit"] or CONVENTION[1]
    try:
        ev, length = ENERGY[e_unit.lower()], LENGTH[r_unit.lower()]
    except KeyError as error:
        raise ForceFieldError(
            f"{name}: the unit {shown(error.args[0])!r} is not known; energies may be in "
            f"{', '.join(list(ENERGY)[:5])}, lengths in Ang or bohr"
        ) from None
    n, m, order = len(found["z"]), len(found["R_desc"]), _order(len(found["z"]))
    d = found["R_desc"][:, order] / length
    shortest = 1.0 / d.max()
    if not NEAREST[0] < shortest < NEAREST[1]:
        raise ForceFieldError(
            f"{name}: its shortest distance is {shortest:.3g} Å if lengths are in {r_unit}; that "
            "is no molecule, so the unit of length must be another"
        )
    scale = found["std"] * ev
    state = {
        "descriptors": d,
        # E = c sum (1 + r) e^-r delta.A with c ~ 1/sigma²: A scales as 1/length like delta
        "weights": found["R_d_desc_alpha"][:, order] * (scale / length),
        "permutations": found["perms"],
        "sigma": np.array([found["sig"] / length]),
        "offset": np.array([found["c"] * ev]),
        "absolute": np.array([True]),
    }
    hyper: dict[str, bool | int | float | str] = {
        "sigma": float(found["sig"] / length), "lam": float(np.clip(found["lam"], 0.0, 1.0)),
        "symmetries": len(found["perms"]) > 1, "energies": "alphas_E" in found,
    }  # fmt: skip
    if "alphas_E" in found:
        state["energy_weights"] = found["alphas_E"] * scale
    stated = bool(energy_unit or said["e_unit"]) and bool(length_unit or said["r_unit"])
    extra = {
        "label": f"sGDML, {Path(path).stem}",
        "dataset": shown(said["dataset_name"] or "unknown"),
        "level": shown(said["dataset_theory"] or ""),
        "source": f"{name}, a model of the sgdml package",
        "training frames": str(m),
        "permutations": str(len(found["perms"])),
        "units": f"{e_unit} and {r_unit}"
        + ("" if stated else " (taken by convention: the file does not say)"),
        "geometry": "rebuilt from distances, may be the mirror image",
    }
    molecule = Molecule(Path(path).stem, found["z"], geometry(d[0], n, name))
    return Model(key="sgdml", molecule=molecule, hyper=hyper, state=state, extra=extra)


def _order(n: int) -> np.ndarray:
    """Where our pairs (a < b) stand in the package's rows of the lower triangle."""
    a, b = pairs(n)
    return b * (b - 1) // 2 + a


def _arrays(npz: Npz) -> dict[str, Any]:
    """The entries that predictions need, with shapes and values checked."""

    def bad(what: str) -> ReaderError:
        return ReaderError(npz.path, what)

    if "type" in npz.keys and npz.text("type") != "m":
        raise bad("is not a trained model of the sgdml package (its type is not 'm')")
    if "lattice" in npz.keys:
        raise bad("is a model of a periodic system, which PEScape does not do")
    needed = ("z", "R_desc", "R_d_desc_alpha", "c", "std", "sig", "lam", "perms")
    missing = [k for k in needed if k not in npz.keys]
    if missing:
        raise bad(f"is not a whole sgdml model: the entry {missing[0]!r} is missing")
    raw = {k: npz.array(k) for k in needed}
    for key in ("alphas_E", "tril_perms_lin"):
        if key in npz.keys:
            raw[key] = npz.array(key)
    out: dict[str, Any] = {}
    for key in ("c", "std", "sig", "lam"):
        if raw[key].size != 1 or raw[key].dtype.kind not in "fiu":
            raise bad(f"entry {key!r} is not one number")
        out[key] = float(raw[key].reshape(-1)[0])
    z, perms = raw["z"], raw["perms"]
    if z.ndim != 1 or z.dtype.kind not in "iu" or not 2 <= len(z) <= 1000:
        raise bad(f"entry 'z' is not a list of atomic numbers ({z.dtype}, shape {z.shape})")
    n = len(z)
    d = raw["R_desc"]
    if d.ndim != 2 or len(d) != n * (n - 1) // 2 or not d.shape[1]:
        raise bad(f"entry 'R_desc' has shape {d.shape}, expected ({n * (n - 1) // 2}, frames)")
    out["z"] = z.astype(np.int64)
    out["R_desc"] = np.ascontiguousarray(d.T, dtype=np.float64)
    out["R_d_desc_alpha"] = raw["R_d_desc_alpha"].astype(np.float64)
    if out["R_d_desc_alpha"].shape != out["R_desc"].shape:
        raise bad("entries 'R_desc' and 'R_d_desc_alpha' do not fit each other")
    if perms.ndim != 2 or perms.shape[1] != n or perms.dtype.kind not in "iu" or not len(perms):
        raise bad(f"entry 'perms' has shape {perms.shape}, expected (permutations, {n})")
    if not (np.sort(perms, 1) == np.arange(n)).all() or (z[perms] != z).any():
        raise bad("entry 'perms' holds rows that are not permutations of like atoms")
    perms = perms.astype(np.int64)
    # the identity first, as ours; the sum over them does not know their order
    out["perms"] = np.array(sorted({tuple(p) for p in perms.tolist()}), dtype=np.int64)
    if (out["perms"][0] != np.arange(n)).any() or len(out["perms"]) != len(perms):
        raise bad("entry 'perms' lacks the identity or holds a permutation twice")
    if "tril_perms_lin" in raw:
        _check_order(raw["tril_perms_lin"], perms, n, bad)
    if "alphas_E" in raw:
        out["alphas_E"] = raw["alphas_E"].astype(np.float64).reshape(-1)
        if len(out["alphas_E"]) != len(out["R_desc"]):
            raise bad("entry 'alphas_E' does not have one number per training frame")
    numbers = [np.isfinite(v).all() for k, v in out.items() if k not in ("z", "perms")]
    if not all(numbers) or out["sig"] <= 0 or (out["R_desc"] <= 0).any():
        raise bad("holds numbers that are not finite, or distances or a width that are not above 0")
    return out


def _check_order(linear: np.ndarray, perms: np.ndarray, n: int, bad: Any) -> None:
    """`tril_perms_lin` must be what `perms` do to a descriptor, or another model was meant."""
    order = _order(n)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    ours = order[permute_pairs(perms)][:, back]  # (S,D) in the package's order of pairs
    want = (ours + len(order) * np.arange(len(perms))[:, None]).reshape(-1, order="F")
    flat = linear.reshape(-1)
    if flat.shape != want.shape or (flat != want).any():
        raise bad("entries 'perms' and 'tril_perms_lin' do not fit each other")


def write_package_model(
    path: str | Path, model: ForceField, *, dataset: str = "unknown", theory: str = "unknown"
) -> None:
    """Write `model` so that sgdml's GDMLPredict and calculator predict with it; kcal/mol and Å.

    Raises ForceFieldError where the package cannot hold it: another force field, or chosen angles
    and dihedrals.
    """
    from core.forcefields.sgdml import SGDML

    if not isinstance(model, SGDML):
        raise ForceFieldError(
            f"the sgdml package holds sGDML models; this is one of {model.INFO.label}"
        )
    if len(model.terms):
        raise ForceFieldError(
            "the sgdml package knows inverse distances only; this model also has "
            f"{len(model.terms)} angles and dihedrals. Train one without them"
        )
    n = len(model.molecule.numbers)
    order = _order(n)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    images = order[permute_pairs(model.permutations)][:, back]
    linear = (images + len(order) * np.arange(len(images))[:, None]).reshape(-1, order="F")
    arrays: dict[str, Any] = {
        "type": "m",
        "code_version": VERSION,
        "dataset_name": dataset,
        "dataset_theory": theory,
        "solver_name": "PEScape",
        "z": model.molecule.numbers,
        "n_test": 0,
        "R_desc": model.descriptors[:, back].T,
        "R_d_desc_alpha": model.weights[:, back] / KCAL_MOL,
        "c": model.offset / KCAL_MOL,
        "std": 1.0,
        "sig": int(model.length) if model.length == int(model.length) else model.length,
        "lam": float(model.hyper.lam),
        "perms": model.permutations,
        "tril_perms_lin": linear,
        "use_E": model.absolute,
        "e_unit": "kcal/mol",
        "r_unit": "Ang",
    }
    if model.energy_weights is not None:
        arrays["alphas_E"] = model.energy_weights / KCAL_MOL
    path = Path(path)
    try:
        with replacing(path) as stream:
            np.savez_compressed(stream, **arrays)
    except (OSError, StorageError) as error:
        raise ForceFieldError(f"{path} could not be written: {error}") from None
