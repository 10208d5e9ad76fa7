"""Curves of one plot: no two of a colour that a person takes for the same."""

from __future__ import annotations

import itertools

import pytest

from widgets.palette import STYLES, Palette
from widgets.study import styles


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.lstrip("#")))


def away(a: str, b: str) -> int:
    return sum((x - y) ** 2 for x, y in zip(rgb(a), rgb(b), strict=True))


def test_the_two_blues_do_not_meet_while_others_are_free(monkeypatch):
    fresh = Palette()
    monkeypatch.setattr(styles, "palette", lambda: fresh)
    fresh.given |= {"one": 1, "two": 6, "three": 3, "four": 9}  # blue, blue, green, green
    found = styles.distinct(["one", "two", "three", "four"])
    assert found["one"].light == STYLES[1][0]  # the first keeps its own
    for a, b in itertools.combinations(found.values(), 2):
        assert away(a.light, b.light) >= styles.ALIKE
        assert away(a.dark, b.dark) >= styles.ALIKE


@pytest.mark.parametrize("count", [2, 5, len(STYLES) - 1])
def test_as_many_curves_as_styles_are_all_different(monkeypatch, count):
    fresh = Palette()
    monkeypatch.setattr(styles, "palette", lambda: fresh)
    found = styles.distinct([f"field {k}" for k in range(count)])
    assert len({s.light for s in found.values()}) == count
