"""How much of the light reaches what: shadows, and the sky that things shelter the floor from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfod_toolkit.dataset.sample.casting import CORNERS, backdrop_depth
from tfod_toolkit.dataset.sample.scene import Camera, Light, Scene, Thing
from tfod_toolkit.dataset.sample.solids import Array

_AXES = np.eye(3, dtype=np.float32)

#: The floor's light is found for every so many pixels each way, and smoothed between them.
_STEP = 2
#: Rows and columns of a pattern that tells neighbouring points to look to different parts of the
#: light's disc, so that smoothing makes half shadows of them.
_PATTERN = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32)


@dataclass(frozen=True, slots=True)
class FloorLight:
    """The light of floor and wall at each pixel.

    Attributes:
        lit: [n], how much of the light reaches them.
        open: [n], how much of the sky does.
    """

    lit: Array
    open: Array


def floor_light(scene: Scene) -> FloorLight:
    """The light that a scene's things leave to floor and wall."""
    import cv2

    camera = scene.camera
    shape = (-(-camera.height // _STEP), -(-camera.width // _STEP))
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    rays = camera.rays(((columns + 0.5) * _STEP).ravel(), ((rows + 0.5) * _STEP).ravel())
    points = rays * backdrop_depth(scene, rays)
    points[1] += camera.position[1]
    points = points.reshape(3, *shape)
    tiles = np.tile(_PATTERN, (shape[0] // 4 + 1, shape[1] // 4 + 1))
    dither = tiles[: shape[0], : shape[1]] / np.float32(7.5) - 1
    lit, open_ = np.ones(shape, np.float32), np.ones(shape, np.float32)
    for thing in scene.things:
        part = _window(camera, shape, _shadow_corners(scene, thing))
        there = points[:, part[0], part[1]]
        past = light_past(scene.light, [thing], there.reshape(3, -1), dither[part].ravel())
        np.minimum(lit[part], past.reshape(there.shape[1:]), out=lit[part])
        part = _window(camera, shape, _surroundings(thing))
        there = points[:, part[0], part[1]]
        near = thing.placed.solid.nearness(thing.placed.inward(there.reshape(3, -1)))
        open_[part] *= 1 - np.float32(0.75) * near.reshape(there.shape[1:])
    size = (camera.width, camera.height)
    soft, wide = (
        np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), np.float32).ravel()
        for field in (cv2.blur(lit, (4, 4)), open_)
    )
    return FloorLight(soft, wide)


def light_past(light: Light, things: Sequence[Thing], points: Array, dither: Array) -> Array:
    """Which part of the light reaches points past some things.

    Args:
        light: the light.
        things: what may be in its way.
        points: [3, n] in the world.
        dither: [n], from -1 to 1: to which part of the light's disc each point looks.

    Returns:
        [n], from 0 to 1; noisy in half shadow.
    """
    lit = np.ones(points.shape[1], np.float32)
    # Two opposite parts of the light's disc for each point.
    for spread in (np.float32(light.spread), np.float32(-light.spread)):
        turn = dither * spread
        rays = light.towards[:, None] + light.aside[:, None] * turn
        rays += light.above[:, None] * (turn[::-1] if len(turn) % 2 else -turn)
        dark = np.zeros(points.shape[1], bool)
        for thing in things:
            dark |= np.isfinite(thing.placed.distances(points, rays))
        lit -= dark * np.float32(0.5)
    return lit


def _window(camera: Camera, shape: tuple[int, int], corners: Array) -> tuple[slice, slice]:
    """The rows and columns of the coarse picture that hold points of the world."""
    x, y = camera.project(corners)
    left, right, top, bottom = (
        int(min(max(value / _STEP, 0), limit))
        for value, limit in (
            (float(x.min()) - 4, shape[1]),
            (float(x.max()) + 6, shape[1]),
            (float(y.min()) - 4, shape[0]),
            (float(y.max()) + 6, shape[0]),
        )
    )
    return slice(top, bottom), slice(left, right)


def _extents(thing: Thing) -> Array:
    """How far a thing extends along x, y and z of the world."""
    return np.array([thing.placed.extent(axis) for axis in _AXES], np.float32)


def _shadow_corners(scene: Scene, thing: Thing) -> Array:
    """Points of floor and wall that hold a thing's shadow between them."""
    corners = thing.placed.centre[:, None] + CORNERS * _extents(thing)[:, None]
    corners[1] = np.maximum(corners[1], 0)
    foot = corners * np.array([[1], [0], [1]], np.float32)
    towards = scene.light.towards
    fall = corners[1] / towards[1]
    if towards[2] < 0:
        fall = np.minimum(fall, (scene.wall_distance - corners[2]) / -towards[2])
    fall = np.maximum(fall, 0) * np.float32(1 + scene.light.spread)
    return np.concatenate([corners - towards[:, None] * fall, foot], axis=1)


def _surroundings(thing: Thing) -> Array:
    """Points that hold the floor about a thing which it shelters from the sky."""
    extents = _extents(thing)
    wide = extents + np.float32(0.6) * extents.max()
    corners: Array = thing.placed.centre[:, None] + CORNERS * wide[:, None]
    corners[1] = np.where(CORNERS[1] > 0, 0.3 * thing.placed.centre[1], 0)
    return corners
