"""The camera of the molecule view, in numpy: drawing, picking and labels all use it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

VIEW_ANGLE = np.radians(24.0)  # full vertical opening; a long lens keeps bond lengths comparable
ZOOM_RANGE = (0.05, 20.0)


def _turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3,3) rotation by `angle` rad about a unit `axis` (Rodrigues' formula)."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


@dataclass
class Camera:
    """Where the eye is. rotation (3,3): rows are right, up and towards the viewer, in world axes.

    centre (3,) Å is what the eye looks at; radius Å is what must fit; zoom 1 fits it exactly.
    """

    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    centre: np.ndarray = field(default_factory=lambda: np.zeros(3))
    radius: float = 3.0
    zoom: float = 1.0

    def fit(self, positions: np.ndarray, radii: np.ndarray) -> None:
        """Look at the whole molecule, its longest axis across, its flattest towards the viewer.

        positions (N,3) Å, radii (N,) Å of the drawn spheres.
        """
        self.centre = 0.5 * (positions.min(0) + positions.max(0))
        reach = np.linalg.norm(positions - self.centre, axis=1) + radii
        self.radius = max(float(reach.max()), 1.0)
        self.zoom = 1.0
        centred = positions - positions.mean(0)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        right, up = vectors[:, 2], vectors[:, 1]
        # eigenvectors have no sign: take the one that leaves the molecule least turned
        right = right * (1.0 if right[np.abs(right).argmax()] >= 0 else -1.0)
        up = up * (1.0 if up[np.abs(up).argmax()] >= 0 else -1.0)
        self.rotation = np.stack([right, up, np.cross(right, up)])

    def distance(self, width: int, height: int) -> float:
        """Å from the eye to the centre so that `radius` fits a window of this size at zoom 1."""
        half = np.arctan(np.tan(VIEW_ANGLE / 2) * min(1.0, width / max(height, 1)))
        return self.radius / float(np.sin(half)) / self.zoom

    def eye(self, width: int, height: int) -> np.ndarray:
        """(3,) Å."""
        return self.centre + self.distance(width, height) * self.rotation[2]

    def _focal(self, height: int) -> float:
        return 0.5 * height / float(np.tan(VIEW_ANGLE / 2))

    def project(
        self, points: np.ndarray, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """points (P,3) Å -> screen (P,2) pixels from the top left, depth (P,) Å, pixels per Å."""
        local = (points - self.eye(width, height)) @ self.rotation.T
        depth = np.maximum(-local[:, 2], 1e-3)
        scale = self._focal(height) / depth
        screen = np.stack(
            [0.5 * width + local[:, 0] * scale, 0.5 * height - local[:, 1] * scale], axis=1
        )
        return screen, depth, scale

    def ray(self, x: float, y: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Eye (3,) Å and unit direction (3,) of the line of sight through pixel (x, y)."""
        f = self._focal(height)
        local = np.array([(x - 0.5 * width) / f, (0.5 * height - y) / f, -1.0])
        direction = local @ self.rotation
        return self.eye(width, height), direction / np.linalg.norm(direction)

    def rotate(self, dx: float, dy: float) -> None:
        """Turn the molecule by dx rad about the screen's vertical, dy rad about its horizontal."""
        turn = _turn(np.array([1.0, 0, 0]), dy) @ _turn(np.array([0, 1.0, 0]), dx)
        u, _, vt = np.linalg.svd(turn @ self.rotation)  # stays a rotation after many small turns
        self.rotation = u @ vt

    def roll(self, angle: float) -> None:
        """Turn the molecule in the plane of the screen, rad."""
        self.rotation = _turn(np.array([0, 0, 1.0]), angle) @ self.rotation

    def pan(self, dx: float, dy: float, width: int, height: int) -> None:
        """Move the molecule by dx, dy pixels (right, down)."""
        per_pixel = self.distance(width, height) / self._focal(height)
        self.centre = self.centre - per_pixel * (dx * self.rotation[0] - dy * self.rotation[1])

    def magnify(self, factor: float) -> None:
        """Zoom in by `factor` (out below 1)."""
        self.zoom = float(np.clip(self.zoom * factor, *ZOOM_RANGE))


def pick_atom(
    origin: np.ndarray, direction: np.ndarray, positions: np.ndarray, radii: np.ndarray
) -> tuple[int, float]:
    """The nearest sphere that a ray hits: (atom, distance Å), or (-1, inf).

    origin (3,), direction (3,) of length 1, positions (N,3), radii (N,), all Å.
    """
    to = positions - origin
    along = to @ direction
    miss2 = (to * to).sum(1) - along**2
    inside2 = radii**2 - miss2
    depth = np.where((inside2 >= 0) & (along > 0), along - np.sqrt(np.maximum(inside2, 0)), np.inf)
    if not len(depth) or not np.isfinite(depth).any():
        return -1, float("inf")
    atom = int(depth.argmin())
    return atom, float(depth[atom])


def pick_bond(
    origin: np.ndarray,
    direction: np.ndarray,
    positions: np.ndarray,
    bonds: np.ndarray,
    radius: float,
) -> tuple[int, float]:
    """The nearest bond that a ray passes within `radius` Å: (bond, distance Å) or (-1, inf).

    bonds (B,2) atom indices. Closest points of two lines, the bond's parameter clamped to its ends.
    """
    if not len(bonds):
        return -1, float("inf")
    a, b = positions[bonds[:, 0]], positions[bonds[:, 1]]
    u = b - a
    w = a - origin
    uu, ud, uw, dw = (u * u).sum(1), u @ direction, (u * w).sum(1), w @ direction
    s = np.clip((ud * dw - uw) / np.maximum(uu - ud * ud, 1e-9), 0.0, 1.0)
    closest = w + s[:, None] * u
    along = closest @ direction
    miss = np.linalg.norm(closest - along[:, None] * direction, axis=1)
    depth = np.where((miss <= radius) & (along > 0), along, np.inf)
    bond = int(depth.argmin())
    return (bond, float(depth[bond])) if np.isfinite(depth[bond]) else (-1, float("inf"))


def superpose(positions: np.ndarray, onto: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """positions (N,3) moved and turned, never distorted, to lie best on `onto` (N,3), both Å.

    Weighted least squares, proper rotations only (Kabsch, Acta Cryst. A34, 827, 1978);
    weights (N,).
    """
    w = weights / weights.sum()
    p, q = positions - w @ positions, onto - w @ onto
    u, _, vt = np.linalg.svd((p * w[:, None]).T @ q)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    return p @ (u @ flip @ vt) + w @ onto
