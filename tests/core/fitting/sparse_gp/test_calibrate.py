"""Standard deviations that are as large as the errors."""

import math

import pytest
import torch

from core.fitting.linear_rows import StreamingQR
from core.fitting.sparse_gp.calibrate import LEAST, NOISES, calibrate
from core.fitting.sparse_gp.gp import factor, noisier, solve, variance

FRAMES = 4000  # so many that c is known to some percent
CLOSE = 0.05


def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A Gaussian on a line, length scale 1."""
    return torch.exp(-0.5 * (a[:, None] - b) ** 2)


@pytest.fixture(scope="module")
def process() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sparse points, L and R: much noise-free data on the left, little on the right."""
    points = torch.linspace(-4.0, 4.0, 15, dtype=torch.float64)
    lower, _ = factor(kernel(points, points))
    x = torch.cat([torch.linspace(-4.0, 0.0, 80, dtype=torch.float64), points[-3:-1]])
    rows = StreamingQR(len(points), patience=200)
    rows.add(kernel(x, points), torch.sin(x))
    _, upper = solve([(rows.r, 1e-2)], lower)
    return points, lower, upper


def drawn(
    process: tuple[torch.Tensor, ...], s: float, c: float, frames: int = FRAMES
) -> tuple[torch.Tensor, ...]:
    """own, rows and errors drawn from normal distributions whose widths follow from s and c."""
    points, lower, upper = process
    make = torch.Generator().manual_seed(1)
    x = 9.0 * torch.rand(frames, generator=make, dtype=torch.float64) - 4.5
    own, rows = torch.ones_like(x), kernel(x, points)
    wide = c * variance(own, rows, lower, noisier(upper, lower, s)).sqrt()
    return own, rows, wide * torch.randn(frames, generator=make, dtype=torch.float64)


@pytest.mark.parametrize(("s", "c"), [(1.0, 1.7), (10.0, 0.8), (100.0, 1.0)])
def test_finds_the_noise_and_the_scale_that_errors_were_drawn_with(process, s, c):
    own, rows, errors = drawn(process, s, c)
    found = calibrate(own, rows, errors, process[1], process[2])
    assert found.noise == s
    assert found.scale == pytest.approx(c, rel=CLOSE)
    sigma = found.scale * variance(own, rows, process[1], found.upper).sqrt()
    for k in (1, 2):  # as a normal distribution has it
        within = float((errors.abs() < k * sigma).double().mean())
        assert within == pytest.approx(math.erf(k / math.sqrt(2)), abs=CLOSE)
    assert f"{s:g} times the noise" in str(found)


def test_the_noise_of_the_fit_is_one_of_those_tried(process):
    assert NOISES[0] == 1.0


def test_perfect_predictions_and_few_frames(process):
    own, rows, errors = drawn(process, 1.0, 1.0, frames=50)
    found = calibrate(own, rows, 0.0 * errors, process[1], process[2])
    assert 0 < found.scale < CLOSE
    with pytest.raises(ValueError, match=f"{LEAST} frames"):
        calibrate(own[:5], rows[:5], errors[:5], process[1], process[2])
