"""What a job says and hears, without an engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.engine.context import Cancelled, Context
from core.engine.events import Event


def listening() -> tuple[Context, list[tuple[str, float, dict[str, Any]]]]:
    heard: list[tuple[str, float, dict[str, Any]]] = []
    return Context(lambda *event: heard.append(event)), heard


def test_progress_is_thinned_without_losing_the_end() -> None:
    context, heard = listening()
    for i in range(1000):
        context.progress(i / 1000, str(i))
    context.flush()
    context.flush()
    assert len(heard) < 100
    assert heard[0][1] == 0.0
    assert heard[-1][1] == 0.999
    context.progress(1.0)
    assert heard[-1][1] == 1.0, "the end is told at once"


def test_time_left_follows_from_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    context, heard = listening()
    context.progress(0.0)
    now[0] += 30.0
    context.progress(0.25)
    assert math.isnan(heard[0][2]["seconds_left"])
    assert heard[1][2]["seconds_left"] == pytest.approx(90.0)


def test_progress_tells_the_memory_in_use() -> None:
    context, heard = listening()
    block = np.ones(20_000_000)  # 160 MB, touched
    context.progress(1.0)
    used = heard[0][2]["memory"]
    assert block.nbytes < used <= context.peak_rss()


def test_cancel_is_heard_in_progress_and_check() -> None:
    context, _ = listening()
    context.request_stop()
    context.check()
    assert context.stopping
    context.request_cancel()
    for call in (context.check, lambda: context.progress(0.5)):
        with pytest.raises(Cancelled):
            call()


def test_curves_are_arrays_whatever_comes_in() -> None:
    context, heard = listening()
    context.curve("loss", 1, 0.5, x_label="step")
    context.curve("loss", [2, 3], np.array([0.25, 0.125]))
    assert [h[2]["x"].tolist() for h in heard] == [[1.0], [2.0, 3.0]]
    assert heard[0][2]["y"].dtype == np.float64


def test_peak_memory_is_in_bytes() -> None:
    assert 10 * 2**20 < Context.peak_rss() < 2**40


def test_an_unknown_kind_of_event_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown event kind"):
        Event("j", 0, 0.0, "finished")
