"""What a camera sees of a scene: which thing, and how far away, at each pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfod_toolkit.dataset.sample.scene import Camera, Scene, Thing
from tfod_toolkit.dataset.sample.solids import Array, along

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32).T

#: What is so near to the wall is it.
WALL_THICKNESS = 1e-2
#: Rays to a side by which the size of what leaves the picture is found.
_GRID = 32

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class View:
    """What a camera sees, before any light.

    Attributes:
        owner: int16 [height, width], 0 for the floor, k for the scene's k-th thing, and one more
            than there are things for the wall.
        depth: float32 [height, width], along the view; of floor and wall too.
        whole: pixels that each thing would cover on an endless picture if nothing stood before it.
        cut: whether a part of each thing is outside the picture.
    """

    owner: NDArray[np.int16]
    depth: Array
    whole: tuple[float, ...]
    cut: tuple[bool, ...]

    def mask(self, number: int) -> NDArray[np.bool_]:
        """Where the scene's ``number``-th thing (from 1) is seen."""
        result: NDArray[np.bool_] = self.owner == number
        return result

    def shown(self, number: int) -> float:
        """Which part of a thing is seen, from 0 to 1."""
        return float(self.mask(number).sum()) / max(self.whole[number - 1], 1.0)


def view(scene: Scene) -> View:
    """Cast one ray through each pixel's centre."""
    camera = scene.camera
    shape = (camera.height, camera.width)
    rays = camera.rays(*camera.grid())
    depth = backdrop_depth(scene, rays).reshape(shape)
    rays = rays.reshape(3, *shape)
    owner = _backdrop_owner(scene, rays, depth)
    whole, cut = [], []
    for number, thing in enumerate(scene.things, start=1):
        left, top, right, bottom = rectangle = bounds(camera, thing)
        rows = slice(max(int(top), 0), min(max(math.ceil(bottom), 0), camera.height))
        columns = slice(max(int(left), 0), min(max(math.ceil(right), 0), camera.width))
        part = rays[:, rows, columns]
        t = thing.placed.distances(camera.position[:, None], part.reshape(3, -1))
        t = t.reshape(part.shape[1:])
        nearer = t < depth[rows, columns]
        owner[rows, columns][nearer] = number
        np.minimum(depth[rows, columns], t, out=depth[rows, columns])
        cut.append(_leaves(camera, rectangle))
        whole.append(_area(scene, thing) if cut[-1] else float(np.isfinite(t).sum()))
    return View(owner, depth, tuple(whole), tuple(cut))


def cast(scene: Scene, x: Array, y: Array) -> NDArray[np.int16]:
    """The owner of each of some points of the picture: see :class:`View`."""
    camera = scene.camera
    rays = camera.rays(x, y)
    depth = backdrop_depth(scene, rays)
    owner = _backdrop_owner(scene, rays, depth)
    for number, thing in enumerate(scene.things, start=1):
        left, top, right, bottom = bounds(camera, thing)
        near = np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom))
        t = thing.placed.distances(camera.position[:, None], rays.take(near, axis=1))
        nearer = t < depth[near]
        owner[near[nearer]] = number
        depth[near[nearer]] = t[nearer]
    return owner


def backdrop_depth(scene: Scene, rays: Array) -> Array:
    """Where rays meet the floor or the wall."""
    with np.errstate(divide="ignore"):
        floor = np.where(rays[1] < 0, -1 / rays[1], np.float32(1e3))
        wall = np.where(rays[2] > 0, np.float32(scene.wall_distance) / rays[2], np.float32(1e3))
    return np.minimum(floor, wall)


def _backdrop_owner(scene: Scene, rays: Array, depth: Array) -> NDArray[np.int16]:
    on_wall = rays[2] * depth > scene.wall_distance - WALL_THICKNESS
    return np.where(on_wall, len(scene.things) + 1, 0).astype(np.int16)


@lru_cache(maxsize=64)
def bounds(camera: Camera, thing: Thing) -> Rectangle:
    """A rectangle of the picture that holds a thing: left, top, right, bottom."""
    extents = [thing.placed.extent(camera.axes[:, axis]) for axis in range(3)]
    corners = along(camera.axes, CORNERS * np.array(extents, np.float32)[:, None])
    x, y = camera.project(thing.placed.centre[:, None] + corners)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _leaves(camera: Camera, rectangle: Rectangle) -> bool:
    left, top, right, bottom = rectangle
    return left < 0 or top < 0 or right > camera.width or bottom > camera.height


def _area(scene: Scene, thing: Thing) -> float:
    """Pixels that a thing covers on an endless picture."""
    left, top, right, bottom = bounds(scene.camera, thing)
    steps = (np.arange(_GRID, dtype=np.float32) + np.float32(0.5)) / np.float32(_GRID)
    x, y = np.meshgrid(left + steps * (right - left), top + steps * (bottom - top))
    rays = scene.camera.rays(x.ravel().astype(np.float32), y.ravel().astype(np.float32))
    met = np.isfinite(thing.placed.distances(scene.camera.position[:, None], rays))
    return float(met.mean()) * (right - left) * (bottom - top)
