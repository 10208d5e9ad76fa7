"""The 3-D picture of a molecule: VTK drawing off-screen, an image out. No Qt widget in here.

An image painted into a plain widget is the one variant that works under X, Wayland and
`offscreen` alike, and that can be grabbed. `vtkDomainsChemistryOpenGL2` makes the molecule mapper
draw impostors (one shaded square per atom) instead of meshes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtGui import QColor, QImage

from core.elements import COVALENT_RADII
from widgets.molecule.camera import VIEW_ANGLE, Camera

BOND_RADIUS = 0.1  # Å


class NoOpenGL(RuntimeError):
    """The machine cannot draw 3-D pictures; the message says what is missing."""


def atom_radii(numbers: np.ndarray) -> np.ndarray:
    """(N,) Å: drawn radius of each atom, about 0.3 of its van der Waals radius."""
    return 0.17 + 0.32 * COVALENT_RADII[np.asarray(numbers)]


class Scene:
    """One molecule, drawn on demand. Call `close` when done: VTK does not tidy up by itself."""

    def __init__(self) -> None:
        # Imported here: these libraries take a quarter of a second, and the window need not wait.
        import vtkmodules.vtkDomainsChemistryOpenGL2
        import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
        from vtkmodules.vtkCommonCore import vtkLogger, vtkUnsignedCharArray
        from vtkmodules.vtkCommonDataModel import vtkMolecule
        from vtkmodules.vtkDomainsChemistry import vtkMoleculeMapper
        from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderer, vtkRenderWindow

        # VTK warns that there is no X server before it takes EGL; that is no news to the user.
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
        self._molecule = vtkMolecule()
        self._mapper = vtkMoleculeMapper()
        self._mapper.SetInputData(self._molecule)
        self._mapper.UseBallAndStickSettings()
        self._mapper.SetAtomicRadiusTypeToCustomArrayRadius()
        self._mapper.SetAtomicRadiusScaleFactor(1.0)
        self._mapper.SetBondRadius(BOND_RADIUS)
        self._actor = vtkActor()
        self._actor.SetMapper(self._mapper)
        look = self._actor.GetProperty()
        look.SetAmbient(0.18)
        look.SetDiffuse(0.85)
        look.SetSpecular(0.35)
        look.SetSpecularPower(40)
        self._renderer = vtkRenderer()
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)  # slow, and wrong in places, on software OpenGL
        self._window.AddRenderer(self._renderer)
        self._pixels = vtkUnsignedCharArray()
        self._atoms = 0
        if not self._window.SupportsOpenGL():
            self.close()
            raise NoOpenGL("no OpenGL 3.2 here; `pescape doctor` names the missing library")

    def set_molecule(self, numbers: np.ndarray, bonds: np.ndarray, orders: np.ndarray) -> None:
        """numbers (N,), bonds (B,2), orders (B,): another molecule; positions follow."""
        from vtkmodules.util.numpy_support import numpy_to_vtk

        self._molecule.Initialize()
        for z in numbers:
            self._molecule.AppendAtom(int(z), 0.0, 0.0, 0.0)
        for (i, j), order in zip(bonds, orders, strict=True):
            atom = self._molecule.GetAtom
            self._molecule.AppendBond(atom(int(i)), atom(int(j)), max(1, int(order)))
        radii = numpy_to_vtk(atom_radii(numbers), deep=True)
        radii.SetName("radii")
        self._molecule.GetVertexData().AddArray(radii)
        if len(numbers):
            self._renderer.AddActor(self._actor)
        self._atoms = len(numbers)

    def set_positions(self, positions: np.ndarray) -> None:
        """positions (N,3) Å of the frame to draw."""
        for i, (x, y, z) in enumerate(np.asarray(positions, dtype=np.float64).tolist()):
            self._molecule.SetAtomPosition(i, x, y, z)
        self._molecule.Modified()

    def render(
        self, camera: Camera, width: int, height: int, *, top: QColor, bottom: QColor
    ) -> QImage:
        """The picture, width x height pixels, on a background that shades from top to bottom."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        self._renderer.GradientBackgroundOn()
        self._renderer.SetBackground(bottom.redF(), bottom.greenF(), bottom.blueF())
        self._renderer.SetBackground2(top.redF(), top.greenF(), top.blueF())
        eye = camera.eye(width, height)
        distance = camera.distance(width, height)
        lens: Any = self._renderer.GetActiveCamera()
        lens.SetViewAngle(float(np.degrees(VIEW_ANGLE)))
        lens.SetPosition(*eye)
        lens.SetFocalPoint(*camera.centre)
        lens.SetViewUp(*camera.rotation[1])
        reach = 4.0 * camera.radius + 10.0
        lens.SetClippingRange(max(0.05, distance - reach), distance + reach)
        if tuple(self._window.GetSize()) != (width, height):
            self._window.SetSize(width, height)
        self._window.Render()
        window: Any = self._window  # VTK's type hints do not know this form
        window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, self._pixels)
        rgba = vtk_to_numpy(self._pixels).reshape(height, width, 4)[::-1]
        rgba = np.ascontiguousarray(rgba)
        picture = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBX8888)
        return picture.copy()  # the numpy buffer goes away with this call

    def renderer_name(self) -> str:
        """What draws: "llvmpipe …" means software."""
        self._window.Render()  # nothing is known before the first picture
        text = self._window.ReportCapabilities() or ""
        lines = [x for x in text.splitlines() if "renderer string" in x]
        return lines[0].split(":", 1)[1].strip() if lines else "unknown"

    def close(self) -> None:
        """Give everything back to VTK and the driver. The scene cannot be used after this."""
        self._renderer.RemoveAllViewProps()
        self._window.RemoveRenderer(self._renderer)
        self._window.Finalize()
        self._mapper.RemoveAllInputs()
