"""Predictions over many frames in batches with progress, and how long they take."""

from __future__ import annotations

import time

import numpy as np

from core.dataset import Dataset
from core.engine.context import Context
from core.forcefields.base import ForceField, ForceFieldError, Prediction

MAX_BATCH = 1000
BATCH_SECONDS = 0.3  # a batch should take about so long, so that cancel answers
SINGLE_CALLS = 50
SINGLE_SECONDS = 5.0  # slow programs are timed over fewer calls than SINGLE_CALLS


def predict_frames(
    force_field: ForceField,
    dataset: Dataset,
    frames: np.ndarray,
    context: Context,
    *,
    sigma: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, float, dict[str, str]]:
    """energy (K,) eV and forces (K,N,3) eV/Å of K frames (indices from 0).

    sigma (K,) eV: filled with the standard deviations of the energies where the field knows them.
    Also the milliseconds per geometry in batches, and notes. Failed geometries are NaN and named
    in the notes; raises ForceFieldError when all fail.
    """
    n = len(dataset.molecule.numbers)
    energy, forces = np.full(len(frames), np.nan), np.full((len(frames), n, 3), np.nan)
    failed: dict[int, str] = {}
    seconds, counted, done, batch = 0.0, 0, 0, 1
    while done < len(frames):
        context.progress(done / len(frames), f"{force_field.INFO.label}: predicting")
        part = slice(done, min(len(frames), done + batch))
        size = part.stop - part.start
        start = time.perf_counter()
        results = _predict(force_field, dataset.positions[frames[part]])
        spent = time.perf_counter() - start
        for i, result in enumerate(results):
            if isinstance(result, str):
                failed[done + i] = result
            else:
                energy[done + i], forces[done + i], known = result
                if sigma is not None:
                    sigma[done + i] = known
        # the first call also sets things up, unless it is all there is
        if done > 0 or size == len(frames):
            seconds, counted = seconds + spent, counted + size
        done += size
        pace = seconds / counted if counted else spent / size
        batch = int(np.clip(BATCH_SECONDS / max(pace, 1e-9), 1, MAX_BATCH))
    notes = {}
    if failed:
        first = min(failed)
        why = f"frame {frames[first] + 1}: {failed[first]}"
        if len(failed) == len(frames):
            raise ForceFieldError(f"{force_field.INFO.label} failed on every frame; {why}")
        notes["failed"] = f"{len(failed)} of {len(frames)} frames failed, left out ({why})"
    context.progress(1.0, f"{force_field.INFO.label}: predicting")
    return energy, forces, 1e3 * seconds / counted if counted else float("nan"), notes


def _predict(
    force_field: ForceField, positions: np.ndarray
) -> list[tuple[float, np.ndarray, float] | str]:
    """Energy, forces and sigma (NaN = not known) of each geometry, or why there are none."""
    try:
        answer: Prediction = force_field.predict(positions)
        sigma = np.full(len(positions), np.nan) if answer.sigma is None else answer.sigma
        return list(zip(answer.energy, answer.forces, sigma, strict=True))
    except ForceFieldError as error:
        if len(positions) == 1:
            return [str(error)]
    # one bad geometry spoils a batch: find out which
    return [r for p in positions for r in _predict(force_field, p[None])]


def single_ms(force_field: ForceField, positions: np.ndarray, context: Context) -> float:
    """Median milliseconds of one call with one geometry, over up to 50 calls or 5 s."""
    if len(positions) == 0:
        return float("nan")
    times = []
    begin = time.perf_counter()
    for i in range(SINGLE_CALLS + 1):
        context.check()
        start = time.perf_counter()
        _predict(force_field, positions[i % len(positions)][None])
        times.append(time.perf_counter() - start)
        if len(times) > 3 and time.perf_counter() - begin > SINGLE_SECONDS:
            break
    return 1e3 * float(np.median(times[1:]))
