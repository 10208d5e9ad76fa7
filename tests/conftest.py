"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from app import doctor

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# as the worker sets it, before torch is loaded: spinning threads slow a busy machine down
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Name the Debian package of a missing system library, instead of Qt's own failure."""
    missing = doctor.missing_libraries(window=False)
    if missing:
        pytest.exit(doctor.sentence(missing), returncode=1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let nobody but the main thread look for garbage where there are widgets, as in the program.

    Elsewhere Python may look again, once no widgets are left over.
    """
    if "qapp" in getattr(item, "fixturenames", ()):
        from app.garbage import collect_due

        gc.disable()
        collect_due()
    elif not gc.isenabled():
        gc.collect()
        gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that developers have and users do not."""
    path = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip("the developers' reference data is not here (set PESCAPE_SHARED)")
    return path


@pytest.fixture(scope="session")
def example() -> Path:
    """The ethanol example that ships with the program."""
    path = ROOT / "resources" / "examples" / "ethanol"
    if not (path / "ethanol.extxyz").exists():
        pytest.skip("the ethanol example has not been generated")
    return path
