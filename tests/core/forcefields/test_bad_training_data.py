"""Data that nothing can be learnt from, for every field that is trained: a new one inherits this.

Either a sentence that names the frame and what to do, or a field that is finite everywhere.
"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from core import storage
from core.analyses.fit import FitSpec
from core.analyses.fit import run as fit
from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.splits import SplitError
from core.fitting.training import train
from core.forcefields import discover
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.load import hyper_from
from tests.molecules import ethanol_frames, labelled

TRAIN, VALID, ALL = 24, 8, 40
NONE = np.zeros(0, dtype=np.int64)
SPLIT = Split(np.arange(TRAIN), np.arange(TRAIN, TRAIN + VALID), NONE)
FIELDS = {key: cls for key, cls in sorted(discover().items()) if cls.INFO.trainable}
WORSE = 1.5  # one frame of 24 without its labels may cost this much of the force error

pytestmark = pytest.mark.parametrize("cls", FIELDS.values(), ids=FIELDS)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """40 frames of ethanol with GFN2-xTB."""
    return labelled(ethanol_frames(ALL))


def trained(cls: type[ForceField], data: Dataset, context: Context | None = None, **hyper):
    values = hyper_from(cls, {**cls.QUICK, **hyper})
    return train(cls, data, SPLIT, values, context or Context())


def error(field: ForceField, data: Dataset) -> float:
    rest = np.arange(TRAIN + VALID, ALL)
    forces = field.predict(data.positions[rest]).forces
    assert data.forces is not None
    return float(np.abs(forces - data.forces[rest]).mean())


def outcome(cls: type[ForceField], data: Dataset) -> tuple[ForceField | None, str]:
    """The field, or why there is none."""
    try:
        return trained(cls, data), ""
    except ForceFieldError as problem:
        return None, str(problem)


def refused(cls: type[ForceField], data: Dataset, *words: str, **hyper) -> str:
    """The sentence: of whom it is, and the words; nothing that a programmer would say."""
    with pytest.raises(ForceFieldError) as caught:
        trained(cls, data, **hyper)
    text = str(caught.value)
    for word in words:
        assert word in text
    assert len(text) > 30
    for jargon in ("Traceback", "tensor", "None", "nan", "shape", "linalg"):
        assert jargon not in text
    return text


def without_labels(data: Dataset, frame: int) -> Dataset:
    energies, forces = np.array(data.energies), np.array(data.forces)
    energies[frame], forces[frame] = np.nan, np.nan
    return dataclasses.replace(data, energies=energies, forces=forces)


def test_no_labels_at_all(cls, data, tmp_path):
    bare = dataclasses.replace(data, energies=None, forces=None)
    refused(cls, bare, "frame")
    path = tmp_path / "bare.npz"
    storage.save(path, bare)
    with pytest.raises(SplitError, match=r"0 energies and 0 forces|has no forces"):
        fit(FitSpec(cls.INFO.key, str(path), 10, 5), Context())


def test_one_frame_without_labels(cls, data):
    """Refused by name, or not counted; never a field of NaN."""
    field, problem = outcome(cls, without_labels(data, 4))
    if field is None:
        assert "frame 5" in problem
        return
    assert error(field, data) < WORSE * error(trained(cls, data), data)


def test_drawn_frames_have_labels(cls, data, tmp_path):
    """Where the program draws, it leaves such frames out and says which."""
    energies, forces = np.array(data.energies), np.array(data.forces)
    forces[[4, 9]], energies[[4, 9]] = np.nan, np.nan
    path = tmp_path / "some.npz"
    storage.save(path, dataclasses.replace(data, energies=energies, forces=forces))
    spec = FitSpec(cls.INFO.key, str(path), 24, 8, method="random", hyper=dict(cls.QUICK))
    found = fit(spec, Context())
    assert "5, 10" in " ".join(found.info.values())
    assert not np.isin([4, 9], np.concatenate([found.split.train, found.split.valid])).any()
    assert np.isfinite(found.errors.force_mae)


def test_a_repeated_frame(cls, data):
    positions = np.array(data.positions)
    positions[7] = positions[3]
    energies, forces = np.array(data.energies), np.array(data.forces)
    energies[7], forces[7] = energies[3], forces[3]
    again = dataclasses.replace(data, positions=positions, energies=energies, forces=forces)
    field, problem = outcome(cls, again)
    if field is None:
        assert "frame 8" in problem
        assert "frame 4" in problem
        return
    assert error(field, data) < WORSE * error(trained(cls, data), data)


def test_all_frames_the_same(cls, data, tmp_path):
    once = np.full(ALL, 3)
    same = dataclasses.replace(
        data,
        positions=data.positions[once],
        energies=data.energies[once],
        forces=data.forces[once],
    )
    path = tmp_path / "same.npz"
    storage.save(path, same)
    with pytest.raises(SplitError, match=r"1 can be used.*frame 2 repeats frame 1"):
        fit(FitSpec(cls.INFO.key, str(path), 24, 8, hyper=dict(cls.QUICK)), Context())
    field, problem = outcome(cls, same)
    if field is None:
        assert "frame 2" in problem
        return
    assert np.isfinite(error(field, data))


def test_atoms_on_each_other(cls, data):
    positions = np.array(data.positions)
    positions[2, 1] = positions[2, 0]
    crushed = dataclasses.replace(data, positions=positions)
    refused(cls, crushed, cls.INFO.label, "frame 3", "atoms 1 and 2", "leave that frame out")


def test_another_molecule_among_the_frames(cls, data):
    """Dimethyl ether in ethanol's order of atoms: a field with fixed bonds says so."""
    positions = np.array(data.positions)
    positions[2] = positions[2][[0, 2, 1, 3, 4, 5, 6, 7, 8]]  # C-O-C
    mixed = dataclasses.replace(data, positions=positions)
    if cls.BONDS == "any" and cls.INFO.key != "composite":
        assert np.isfinite(error(trained(cls, mixed), data))
        return
    refused(cls, mixed, "frame 3", "bonded in this molecule", "Å apart", "leave that frame out")


def test_too_little_memory_is_said_before_it_is_taken(cls, data, monkeypatch):
    seen: list[str] = []
    little = SimpleNamespace(available=1e6)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    context = Context(lambda kind, fraction, payload: seen.append(kind))
    with pytest.raises(ForceFieldError, match=r"GB of memory and 0\.0 GB are free"):
        trained(cls, data, context)
    assert not seen


def test_a_cutoff_below_the_shortest_bond(cls, data):
    names = [p.name for p in cls.parameters() if p.name in ("cutoff", "cutoffs")]
    if not names:
        pytest.skip("has no cutoff")
    (row,) = [p for p in cls.parameters() if p.name == names[0]]
    wide = dataclasses.replace(data, positions=data.positions * 3.0)  # bonds of 2.9 Å and more
    short = "2.0" if row.kind == "str" else max(2.0, row.low or 0.0)
    text = refused(cls, wide, "cutoff", "2 Å", **{row.name: short})
    assert "shortest" in text or "neighbour" in text


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_stop_keeps_what_there_is(cls, data, at):
    """At the first news, while the matrix is built, while it is solved."""
    count = 0

    class Watched(Context):
        def progress(self, fraction: float, message: str = "") -> None:
            nonlocal count
            count += 1
            if count == at:
                self.request_stop()
            super().progress(fraction, message)

    field = trained(cls, data, Watched())
    assert np.isfinite(error(field, data))
    assert error(field, data) < 2.0  # eV/Å: the forces themselves are 1.0


def test_a_cancelled_training_leaves_no_model(cls, data, tmp_path):
    path = tmp_path / "data.npz"
    storage.save(path, data)
    context = Context(lambda kind, fraction, payload: context.request_cancel())
    out = tmp_path / "fit"
    spec = FitSpec(cls.INFO.key, str(path), 24, 8, hyper=dict(cls.QUICK), out=str(out))
    with pytest.raises(Cancelled):
        fit(spec, context)
    assert not list(out.glob("*.npz"))
