"""The device of these tests: a GPU where there is one, and one that is only pretended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.pretend_cuda import pretended


@pytest.fixture(params=["pretended", "real"], autouse=True)
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    """ "pretended": on every machine; "real": where there is a GPU."""
    if request.param == "real":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device here")
        yield request.param
        return
    with pretended():
        yield request.param
