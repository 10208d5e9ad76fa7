"""What this machine has: versions, device, OpenGL, system libraries.

Runs on a bare Python (`python3 app/doctor.py --missing-packages`), before anything is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys

#: Shared library -> Debian package, for Qt's GUI and offscreen rendering by VTK.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libgomp.so.1": "libgomp1",
}
#: Needed besides for a window under X11 (Qt's xcb plugin).
X11_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
PACKAGES = (
    "pescape",
    "numpy",
    "scipy",
    "torch",
    "ase",
    "rdkit",
    "tblite",
    "msgpack",
    "PySide6-Essentials",
    "pyqtgraph",
    "vtk",
    "matplotlib",
)
#: Optional package -> what it is for, and the extra of ours that brings it.
OPTIONAL = {
    "openmm": ("GAFF by OpenMM, its file formats and its dynamics", "openmm"),
    "openff-nagl-models": ("AM1-BCC charges by NAGL", "nagl"),
    "openbabel-wheel": ("Ghemical", "openbabel"),
    "pyscf": ("reference calculations", "references"),
}


def missing_libraries(*, window: bool = True) -> dict[str, str]:
    """Library -> Debian package for what cannot be loaded (Linux only; empty elsewhere)."""
    if sys.platform != "linux":
        return {}
    wanted = {**LIBRARIES, **(X11_LIBRARIES if window else {})}
    return {name: package for name, package in wanted.items() if not _loads(name)}


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def sentence(missing: dict[str, str]) -> str:
    """One line that says what is missing and which Debian packages bring it."""
    names = ", ".join(sorted(missing))
    packages = " ".join(sorted(set(missing.values())))
    return f"A system library is missing: {names}. On Debian: apt install {packages}"


def screen() -> str:
    """Where a window can be shown: "offscreen", "wayland", "x11", "native", or "" for nowhere."""
    forced = os.environ.get("QT_QPA_PLATFORM", "")
    if forced in ("offscreen", "minimal", "vnc"):
        return "offscreen"
    if sys.platform != "linux":
        return "native"
    if os.environ.get("WAYLAND_DISPLAY"):
        return "wayland"
    if os.environ.get("DISPLAY") and _x_answers():
        return "x11"
    return ""


def _x_answers() -> bool:
    """True where the X server named by DISPLAY answers (Qt would abort the process if not)."""
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return True  # let the missing-library check speak
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return False
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return True


def opengl_renderer() -> str:
    """Name of the OpenGL renderer VTK gets, or why there is none."""
    try:
        from vtkmodules import vtkRenderingOpenGL2  # noqa: F401
        from vtkmodules.vtkCommonCore import vtkLogger
        from vtkmodules.vtkRenderingCore import vtkRenderWindow
    except ImportError as error:
        return f"VTK cannot be imported: {error}"
    # without a screen VTK complains about X on stderr before it turns to EGL, which is fine here
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(16, 16)
    window.Render()
    report = window.ReportCapabilities() or ""
    window.Finalize()
    for line in report.splitlines():
        if "renderer" in line.lower():
            return line.split(":", 1)[-1].strip()
    return "unknown"


def report() -> list[str]:
    """The lines of `pescape doctor`."""
    lines = [f"Python      {platform.python_version()} on {platform.platform()}"]
    for name in PACKAGES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        lines.append(f"{name:<19} {version}")
    lines += optional()
    missing = missing_libraries()
    lines.append(f"Screen      {screen() or 'none (the window needs one; the commands do not)'}")
    if not missing_libraries(window=False):
        lines.append(f"OpenGL      {opengl_renderer()}")
    lines.append(f"Processor   {os.cpu_count()} cores")
    try:
        import torch

        gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        lines.append(f"GPU         {', '.join(gpus) or 'none (computing on the CPU)'}")
    except ImportError as error:
        lines.append(f"GPU         unknown: torch cannot be imported ({error})")
    lines.append(sentence(missing) if missing else "Libraries   all there")
    return lines


def optional() -> list[str]:
    """A line for each optional package or program: its version, or what it would be for."""
    lines = []
    for name, (purpose, extra) in OPTIONAL.items():
        try:
            text = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            text = f"not installed; optional, for {purpose}: pip install pescape[{extra}]"
        lines.append(f"{name:<19} {text}")
    found = shutil.which("antechamber")
    absent = "not on PATH; optional, for AM1-BCC charges by AmberTools"
    lines.append(f"{'antechamber':<19} {found or absent}")
    return lines


def main() -> int:
    """Stand-alone use: print the Debian packages that are missing, for scripts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missing-packages", action="store_true")
    if parser.parse_args().missing_packages:
        print(" ".join(sorted(set(missing_libraries().values()))))
        return 0
    print("\n".join(report()))
    return 1 if missing_libraries() else 0


if __name__ == "__main__":
    sys.exit(main())
