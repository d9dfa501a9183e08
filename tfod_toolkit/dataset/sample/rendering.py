"""Scenes to photographs: light and shadow on what the rays met, and a lens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfod_toolkit.dataset.sample.casting import CORNERS, View, backdrop_depth, cast
from tfod_toolkit.dataset.sample.scene import Camera, Light, Scene, Thing
from tfod_toolkit.dataset.sample.solids import NEAR, Array

#: Offsets of the rays that smooth an edge, in pixels.
_SUBPIXELS = np.array([[-0.125, 0.375, 0.125, -0.375], [-0.375, -0.125, 0.375, 0.125]], np.float32)
_AXES = np.eye(3, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class _Rays:
    """Rays through the picture and what they met; n of them.

    Attributes:
        directions: [3, n].
        owner: [n], see :class:`View`.
        depth: [n].
        lit: [n], how much of the light reaches floor and wall there.
        open: [n], how much of the sky does.
        dither: [2, n], from -1 to 1: to which part of the light's disc each one looks.
    """

    directions: Array
    owner: NDArray[np.int16]
    depth: Array
    lit: Array
    open: Array
    dither: Array

    def points(self, scene: Scene) -> Array:
        """[3, n] in the world."""
        return scene.camera.position[:, None] + self.directions * self.depth

    def at(self, index: NDArray[np.intp]) -> _Rays:
        """Some of them."""
        return _Rays(
            self.directions[:, index],
            self.owner[index],
            self.depth[index],
            self.lit[index],
            self.open[index],
            self.dither[:, index],
        )


def render(scene: Scene, seen: View, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture of a scene.

    Args:
        scene: what is in it.
        seen: what :func:`~tfod_toolkit.dataset.sample.casting.view` gave for it.
        rng: for the grain.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    camera = scene.camera
    x, y = camera.grid()
    directions = camera.rays(x, y)
    dither = rng.random((2, len(x)), dtype=np.float32) * 2 - 1
    lit, open_ = _floor_light(scene, directions, dither)
    rays = _Rays(directions, seen.owner.ravel(), seen.depth.ravel(), lit, open_, dither)
    light = _shade(scene, rays)
    edges = _edges(seen.owner)
    light[:, edges] = _smoothed(scene, rays, edges)
    picture = np.ascontiguousarray(light.T).reshape(camera.height, camera.width, 3)
    return _developed(scene, picture, rng)


def _floor_light(scene: Scene, directions: Array, dither: Array) -> tuple[Array, Array]:
    """For floor and wall at each pixel: how much of the light, and of the sky, reaches it."""
    import cv2

    camera = scene.camera
    shape = (camera.height, camera.width)
    points = scene.camera.position[:, None] + directions * backdrop_depth(scene, directions)
    points, dither = points.reshape(3, *shape), dither.reshape(2, *shape)
    lit, open_ = np.ones(shape, np.float32), np.ones(shape, np.float32)
    for thing in scene.things:
        part = _window(camera, _shadow_corners(scene, thing))
        there, noise = points[:, part[0], part[1]], dither[:, part[0], part[1]]
        past = _light_past(scene.light, [thing], there.reshape(3, -1), noise.reshape(2, -1))
        np.minimum(lit[part], past.reshape(there.shape[1:]), out=lit[part])
        part = _window(camera, _surroundings(thing))
        there = points[:, part[0], part[1]]
        near = thing.placed.solid.nearness(thing.placed.inward(there.reshape(3, -1)))
        open_[part] *= 1 - np.float32(0.75) * near.reshape(there.shape[1:])
    soft = np.asarray(cv2.blur(cv2.blur(lit, (5, 5)), (3, 3)), np.float32)
    return soft.ravel(), open_.ravel()


def _window(camera: Camera, corners: Array) -> tuple[slice, slice]:
    """The rows and columns that hold points of the world."""
    x, y = camera.project(corners)
    left, right = (int(np.clip(value, 0, camera.width)) for value in (x.min() - 4, x.max() + 5))
    top, bottom = (int(np.clip(value, 0, camera.height)) for value in (y.min() - 4, y.max() + 5))
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
    corners = thing.placed.centre[:, None] + CORNERS * wide[:, None]
    corners[1] = np.where(CORNERS[1] > 0, 0.3 * thing.placed.centre[1], 0)
    result: Array = corners
    return result


def _light_past(light: Light, things: list[Thing], points: Array, dither: Array) -> Array:
    """Which part of the light reaches points past some things; noisy in half shadow."""
    towards = light.towards
    side = np.array([towards[2], 0, -towards[0]], np.float32)
    side /= np.linalg.norm(side) + np.float32(1e-6)
    up = np.cross(towards, side).astype(np.float32)
    lit = np.ones(points.shape[1], np.float32)
    # Two opposite parts of the light's disc for each point.
    for spread in (np.float32(light.spread), np.float32(-light.spread)):
        rays = towards[:, None] + side[:, None] * (dither[0] * spread)
        rays += up[:, None] * (dither[1] * spread)
        dark = np.zeros(points.shape[1], bool)
        for thing in things:
            dark |= np.isfinite(thing.placed.distances(points, rays))
        lit -= dark * np.float32(0.5)
    return lit


def _shade(scene: Scene, rays: _Rays) -> Array:
    """Linear RGB [3, n] of what rays met."""
    light = np.empty((3, len(rays.owner)), np.float32)
    order = np.argsort(rays.owner, kind="stable")
    counts = np.bincount(rays.owner, minlength=len(scene.things) + 1)
    groups = np.split(order, np.cumsum(counts)[:-1])
    for group, thing in zip(groups, (None, *scene.things), strict=True):
        if len(group) == 0:
            continue
        mine = rays.at(group)
        light[:, group] = _backdrop(scene, mine) if thing is None else _surface(scene, thing, mine)
    return light


def _backdrop(scene: Scene, rays: _Rays) -> Array:
    """Linear RGB [3, n] of floor and wall."""
    x, y, z = points = rays.points(scene)
    on_wall = z > scene.wall_distance - 1e-2
    # Along the view, a pixel spans so many texels of the floor.
    span = rays.depth * rays.depth * np.float32(scene.floor.scale / scene.camera.focal)
    fade = np.minimum(np.float32(2.5) / np.maximum(span, np.float32(1e-3)), 1)
    colour = scene.floor.albedo(x, z, fade)
    wall = np.flatnonzero(on_wall)
    if len(wall):
        colour[:, wall] = scene.wall.albedo(x[wall], y[wall])
    towards = scene.light.towards
    facing = np.full(len(x), towards[1], np.float32)
    facing[wall] = max(float(-towards[2]), 0.0)
    # The corner of floor and wall is sheltered.
    corner = np.float32(scene.wall_distance) - z
    corner[wall] = points[1][wall]
    shelter = 1 - np.float32(0.45) * np.exp(np.maximum(corner, 0) * np.float32(-2.5))
    direct, around = facing * rays.lit, rays.open * shelter
    for channel in range(3):
        colour[channel] *= scene.light.colour[channel] * direct + scene.light.sky[channel] * around
    return colour


def _surface(scene: Scene, thing: Thing, rays: _Rays) -> Array:
    """Linear RGB [3, n] of a thing: Lambert's law, light from around, Blinn's highlight."""
    placed, light = thing.placed, scene.light
    points = rays.points(scene)
    inner = placed.inward(points)
    normals = placed.normals(inner)
    facing = np.maximum(light.towards @ normals, 0)
    others = [
        other for other in scene.things if other is not thing and _may_shade(light, other, thing)
    ]
    if others:
        facing = facing * _light_past(light, others, points + normals * NEAR, rays.dither)
    upward = np.float32(0.5) + np.float32(0.5) * normals[1]
    floor = scene.floor.colours.mean(0) * np.float32(0.55)
    from_floor = floor * (light.sky + light.colour * np.float32(0.5))
    grounded = 1 - np.float32(0.5) * np.exp(points[1] / np.float32(-0.3 * placed.solid.reach))
    below = (1 - upward) * grounded
    colour = thing.surface.albedo(*placed.solid.coordinates(inner))
    for channel in range(3):
        around = light.sky[channel] * upward + from_floor[channel] * below
        colour[channel] *= light.colour[channel] * facing + around
    if thing.surface.gloss:
        colour += light.colour[:, None] * (_shine(scene, thing, rays, normals) * (facing > 0))
    return colour


def _shine(scene: Scene, thing: Thing, rays: _Rays, normals: Array) -> Array:
    """The highlight's strength [n]."""
    view = rays.directions / np.sqrt((rays.directions * rays.directions).sum(0))
    half = scene.light.towards[:, None] - view
    half /= np.sqrt((half * half).sum(0))
    shine = np.maximum((half * normals).sum(0), 0)
    for _ in range(thing.surface.sharpness):
        shine *= shine
    result: Array = shine * np.float32(thing.surface.gloss)
    return result


def _may_shade(light: Light, other: Thing, thing: Thing) -> bool:
    """Whether one thing can stand in the light of another."""
    between = other.placed.centre - thing.placed.centre
    along = float(between @ light.towards)
    aside = float(np.linalg.norm(between - along * light.towards))
    reach = other.placed.solid.reach + thing.placed.solid.reach
    return along > -reach and aside < reach + max(along, 0) * light.spread


def _edges(owner: NDArray[np.int16]) -> NDArray[np.intp]:
    """Indices of the pixels beside another thing's."""
    edge = np.zeros(owner.shape, bool)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return np.flatnonzero(edge)


def _smoothed(scene: Scene, rays: _Rays, edges: NDArray[np.intp]) -> Array:
    """The light of some pixels, each the mean of several rays."""
    count = _SUBPIXELS.shape[1]
    x, y = (np.tile(centres[edges], count) for centres in scene.camera.grid())
    x += np.repeat(_SUBPIXELS[0], len(edges))
    y += np.repeat(_SUBPIXELS[1], len(edges))
    directions = scene.camera.rays(x, y)
    owner, depth, _ = cast(scene, x, y, directions)
    here = rays.at(np.tile(edges, count))
    light = _shade(scene, _Rays(directions, owner, depth, here.lit, here.open, here.dither))
    # What is brighter than white must not outweigh what is beside it.
    result: Array = np.minimum(light, np.float32(1.5)).reshape(3, count, -1).mean(1)
    return result


def _developed(scene: Scene, picture: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light to a photograph: exposure, vignette, gamma, blur, grain."""
    import cv2

    lens, camera = scene.lens, scene.camera
    exposure = np.float32(lens.exposure / max(float(picture.mean()), 1e-3))
    y, x = np.ogrid[-1 : 1 : camera.height * 1j, -1 : 1 : camera.width * 1j]
    gain = exposure * (1 - lens.vignette * 0.5 * (x * x + y * y)).astype(np.float32)
    picture = np.sqrt(np.clip(picture * gain[..., None], 0, 1))
    developed = (picture * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    blurred = cv2.GaussianBlur(developed, (0, 0), max(lens.blur * camera.height / 240, 0.2))
    # The same grain, moved, for each colour: as good, and a third of the time.
    grain = rng.standard_normal((camera.height, camera.width), dtype=np.float32)
    grain = (grain * np.float32(255 * lens.noise)).round().astype(np.int16)
    moved = np.stack([np.roll(grain, 31 * channel) for channel in range(3)], axis=-1)
    # Saturates, where numpy would wrap around.
    return np.asarray(cv2.add(blurred, moved, dtype=cv2.CV_8U), np.uint8)
