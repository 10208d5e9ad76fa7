"""The three walls of the house, and the trap beside them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
QT = {"PySide6", "PyQt5", "PyQt6", "qtpy", "pyqtgraph", "vtk", "vtkmodules", "qtawesome"}
SOLVERS = {"torch", "tblite", "pyscf"}
#: What widgets may know of core: data types, light geometry, files, the engine's client.
OPEN_TO_WIDGETS = (
    "core.analyses",
    "core.bonding",
    "core.dataset",
    "core.elements",
    "core.engine.client",
    "core.engine.events",
    "core.fieldref",
    "core.forcefields.info",
    "core.geometry",
    "core.mm.topology",
    "core.molecule",
    "core.project",
    "core.storage",
    "core.units",
    "core.wire",
)


def imports(path: Path) -> set[str]:
    """Every module named in an import statement of a file, at any depth, but for type checking."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(a.name for a in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{a.name}" for a in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def top(modules: set[str]) -> set[str]:
    return {m.split(".")[0] for m in modules}


@pytest.mark.parametrize("path", sources("core"), ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_no_qt_and_no_upper_room(path: Path) -> None:
    assert not top(imports(path)) & (QT | {"app", "widgets"})


@pytest.mark.parametrize("path", sources("widgets"), ids=lambda p: str(p.relative_to(ROOT)))
def test_widgets_import_no_solver_and_only_the_open_part_of_core(path: Path) -> None:
    found = imports(path)
    assert not top(found) & (SOLVERS | {"app"})
    inside = {m for m in found if m.startswith("core.")}
    closed = {m for m in inside if not m.startswith(OPEN_TO_WIDGETS)}
    assert not closed, f"widgets may not import {sorted(closed)}"


def test_the_engine_client_is_free_of_qt_and_torch() -> None:
    loaded = _loaded_after("import core.engine.client")
    assert not loaded & (QT | SOLVERS | {"rdkit", "ase"})


def test_the_windows_process_never_loads_torch() -> None:
    loaded = _loaded_after(
        "import app.start, app.window, widgets.panels; widgets.panels.discover()",
    )
    assert not loaded & SOLVERS


def test_the_command_line_loads_neither_qt_nor_torch() -> None:
    loaded = _loaded_after("from app import cli; cli.build_parser()")
    assert not loaded & (QT | SOLVERS)


def test_packaging_is_not_a_package() -> None:
    # A top-level package named `packaging` would shadow the library that pip and pytest import.
    assert not (ROOT / "packaging" / "__init__.py").exists()
    where = _output("import packaging; print(packaging.__file__)")
    assert "site-packages" in where


def test_torch_is_pinned_in_one_place() -> None:
    pinned = [
        p.relative_to(ROOT).as_posix()
        for p in [ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "packaging").iterdir()]
        if p.is_file() and "torch==" in p.read_text(encoding="utf-8")
    ]
    assert pinned == ["packaging/constraints.txt"]


def _output(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded_after(code: str) -> set[str]:
    return set(_output(f"{code}\nimport sys; print('\\n'.join(sys.modules))").split())
