import pytest
import torch

from core.engine.context import Cancelled
from core.fitting.cholesky import LowerPanels, NotPositiveDefinite
from core.fitting.cores import spread_over_cores

STARTS = [0, 40, 100, 101, 170, 230]


def matrix(n=230):
    a = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return a @ a.T / n + torch.eye(n, dtype=torch.float64)


def panels_of(full):
    panels = LowerPanels(STARTS, dtype=full.dtype, device=full.device)
    for k, panel in enumerate(panels.panels):
        panel.copy_(full[STARTS[k] :, STARTS[k] : STARTS[k + 1]])
    return panels


def test_factor_and_solution_equal_lapack():
    full = matrix()
    panels = panels_of(full)
    fractions = []
    with spread_over_cores("cpu") as spread:
        panels.factorise(fractions.append, spread)
    factor = torch.linalg.cholesky(full)
    for k, panel in enumerate(panels.panels):
        expected = factor[STARTS[k] :, STARTS[k] : STARTS[k + 1]]
        torch.testing.assert_close(panel, expected, rtol=0, atol=1e-12)
    right = torch.arange(230, dtype=torch.float64)
    torch.testing.assert_close(full @ panels.solve(right), right, rtol=0, atol=1e-10)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0, abs=1e-12)


def test_an_indefinite_matrix_is_named_by_its_panel():
    full = matrix()
    full[150, 150] = -1.0
    with pytest.raises(NotPositiveDefinite) as caught:
        panels_of(full).factorise(lambda f: None)
    assert caught.value.row == 101


def test_diagonal_is_added_in_every_panel():
    full = matrix()
    panels = panels_of(full)
    panels.add_diagonal(0.5)
    panels.factorise(lambda f: None)
    right = torch.ones(230, dtype=torch.float64)
    shifted = full + 0.5 * torch.eye(230, dtype=torch.float64)
    torch.testing.assert_close(shifted @ panels.solve(right), right, rtol=0, atol=1e-10)


def test_cancel_stops_between_panels():
    def cancel(fraction):
        if fraction > 0.3:
            raise Cancelled

    threads = torch.get_num_threads()
    with pytest.raises(Cancelled), spread_over_cores("cpu") as spread:
        panels_of(matrix()).factorise(cancel, spread)
    assert torch.get_num_threads() == threads
