"""What the forms of all force fields say about their settings."""

from __future__ import annotations

import pytest

from core import forcefields
from core.forcefields.info import Info

MOST_SHOWN = 10  # settings of a trainable field that are not folded away


@pytest.mark.parametrize("info", forcefields.catalog(), ids=lambda info: info.key)
def test_automatic_is_for_numbers_that_may_be_zero(info: Info) -> None:
    for p in info.parameters:
        if p.automatic:
            assert p.kind in ("int", "float")
            assert p.low == 0
        # a zero that means something has its word, so that no form shows a width of 0
        if p.help and "0 = chosen" in p.help:
            assert p.automatic


@pytest.mark.parametrize(
    "info", [i for i in forcefields.catalog() if i.family == "ML"], ids=lambda info: info.key
)
def test_a_form_is_not_longer_than_a_screen_before_it_is_unfolded(info: Info) -> None:
    assert sum(not p.advanced for p in info.parameters) <= MOST_SHOWN
