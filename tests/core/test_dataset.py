"""Data sets and splits check themselves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import wire
from core.dataset import Dataset, Split
from tests.molecules import ETHANOL, ethanol_frames


def make(**kw) -> Dataset:
    return Dataset("d", ETHANOL, ethanol_frames(4), **kw)


def test_labels_that_are_missing_are_counted():
    assert not make().has_energy.any()
    assert not make().has_forces.any()
    energies = np.array([1.0, np.nan, 2.0, 3.0])
    forces = np.zeros((4, 9, 3))
    forces[3, 8, 2] = np.nan
    data = make(energies=energies, forces=forces)
    assert data.has_energy.tolist() == [True, False, True, True]
    assert data.has_forces.tolist() == [True, True, True, False]
    assert len(data) == 4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"energies": np.zeros(3)}, r"energies has shape \(3,\)"),
        ({"forces": np.zeros((4, 8, 3))}, "forces has shape"),
        ({"tags": {"phi": np.zeros(5)}}, "tag 'phi' has 5 values for 4 frames"),
        ({"positions": np.zeros((0, 9, 3))}, "0 frames"),
        ({"positions": np.zeros((4, 8, 3))}, "positions has shape"),
    ],
)
def test_what_does_not_fit_is_refused(change, why):
    with pytest.raises(ValueError, match=why):
        dataclasses.replace(make(), **change)


def test_a_broken_coordinate_is_named():
    r = ethanol_frames(4)
    r[2, 0, 0] = np.inf
    with pytest.raises(ValueError, match="frame 3 has a coordinate"):
        Dataset("d", ETHANOL, r)


def test_travels_and_stays_read_only():
    data = make(energies=np.arange(4.0), tags={"phi": np.arange(4)})
    back = wire.unpack(wire.pack(data), Dataset)
    assert np.array_equal(back.energies, data.energies)
    assert np.array_equal(back.tags["phi"], data.tags["phi"])
    with pytest.raises(ValueError):
        back.positions[0, 0, 0] = 1.0


def test_split_parts_never_overlap():
    Split(np.array([0, 1]), np.array([2]), np.array([3]))
    with pytest.raises(ValueError, match="two parts"):
        Split(np.array([0, 1]), np.array([1]), np.array([3]))
    with pytest.raises(ValueError, match="twice"):
        Split(np.array([0, 0]), np.array([1]), np.array([3]))
