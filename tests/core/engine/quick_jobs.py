"""An analysis whose jobs need not wait. Loaded by workers in tests only (`Engine(modules=…)`)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from core.engine.context import Context
from core.wire import wire


@wire
@dataclass(frozen=True)
class QuickSpec:
    """what: "who" tells the process and its threads, "hangs" never answers."""

    QUICK: ClassVar[bool] = True

    what: str = "who"


@wire
@dataclass(frozen=True)
class QuickResult:
    """pid of the process, threads it may use."""

    pid: int
    threads: str


def run(spec: QuickSpec, context: Context) -> QuickResult:
    if spec.what == "hangs":
        context.log("here")
        time.sleep(60)
    return QuickResult(os.getpid(), os.environ.get("OMP_NUM_THREADS", ""))


SPEC = QuickSpec
