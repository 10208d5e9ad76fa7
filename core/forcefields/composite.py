"""A force field plus a machine-learned correction, of the whole molecule or of chosen atoms.

    E(r) = E_base(r) + E_correction(r_A),    trained on F_reference - F_base of the atoms A

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), section IV E and fig. 9: GAFF with a local sGDML
term for the n -> pi* interaction that its functional form lacks.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.fieldref import NAMED_CODE, FieldRef
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.hyper import hyper_from
from core.forcefields.info import Info
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

KEY = "composite"
TEXT = "text"  #: array of the state with keys and hyper-parameters of both, as JSON bytes
MAX_TEXT = 1 << 20
BASE_SHARE = 0.3  #: of the progress bar


@dataclass(frozen=True)
class Hyper:
    """Which two force fields, and where the second acts."""

    base: str = hyper(
        "gaff", label="Base", help="Key of the force field below, such as gaff, mmff94 or gaff-nn."
    )
    base_model: str = hyper(
        "",
        label="Model of the base",
        help="File of a trained or edited base; empty: the base as it is, or trained on the same "
        "frames first where it needs training.",
        file=True,
    )
    base_settings: str = hyper(
        "", label="Settings of the base", help="name=value, with semicolons or commas between."
    )
    fit_base: bool = hyper(
        False,
        label="Train the base first",
        help="On the same frames, where it could also be used as it is (a refitted GAFF below).",
    )
    correction: str = hyper(
        "sgdml", label="Correction", help="Key of the trainable force field on top, as sgdml."
    )
    correction_settings: str = hyper(
        "",
        label="Settings of the correction",
        help="name=value, with semicolons or commas between.",
    )
    atoms: str = hyper(
        "",
        label="Atoms of the correction",
        help="Counted from 1, such as 1-4, 7: only these are seen and moved; empty: all.",
    )


class Composite(ForceField):
    """A base field and a trained correction."""

    INFO = Info(
        key=KEY,
        label="Base + ML correction",
        family="ML",
        doi="10.1063/5.0023005",
        about="Any force field plus a correction learnt from what it misses; all or chosen atoms.",
        implementation="PEScape",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        absolute_energy=True,
    )
    Hyper = Hyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {
        "correction_settings": "sigma=20, lam=1e-7"
    }

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        base: ForceField,
        correction: ForceField,
        atoms: np.ndarray,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """atoms (A,) from 0: those of the molecule that the correction is for, in its order."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.base, self.correction, self.atoms = base, correction, np.asarray(atoms, dtype=np.int64)
        if len(self.atoms) != len(correction.molecule.numbers):
            raise ForceFieldError(
                f"the correction is for {len(correction.molecule.numbers)} atoms, "
                f"{len(self.atoms)} are chosen"
            )
        self.whole = len(self.atoms) == len(molecule.numbers) and bool(
            (self.atoms == np.arange(len(self.atoms))).all()
        )
        self.place = torch.tensor(self.atoms, device=self.device)
        self.notes = notes or {}
        # what the two can do together: readers of this one object must not expect more
        both = (base.INFO, correction.INFO)
        self.INFO = dataclasses.replace(  # type: ignore[misc]
            type(self).INFO,
            label=f"{base.INFO.label} + {correction.INFO.label}",
            differentiable=all(i.differentiable for i in both),
            batched=all(i.batched for i in both),
            gpu=all(i.gpu for i in both),
            absolute_energy=correction.INFO.absolute_energy,
            uncertainty=correction.INFO.uncertainty,
        )

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return self.base.energy(positions) + self.correction.energy(positions[:, self.place])

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The sum of both; what the base cannot do stays NaN, with its reason."""
        energy, forces = self.base.compute(positions)
        part = positions if self.whole else positions[:, self.place].contiguous()
        e, f = self.correction.compute(part)
        self.reasons = {**self.correction.reasons, **self.base.reasons}
        # the base may keep what it returned
        return energy + e, forces + f if self.whole else forces.index_add(1, self.place, f)

    def sigma(self, positions: np.ndarray) -> np.ndarray | None:
        """That of the correction: the base is taken as it is."""
        return self.correction.sigma(positions[:, self.atoms])

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the base's permutations that the correction knows too."""
        known = {tuple(p) for p in self.correction.permutations.tolist()}
        order = {int(a): i for i, a in enumerate(self.atoms)}
        good = []
        for p in self.base.permutations:
            images = [order.get(int(a)) for a in p[self.atoms]]
            if None not in images and tuple(images) in known:
                good.append(p)
        return np.array(good, dtype=np.int64)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """Base first (trained only where it must be), then the correction on what is left.

        Raises ForceFieldError: unknown or unfit fields, atoms that are not there, a frame on which
        the base fails; and whatever the two fields refuse.
        """
        from core.fitting.part import Part
        from core.fitting.training import check_bonds
        from core.forcefields.load import field_class

        learner = field_class(_allowed(hyper.correction, "correction"))
        if not learner.INFO.trainable:
            raise ForceFieldError(
                f"{learner.INFO.label} is not trained on data: it cannot be the correction"
            )
        settings = hyper_from(learner, _settings(hyper.correction_settings, "correction"))
        atoms = chosen(hyper.atoms, len(dataset.molecule.numbers))
        base = _base(dataset, split, hyper, Part(context, 0.0, BASE_SHARE / 2))
        if base.BONDS != "any":
            frames, may = np.concatenate([split.train, split.valid]), base.BONDS == "may break"
            check_bonds(base.INFO.label, base.molecule, dataset.positions, frames, may_break=may)
        rest = residual(dataset, split, base, atoms, Part(context, BASE_SHARE / 2, BASE_SHARE))
        correction = learner.fit(rest, split, settings, Part(context, BASE_SHARE, 1.0))
        notes = {"base": base.INFO.label, "correction": correction.INFO.label}
        if hyper.base_model:
            notes["base"] += f" ({hyper.base_model})"
        if len(atoms) < len(dataset.molecule.numbers):
            notes["atoms"] = ", ".join(str(a + 1) for a in atoms)
        for name, field in (("base", base), ("correction", correction)):
            notes |= {f"{name}: {k}": v for k, v in field.notes.items()}
        return cls(
            base.molecule,
            hyper,
            base=base,
            correction=correction,
            atoms=atoms,
            notes=notes,
            device=context.device,
        )

    def state(self) -> dict[str, np.ndarray]:
        """The states of both, their names headed by base. and correction."""
        texts = {}
        out: dict[str, np.ndarray] = {"atoms": self.atoms}
        for name, field in (("base", self.base), ("correction", self.correction)):
            texts[name] = {"key": field.INFO.key, "hyper": dataclasses.asdict(field.hyper)}
            out |= {f"{name}.{k}": v for k, v in field.state().items()}
        out[TEXT] = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8).copy()
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
        """See `state`. Raises ForceFieldError where something is missing or does not fit."""
        from core.forcefields.load import field_class

        try:
            atoms, texts = state["atoms"], _texts(state[TEXT])
            named = [(n, texts[n]["key"], texts[n]["hyper"]) for n in ("base", "correction")]
        except (KeyError, TypeError) as error:
            raise ForceFieldError(f"this is not a composite model: {error} is missing") from None
        n = len(molecule.numbers)
        if atoms.dtype.kind != "i" or atoms.ndim != 1 or not len(atoms):
            raise ForceFieldError("the atoms of the correction are damaged")
        if atoms.min() < 0 or atoms.max() >= n or len(np.unique(atoms)) != len(atoms):
            raise ForceFieldError(f"the correction names an atom twice or outside 1..{n}")
        fields = []
        for name, key, values in named:
            if not isinstance(key, str) or not isinstance(values, dict):
                raise ForceFieldError(f"the {name} of the composite model is damaged")
            part = field_class(_allowed(key, name))
            own = molecule if name == "base" else subset(molecule, atoms)
            head = f"{name}."
            arrays = {k[len(head) :]: v for k, v in state.items() if k.startswith(head)}
            settings = hyper_from(part, values)
            try:
                fields.append(part.from_state(own, settings, arrays, device=device, dtype=dtype))
            except KeyError as error:
                raise ForceFieldError(f"the {name} of the model lacks {error}") from None
        base, correction = fields
        return cls(
            molecule,
            hyper,
            base=base,
            correction=correction,
            atoms=atoms,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes): both fits, and evaluating the base on the training frames."""
        from core.fitting.base_cost import evaluating
        from core.forcefields.load import field_class

        learner = field_class(_allowed(hyper.correction, "correction"))
        settings = hyper_from(learner, _settings(hyper.correction_settings, "correction"))
        part = subset(molecule, chosen(hyper.atoms, len(molecule.numbers)))
        seconds, size = learner.estimate(part, n_train, settings)
        below = field_class(_allowed(hyper.base, "base"))
        own = _settings(hyper.base_settings, "base")
        trains = _trains(below, hyper) and not hyper.base_model
        if trains:
            more, least = below.estimate(molecule, n_train, hyper_from(below, own))
            seconds, size = seconds + more, max(size, least)
        ref = FieldRef(hyper.base, model=hyper.base_model, hyper={} if hyper.base_model else own)
        return seconds + evaluating(ref, molecule, n_train, trains=trains), size


def chosen(text: str, n_atoms: int) -> np.ndarray:
    """ "1-4, 7" (from 1) -> indices from 0, in rising order; "" -> all. Raises ForceFieldError."""
    if not text.strip():
        return np.arange(n_atoms)
    found: set[int] = set()
    for word in text.replace(";", ",").replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ForceFieldError(f"atoms: {word!r} is no atom or range such as 7 or 1-4")
        low, high = int(first), int(last) if dash else int(first)
        if not 1 <= low <= high <= n_atoms:
            raise ForceFieldError(f"atoms: {word} is not within the molecule's 1..{n_atoms}")
        found |= set(range(low - 1, high))
    if len(found) < 2:
        raise ForceFieldError("atoms: a correction needs at least two atoms")
    return np.array(sorted(found))


def subset(molecule: Molecule, atoms: np.ndarray) -> Molecule:
    """The molecule itself where it has all atoms, else the chosen ones and the bonds among them."""
    n = len(molecule.numbers)
    if len(atoms) == n and (atoms == np.arange(n)).all():
        return molecule
    place = np.full(n, -1)
    place[atoms] = np.arange(len(atoms))
    bonds = place[molecule.bonds] if len(molecule.bonds) else np.zeros((0, 2), dtype=np.int64)
    inside = (bonds >= 0).all(1)
    return Molecule(
        f"{molecule.name}, {len(atoms)} atoms",
        molecule.numbers[atoms],
        molecule.positions[atoms],
        bonds=bonds[inside],
        orders=np.asarray(molecule.orders)[inside] if len(bonds) else np.zeros(0),
    )


def residual(
    dataset: Dataset, split: Split, base: ForceField, atoms: np.ndarray, context: Context
) -> Dataset:
    """Reference minus base on the chosen atoms; NaN in frames that are not trained or validated."""
    from core.fitting.evaluation import predict_frames

    used = np.concatenate([split.train, split.valid])
    if len(used) and used.max() >= len(dataset):
        raise ForceFieldError(
            f"frame {used.max() + 1} of a data set with {len(dataset)} frames is to be trained on"
        )
    e, f, _, failed = predict_frames(base, dataset, used, context)
    if failed:
        raise ForceFieldError(f"{base.INFO.label}: {'; '.join(failed.values())}")
    energies, forces = dataset.energies, dataset.forces
    if energies is not None:
        energies = np.full(len(dataset), np.nan)
        assert dataset.energies is not None
        energies[used] = dataset.energies[used] - e
    if forces is not None:
        forces = np.full((len(dataset), len(atoms), 3), np.nan)
        assert dataset.forces is not None
        forces[used] = (dataset.forces[used] - f)[:, atoms]
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name} minus {base.INFO.label}",
        molecule=subset(base.molecule, atoms),
        positions=dataset.positions[:, atoms],
        energies=energies,
        forces=forces,
    )


def _base(dataset: Dataset, split: Split, hyper: Hyper, context: Context) -> ForceField:
    from core.forcefields.load import field_class, make

    _allowed(hyper.base, "base")
    settings = _settings(hyper.base_settings, "base")
    if hyper.base_model:
        if settings:
            raise ForceFieldError("a base from a model file has its settings in the file")
        ref = FieldRef(hyper.base, model=hyper.base_model)
        return make(ref, dataset.molecule, device=context.device)
    cls = field_class(hyper.base)
    if _trains(cls, hyper):
        return cls.fit(dataset, split, hyper_from(cls, settings), context)
    ref = FieldRef(hyper.base, hyper=settings)
    return make(ref, dataset.molecule, device=context.device)


def _trains(cls: type[ForceField], hyper: Hyper) -> bool:
    """Whether the base is fitted: it must be, or it can be and a person wants it."""
    if hyper.fit_base and not cls.INFO.trainable:
        raise ForceFieldError(f"{cls.INFO.label} is not trained on data: leave fit_base out")
    return cls.INFO.must_be_trained or hyper.fit_base


def _allowed(key: str, role: str) -> str:
    """The key itself. A composite travels as a file, so it must not name code or other files."""
    if key in (*NAMED_CODE, KEY, "reference"):
        raise ForceFieldError(f"{key} cannot be the {role} of a composite force field")
    return key


def _settings(text: str, role: str) -> dict[str, bool | int | float | str]:
    out: dict[str, bool | int | float | str] = {}
    between = ";" if ";" in text else ","  # a value may hold commas where semicolons separate
    for item in filter(None, (part.strip() for part in text.split(between))):
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise ForceFieldError(f"settings of the {role}: {item!r} is not name=value")
        out[name.strip()] = value.strip()
    return out


def _texts(data: np.ndarray) -> dict:
    if data.dtype != np.uint8 or data.ndim != 1 or data.size > MAX_TEXT:
        raise ForceFieldError("the composite model's texts are damaged")
    try:
        found = json.loads(data.tobytes().decode())
    except (ValueError, RecursionError):
        raise ForceFieldError("the composite model's texts are damaged") from None
    if not isinstance(found, dict):
        raise ForceFieldError("the composite model's texts are damaged")
    return found


FIELD = Composite
