"""Solids that rays meet: ellipsoids, boxes and frustums (cylinders, cones), each about its origin.

Vectors are held as arrays [3, n] (x, y, z rows), float32. A solid's own frame has y along its
axis; :class:`Placed` puts it into the world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Nearer than this along a ray is the surface it starts from.
NEAR = np.float32(1e-3)
MISSED = np.float32(np.inf)


class Solid(Protocol):
    """A convex solid about its own origin."""

    @property
    def reach(self) -> float:
        """Radius of the sphere about the origin that holds it."""

    def support(self, axis: Array) -> float:
        """How far it extends from the origin along the unit vector ``axis`` [3]."""

    def distances(self, origin: Array, direction: Array) -> Array:
        """Where rays enter it.

        Args:
            origin: [3, 1] or [3, n].
            direction: [3, n], of any length.

        Returns:
            [n] in lengths of ``direction``; ``inf`` where a ray misses it.
        """

    def normals(self, points: Array) -> Array:
        """Unit normals [3, n] at surface points [3, n]."""

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """Texture coordinates (u, v) of surface points, in the solid's units of length."""

    def nearness(self, points: Array) -> Array:
        """How much of the light from all around it takes from points outside, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Half axes ``radii`` along x, y, z; a ball where they are equal."""

    radii: tuple[float, float, float]

    @property
    def reach(self) -> float:
        """See :class:`Solid`."""
        return max(self.radii)

    def support(self, axis: Array) -> float:
        """See :class:`Solid`."""
        return math.hypot(*(float(a) * radius for a, radius in zip(axis, self.radii, strict=True)))

    def distances(self, origin: Array, direction: Array) -> Array:
        """See :class:`Solid`."""
        radii = np.array(self.radii, np.float32)[:, None]
        o, d = origin / radii, direction / radii
        a = (d * d).sum(0)
        b = (o * d).sum(0)
        c = (o * o).sum(0) - 1
        inside = b * b - a * c
        t = (-b - np.sqrt(np.maximum(inside, 0))) / a
        return np.where((inside > 0) & (t > NEAR), t, MISSED)

    def normals(self, points: Array) -> Array:
        """See :class:`Solid`."""
        radii = np.array(self.radii, np.float32)[:, None]
        return _unit(points / (radii * radii))

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """See :class:`Solid`."""
        radius = np.float32(self.reach)
        x, y, z = points / np.array(self.radii, np.float32)[:, None]
        return np.arctan2(x, z) * radius, np.arcsin(np.clip(y, -1, 1)) * radius

    def nearness(self, points: Array) -> Array:
        """See :class:`Solid`."""
        away = (points / np.array(self.radii, np.float32)[:, None] * np.float32(0.97)) ** 2
        result: Array = 1 / np.maximum(away.sum(0), 1) ** 1.5
        return result


@dataclass(frozen=True, slots=True)
class Box:
    """Half lengths ``halves`` along x, y, z."""

    halves: tuple[float, float, float]

    @property
    def reach(self) -> float:
        """See :class:`Solid`."""
        return math.hypot(*self.halves)

    def support(self, axis: Array) -> float:
        """See :class:`Solid`."""
        return sum(abs(float(a)) * half for a, half in zip(axis, self.halves, strict=True))

    def distances(self, origin: Array, direction: Array) -> Array:
        """See :class:`Solid`."""
        halves = np.array(self.halves, np.float32)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / direction
            middle, reach = -origin * inverse, halves * np.abs(inverse)
            enter = (middle - reach).max(0)
            leave = (middle + reach).min(0)
            return np.where((leave > enter) & (enter > NEAR), enter, MISSED)

    def normals(self, points: Array) -> Array:
        """See :class:`Solid`."""
        relative = points / np.array(self.halves, np.float32)[:, None]
        side = np.abs(relative).argmax(0)
        index = np.arange(points.shape[1])
        normals = np.zeros_like(points)
        normals[side, index] = np.sign(relative[side, index])
        return normals

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """See :class:`Solid`."""
        x, y, z = points
        side = np.abs(points / np.array(self.halves, np.float32)[:, None]).argmax(0)
        # Offset by side, so that the pattern does not run through around an edge.
        shift = side.astype(np.float32) * np.float32(0.37)
        return np.where(side == 0, z, x) + shift, np.where(side == 1, z, y) + shift

    def nearness(self, points: Array) -> Array:
        """See :class:`Solid`."""
        halves = np.array(self.halves, np.float32)[:, None]
        gap = np.sqrt((np.maximum(np.abs(points) - halves, 0) ** 2).sum(0))
        result: Array = np.float32(0.8) * np.exp(gap * np.float32(-2.2 / np.median(self.halves)))
        return result


@dataclass(frozen=True, slots=True)
class Frustum:
    """About the y axis: half its height, and its radii at the lower and the upper end.

    A cylinder where they are equal, a cone where the upper is 0.
    """

    half: float
    lower: float
    upper: float

    @property
    def reach(self) -> float:
        """See :class:`Solid`."""
        return math.hypot(self.half, max(self.lower, self.upper))

    def support(self, axis: Array) -> float:
        """See :class:`Solid`."""
        across = math.hypot(axis[0], axis[2])
        along = float(axis[1]) * self.half
        return max(along + self.upper * across, -along + self.lower * across)

    @property
    def _side(self) -> tuple[float, float]:
        """Radius at the middle, and its change for each unit of y."""
        return (self.lower + self.upper) / 2, (self.upper - self.lower) / (2 * self.half)

    def distances(self, origin: Array, direction: Array) -> Array:
        """See :class:`Solid`."""
        ox, oy, oz = origin
        dx, dy, dz = direction
        radius, slope = (np.float32(value) for value in self._side)
        width, narrowing = radius + slope * oy, slope * dy
        a = dx * dx + dz * dz - narrowing * narrowing
        b = ox * dx + oz * dz - width * narrowing
        c = ox * ox + oz * oz - width * width
        inside = b * b - a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(np.maximum(inside, 0))
            side = self._on_side((-b - root) / a, oy, dy)
            if slope:
                # Steeper than its slope, a ray's entry is the other of the two.
                side = np.minimum(side, self._on_side((-b + root) / a, oy, dy))
            side[inside <= 0] = MISSED
            # The end that a ray meets first is the one that faces it.
            up = dy < 0
            t = (np.where(up, self.half, -self.half).astype(np.float32) - oy) / dy
        x, z = ox + t * dx, oz + t * dz
        limit = np.where(up, self.upper, self.lower).astype(np.float32)
        with np.errstate(invalid="ignore"):
            end = np.where((x * x + z * z <= limit * limit) & (t > NEAR), t, MISSED)
        return np.minimum(side, end)

    def _on_side(self, t: Array, oy: Array, dy: Array) -> Array:
        return np.where((np.abs(oy + t * dy) <= self.half) & (t > NEAR), t, MISSED)

    def _on_end(self, points: Array) -> NDArray[np.bool_]:
        radius, slope = self._side
        from_side = np.abs(np.hypot(points[0], points[2]) - (radius + slope * points[1]))
        result: NDArray[np.bool_] = np.abs(np.abs(points[1]) - self.half) < from_side
        return result

    def normals(self, points: Array) -> Array:
        """See :class:`Solid`."""
        _, slope = self._side
        x, y, z = points
        side = _unit(np.stack([x, np.float32(-slope) * np.hypot(x, z), z]))
        zero = np.zeros_like(y)
        return np.where(self._on_end(points), np.stack([zero, np.sign(y), zero]), side)

    def coordinates(self, points: Array) -> tuple[Array, Array]:
        """See :class:`Solid`."""
        x, y, z = points
        end = self._on_end(points)
        around = np.arctan2(x, z) * np.float32(max(self.lower, self.upper))
        return np.where(end, x, around), np.where(end, z, y)

    def nearness(self, points: Array) -> Array:
        """See :class:`Solid`."""
        radius, slope = self._side
        x, y, z = points
        outside = np.hypot(x, z) - np.maximum(radius + slope * np.clip(y, -self.half, self.half), 0)
        gap = np.hypot(np.maximum(outside, 0), np.maximum(np.abs(y) - self.half, 0))
        scale = min(max(self.lower, self.upper), 2 * self.half)
        result: Array = np.float32(0.8) * np.exp(gap * np.float32(-2.2 / scale))
        return result


@dataclass(frozen=True, slots=True)
class Placed:
    """A solid in the world.

    Attributes:
        solid: the solid in its own frame.
        centre: [3], where its origin is.
        axes: [3, 3], whose columns are its axes in the world.
    """

    solid: Solid
    centre: Array
    axes: Array

    def distances(self, origin: Array, direction: Array) -> Array:
        """Where rays of the world enter it: see :meth:`Solid.distances`."""
        return self.solid.distances(self.inward(origin), along(self.axes.T, direction))

    def inward(self, points: Array) -> Array:
        """Points of the world [3, n] in the solid's frame."""
        return along(self.axes.T, points - self.centre[:, None])

    def normals(self, inner: Array) -> Array:
        """Normals in the world at surface points of the solid's own frame."""
        return along(self.axes, self.solid.normals(inner))

    def extent(self, axis: Array) -> float:
        """How far it extends from its centre either way along a unit vector [3] of the world."""
        inner = self.axes.T @ axis
        return max(self.solid.support(inner), self.solid.support(-inner))


def along(axes: Array, vectors: Array) -> Array:
    """The product of axes [3, 3] or [3] and vectors [3, n].

    Not ``@``: BLAS starts a thread on each core for it, which costs more than the product, and
    whose number may change its last bit.
    """
    result: Array = np.einsum("...j,jn->...n", axes, vectors)
    return result


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Axes turned about y by ``yaw``, then tilted about x by ``pitch`` and z by ``roll``."""
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    result: Array = (about_y @ about_x @ about_z).astype(np.float32)
    return result


def _unit(vectors: Array) -> Array:
    result: Array = vectors / np.sqrt((vectors * vectors).sum(0) + np.float32(1e-12))
    return result
