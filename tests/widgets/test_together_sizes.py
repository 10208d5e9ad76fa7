"""The numbers of frames that are proposed for the other molecules of a combined fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.dataset import Dataset
from tests.molecules import ETHANOL
from widgets.training.together import PROPOSED, Held, ShareRow
from widgets.words import sentence


def held(frames: int) -> Held:
    n = len(ETHANOL.numbers)
    r = np.broadcast_to(ETHANOL.positions, (frames, n, 3)) + np.zeros((frames, n, 3))
    return Held.of(Dataset("small", ETHANOL, r, np.zeros(frames), np.zeros_like(r)))


@pytest.fixture
def row(qtbot, lab):
    made = ShareRow(lab.project.items("datasets")[0])
    qtbot.addWidget(made)
    return made


def numbers(row) -> tuple[int, int]:
    return int(row.n_train.value()), int(row.n_valid.value())


def test_a_small_data_set_is_not_asked_for_more_than_it_has(row):
    row.take_held(held(120), energies_suffice=True)
    assert numbers(row) == (72, 24)  # and as many are left to test on
    assert row.problem(energies_suffice=True) == ""


def test_numbers_that_were_given_stay(row):
    row.n_train.set_value(110)
    row.take_held(held(120), energies_suffice=True)
    assert numbers(row) == (110, PROPOSED[1])
    assert "210 frames asked" in row.problem(energies_suffice=True)


def test_enough_frames_and_frames_without_labels_change_nothing(row):
    row.take_held(held(301), energies_suffice=True)
    assert numbers(row) == PROPOSED
    none = dataclasses.replace(held(120), forces=0, energies=0)
    row.take_held(none, energies_suffice=True)
    assert numbers(row) == PROPOSED


def test_a_sentence_may_be_followed_by_another():
    assert sentence("4 to 6 Å suit most molecules") == "4 to 6 Å suit most molecules."
    assert sentence(" the engine stopped. ") == "The engine stopped."
    assert sentence("") == ""
