"""A running engine that knows the misbehaving jobs of engine_jobs.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from core.engine.client import Engine

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def jobs() -> Iterator[ModuleType]:
    """The module engine_jobs, importable by workers as well."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), before]))
    sys.path.insert(0, str(HERE))
    import engine_jobs

    yield engine_jobs
    sys.path.remove(str(HERE))
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def engine(jobs: ModuleType) -> Iterator[Engine]:
    """One worker, short grace, shared by all tests (those that kill the worker leave a new one)."""
    with Engine(grace=0.5, modules=("engine_jobs",)) as engine:
        yield engine
