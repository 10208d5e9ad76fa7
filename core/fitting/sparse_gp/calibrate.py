"""Make the predicted standard deviations of a sparse Gaussian process as large as the errors are.

With the variance of `core.fitting.sparse_gp.gp` for a noise s times that of the fit,

    sigma(x)² = c² (k** - |L^-1 k|² + |R_s^-T k|²)

s and c are those under which the energy errors e of the validation frames are most likely:

    c² = mean(e²/v_s),    s minimises mean(log(c² v_s))

(maximum of the Gaussian likelihood; such a c in Musil et al., J. Chem. Theory Comput. 15, 906
(2019); s from a few values). c sets the size alone; s also changes the order of the frames.

What it does, rMD17 ethanol, 500 training and 200 validation frames, 1000 test frames (s = 30):
mean sigma 2.4 -> 3.9 meV at an energy MAE of 3.3 meV; errors within 1 and 2 sigma 48 % and 79 % ->
70 % and 94 % (a normal distribution has 68 % and 95 %); Spearman's coefficient of sigma with the
energy error 0.39 -> 0.42, with the force error of the frame 0.79 -> 0.82. That 0.42 is all there is
to gain: errors drawn from normal distributions of exactly these sigmas would give 0.30, since one
draw says little about its own width. A single energy error is not told; a bad region is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.fitting.sparse_gp.gp import noisier, variance

NOISES = (1.0, 3.0, 10.0, 30.0, 100.0)  #: s that are tried
LEAST = 10  #: frames, for c to be within some 20 %
ENOUGH = 200  #: frames looked at, at most


@dataclass(frozen=True, eq=False)
class Calibration:
    """upper (M,M): R_s; s, c and the number of frames they come from."""

    upper: torch.Tensor
    noise: float
    scale: float
    frames: int

    def __str__(self) -> str:
        return (
            f"× {self.scale:.2f}, with {self.noise:g} times the noise of the fit (most likely for "
            f"the energy errors of {self.frames} validation frames)"
        )


def calibrate(
    own: torch.Tensor,
    rows: torch.Tensor,
    errors: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
) -> Calibration:
    """own (B,) eV² and rows (B,M) of frames with energy errors (B,) eV; L and R (M,M) of the fit.

    Raises ValueError for fewer than LEAST frames.
    """
    if len(errors) < LEAST:
        raise ValueError(f"{LEAST} frames with an energy are needed, here are {len(errors)}")
    found = []
    for s in NOISES:
        r = upper if s == 1.0 else noisier(upper, lower, s)
        v = variance(own, rows, lower, r)
        v = v.clamp(min=1e-12 * float(v.max()) + 1e-300)  # rounding may leave nothing of one
        c2 = (errors.square() / v).mean().clamp(min=1e-12)
        found.append((float((c2 * v).log().mean()), Calibration(r, s, float(c2.sqrt()), len(v))))
    return min(found, key=lambda pair: pair[0])[1]
