"""The iterative solver: the operator is the matrix, the answer that of the closed form."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import storage
from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.checkpoint import SavedState
from core.fitting.conjugate import Progress, conjugate_gradients
from core.fitting.conjugate_kernel import KernelProduct
from core.fitting.conjugate_nystrom import Nystrom
from core.fitting.sgdml.data import Training
from core.fitting.sgdml.hyper import SGDMLHyper
from core.fitting.sgdml.solve import plan
from core.fitting.symmetry import close_group
from core.forcefields.base import ForceFieldError
from core.forcefields.sgdml import SGDML
from tests.molecules import ethanol_frames, labelled
from tests.tolerances import ITERATIVE_FORCE

METHYL = close_group(np.array([[0, 1, 2, 4, 5, 3, 6, 7, 8]]))
NONE = np.zeros(0, dtype=int)
M = 60
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return labelled(ethanol_frames(M + 20), key="mmff94")


@pytest.fixture(autouse=True)
def few_columns(monkeypatch) -> None:
    """So small a system would be solved by its preconditioner alone."""
    monkeypatch.setattr("core.fitting.sgdml.solve.FEW", 200)


def training(data: Dataset, *, energies: bool = False) -> Training:
    hyper = SGDMLHyper(energies=energies, energy_weight=2.0)
    terms = np.array([[2, 1, 0, h] for h in (3, 4, 5)])
    return Training(data, np.arange(12), METHYL, terms, hyper, "cpu")


def dense(kernel) -> torch.Tensor:
    n = len(kernel.d) * kernel.rows
    out = torch.empty(n, n, dtype=torch.float64)
    kernel.fill(out, slice(0, len(kernel.d)), slice(0, len(kernel.d)))
    return out


@pytest.mark.parametrize("energies", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_products_columns_and_diagonal_are_those_of_the_matrix(data, energies, keep) -> None:
    kernel = training(data, energies=energies).kernel(12, 5.0)
    matrix, operator = dense(kernel), KernelProduct(kernel, keep=keep)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-13)
    x = torch.randn(operator.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    close: dict[str, Any] = {"rtol": 0, "atol": 1e-11}
    torch.testing.assert_close(operator(x).reshape(-1), matrix @ x.reshape(-1), **close)
    torch.testing.assert_close(operator.diagonal().reshape(-1), matrix.diagonal(), **close)
    which = torch.tensor([0, 5, 20, 21, 43, 100, len(matrix) - 1])
    torch.testing.assert_close(operator.columns(which), matrix[:, which], **close)


def test_the_low_rank_picture_shrinks_and_inverts(data) -> None:
    kernel = training(data).kernel(12, 20.0)
    matrix, operator = dense(kernel), KernelProduct(kernel)
    left = []
    for rank in (20, 60, 120):
        low = Nystrom(operator, rank, 1e-10, lambda f: None)
        rest = matrix - low.f @ low.f.T
        assert torch.linalg.eigvalsh(rest).min() > -1e-10
        left.append(float(rest.trace() / matrix.trace()))
        assert left[-1] == pytest.approx(low.left, rel=1e-3, abs=1e-10)
        p = low.f @ low.f.T + low.mu * torch.eye(len(matrix), dtype=matrix.dtype)
        r = torch.ones(len(matrix), dtype=matrix.dtype)
        assert (p @ low(r) - r).abs().max() < 1e-6
    assert left[0] > 5 * left[1] > 25 * left[2]


def test_it_solves_a_system_and_says_what_is_left() -> None:
    a = torch.diag(torch.linspace(1.0, 50.0, 40, dtype=torch.float64))
    b = torch.ones(40, dtype=torch.float64)
    seen: list[Progress] = []
    found = conjugate_gradients(
        lambda x: a @ x, b, lambda r: r, tolerance=1e-10, report=seen.append
    )
    assert found.residual < 1e-9
    torch.testing.assert_close(found.x, b / a.diagonal(), rtol=0, atol=1e-9)
    assert [p.step for p in seen] == list(range(1, found.steps + 1))


def test_errors_are_those_of_the_closed_form(data) -> None:
    split = Split(np.arange(M), NONE, NONE)
    found = {}
    for solver in ("closed", "iterative"):
        hyper = SGDMLHyper(sigma=20.0, solver=solver)
        field = SGDML.fit(data, split, hyper, Context())
        forces = field.predict(data.positions[M:]).forces
        found[solver] = float(np.abs(forces - data.forces[M:]).mean())
        assert field.notes["solver"].startswith(solver)
    assert found["iterative"] == pytest.approx(found["closed"], rel=ITERATIVE_FORCE)


def test_convergence_is_drawn_and_progress_only_grows(data) -> None:
    seen = []
    context = Context(lambda kind, fraction, payload: seen.append((kind, fraction, payload)))
    hyper = SGDMLHyper(sigma=20.0, solver="iterative")
    SGDML.fit(data, Split(np.arange(M), NONE, NONE), hyper, context)
    curve = [p for k, _, p in seen if k == "curve" and p["name"] == "residual"]
    assert len(curve) > 5
    assert float(curve[-1]["y"][0]) <= -4.0
    assert "residual" in curve[0]["y_label"]
    fractions = [f for k, f, _ in seen if k == "progress"]
    assert fractions == sorted(fractions)


def test_stop_keeps_the_best_so_far(data) -> None:
    def emit(kind, fraction, payload):
        if kind == "curve":
            context.request_stop()

    context = Context(emit)
    hyper = SGDMLHyper(sigma=20.0, solver="iterative", tolerance=1e-12)
    field = SGDML.fit(data, Split(np.arange(M), NONE, NONE), hyper, context)
    assert "stopped early" in field.notes["solver"]
    assert np.isfinite(field.predict(data.positions[:3]).forces).all()


# -- memory decides ---------------------------------------------------------------------------
def test_auto_says_which_solver_it_took_and_why() -> None:
    small = plan(1000, 21, 36, 6, SGDMLHyper(), "cpu", limit=16e9)
    assert small.solver == "closed"
    given = SGDMLHyper(memory=2.0)
    large = plan(1000, 57, 210, 6, given, "cpu")
    assert large.solver == "iterative"
    assert "13.5 GB, more than the 2.1 GB given" in large.why
    assert large.bytes <= 2.0 * 2**30
    slow = plan(1000, 57, 210, 6, SGDMLHyper(), "cpu", limit=64e9)
    assert slow.solver == "iterative"
    assert "instead of" in slow.why


def test_a_training_set_larger_than_memory_is_refused_with_what_would_fit(data) -> None:
    split = Split(np.arange(M), NONE, NONE)
    with pytest.raises(ForceFieldError, match=r"closed form and has the 0.0 GB given; about"):
        SGDML.fit(data, split, SGDMLHyper(sigma=20.0, solver="closed", memory=1e-3), Context())
    with pytest.raises(ForceFieldError, match="even with the iterative solver"):
        SGDML.fit(data, split, SGDMLHyper(sigma=20.0, memory=1e-3), Context())


# -- kills ------------------------------------------------------------------------------------
def test_it_goes_on_where_it_was(data, tmp_path) -> None:
    """Cancelled half-way and started again: as many steps in all, and the same answer."""
    split = Split(np.arange(M), NONE, NONE)
    hyper = SGDMLHyper(sigma=20.0, solver="iterative", tolerance=1e-6)
    whole = SGDML.fit(data, split, hyper, Context())
    steps = int(whole.notes["solver"].split(": ")[1].split()[0])

    def emit(kind, fraction, payload):
        if kind == "curve" and payload["x"][0] >= steps // 2:
            context.request_cancel()

    context = Context(emit, folder=str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.fitting.checkpoint.EVERY", 0.0)
        with pytest.raises(Cancelled):
            SGDML.fit(data, split, hyper, context)
    (file,) = tmp_path.glob("checkpoint-*.npz")
    again = SGDML.fit(data, split, hyper, Context(folder=str(tmp_path)))
    assert f"{steps} steps" in again.notes["solver"]
    assert f"went on at step {steps // 2}" in again.notes["solver"]
    np.testing.assert_array_equal(again.weights, whole.weights)
    assert not file.exists()  # the result is there


def test_a_state_of_another_problem_is_not_taken(data, tmp_path) -> None:
    arrays = {k: np.ones(M * 21) for k in ("x", "r", "p", "best_x")}
    state = SavedState("another", arrays | {"numbers": np.array([7.0, 0.5, 1.0])})
    storage.save(tmp_path / "checkpoint-sgdml.npz", state)
    hyper = SGDMLHyper(sigma=20.0, solver="iterative")
    split = Split(np.arange(M), NONE, NONE)
    field = SGDML.fit(data, split, hyper, Context(folder=str(tmp_path)))
    assert "went on" not in field.notes["solver"]


KILLED = """
import sys
import numpy as np
import core.fitting.checkpoint as checkpoint
import core.fitting.sgdml.solve as sgdml_solve
from core.dataset import Split
from core.engine.context import Context
from core.fitting.sgdml.hyper import SGDMLHyper
from core.forcefields.sgdml import SGDML
from tests.molecules import ethanol_frames, labelled
checkpoint.EVERY = 0.0
sgdml_solve.FEW = 200
def emit(kind, fraction, payload):
    if kind == "curve":
        print(int(payload["x"][0]), flush=True)
data = labelled(ethanol_frames(80), key="mmff94")
none = np.zeros(0, dtype=int)
hyper = SGDMLHyper(sigma=20.0, solver="iterative", tolerance=1e-11)
SGDML.fit(data, Split(np.arange(60), none, none), hyper, Context(emit, folder=sys.argv[1]))
print("done", flush=True)
"""


def test_a_killed_process_leaves_a_state_to_go_on_from(data, tmp_path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        start = time.monotonic()
        for line in process.stdout:
            if line.strip() == "done" or int(line) >= 12 or time.monotonic() - start > 60:
                break
        process.kill()
    assert line.strip() != "done"
    hyper = SGDMLHyper(sigma=20.0, solver="iterative", tolerance=1e-11)
    split = Split(np.arange(M), NONE, NONE)
    field = SGDML.fit(data, split, hyper, Context(folder=str(tmp_path)))
    step = int(field.notes["solver"].split("went on at step ")[1].split(";")[0])
    assert step >= 11


def test_a_stop_while_the_preconditioner_is_built_still_makes_a_model(data, monkeypatch) -> None:
    monkeypatch.setattr("core.fitting.conjugate_nystrom.BLOCK", 20)
    monkeypatch.setattr("core.engine.context.PROGRESS_INTERVAL", 0.0)

    def emit(kind, fraction, payload):
        if kind == "progress" and payload["message"].startswith("building the precond"):
            context.request_stop()

    context = Context(emit)
    hyper = SGDMLHyper(sigma=20.0, solver="iterative")
    field = SGDML.fit(data, Split(np.arange(M), NONE, NONE), hyper, context)
    assert "20 columns" in field.notes["solver"]
    assert "20 steps" in field.notes["solver"]
    assert "stopped early" in field.notes["solver"]
    forces = field.predict(data.positions[M:]).forces
    assert np.abs(forces - data.forces[M:]).mean() < np.abs(data.forces[M:]).mean()
