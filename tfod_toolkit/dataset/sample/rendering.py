"""Scenes to photographs: light and shadow on what the rays met, and a lens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tfod_toolkit.dataset.sample.casting import WALL_THICKNESS, View, backdrop_depth, cast
from tfod_toolkit.dataset.sample.scene import Camera, Light, Scene, Thing
from tfod_toolkit.dataset.sample.shadows import FloorLight, floor_light, light_past
from tfod_toolkit.dataset.sample.solids import NEAR, Array, along

#: Offsets of the rays that smooth an edge, in pixels: x, then y.
_SUBPIXELS = np.array([[-0.125, 0.375, 0.125, -0.375], [-0.375, -0.125, 0.375, 0.125]], np.float32)


def render(scene: Scene, seen: View, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture of a scene.

    Args:
        scene: what is in it.
        seen: what :func:`~tfod_toolkit.dataset.sample.casting.view` gave for it.
        rng: for half shadows and grain.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    camera = scene.camera
    rays = camera.rays(*camera.grid())
    dither = np.asarray(rng.random(rays.shape[1], dtype=np.float32)) * 2 - 1
    light = _backdrop(scene, rays, floor_light(scene))
    owner, depth = seen.owner.ravel(), seen.depth.ravel()
    order = np.argsort(owner, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(owner, minlength=len(scene.things) + 2))[:-1])
    for thing, mine in zip(scene.things, groups[1:-1], strict=True):
        if len(mine):
            light[:, mine] = _surface(
                scene, thing, rays.take(mine, axis=1), depth.take(mine), dither.take(mine)
            )
    _smooth_edges(scene, seen.owner, light)
    return _developed(scene, light, rng)


def _backdrop(scene: Scene, rays: Array, floor: FloorLight) -> Array:
    """Linear RGB [3, n] of floor and wall at all pixels."""
    camera, light = scene.camera, scene.light
    depth = backdrop_depth(scene, rays)
    x, y, z = rays * depth
    y += camera.position[1]
    # Along the view, a pixel spans so many texels of the floor.
    span = depth * depth * np.float32(scene.floor.scale / camera.focal)
    colour = scene.floor.albedo(x, z, np.minimum(np.float32(2.5) / span, 1))
    facing = np.full(len(x), light.towards[1], np.float32)
    # The corner of floor and wall is sheltered.
    corner = np.float32(scene.wall_distance) - z
    wall = np.flatnonzero(corner < WALL_THICKNESS)
    if len(wall):
        colour[:, wall] = scene.wall.albedo(x[wall], y[wall])
        facing[wall] = max(float(-light.towards[2]), 0.0)
        corner[wall] = y[wall]
    shelter = 1 - np.float32(0.45) * np.exp(np.maximum(corner, 0) * np.float32(-2.5))
    facing *= floor.lit
    shelter *= floor.open
    for channel in range(3):
        colour[channel] *= light.colour[channel] * facing + light.sky[channel] * shelter
    return colour


def _surface(scene: Scene, thing: Thing, rays: Array, depth: Array, dither: Array) -> Array:
    """Linear RGB [3, n] of a thing: Lambert's law, light from around, Blinn's highlight."""
    placed, light = thing.placed, scene.light
    points = rays * depth
    points[1] += scene.camera.position[1]
    inner = placed.inward(points)
    normals = placed.normals(inner)
    facing = np.maximum(along(light.towards, normals), 0)
    others = [other for other in scene.things if _may_shade(light, other, thing)]
    if others:
        facing *= light_past(light, others, points + normals * NEAR, dither)
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
        colour += light.colour[:, None] * (_shine(light, thing, rays, normals) * (facing > 0))
    return colour


def _shine(light: Light, thing: Thing, rays: Array, normals: Array) -> Array:
    """The highlight's strength [n]."""
    half = light.towards[:, None] - rays / np.sqrt((rays * rays).sum(0))
    shine: Array = np.maximum((half * normals).sum(0), 0) / np.sqrt((half * half).sum(0))
    for _ in range(thing.surface.sharpness):
        shine *= shine
    shine *= np.float32(thing.surface.gloss)
    return shine


def _may_shade(light: Light, other: Thing, thing: Thing) -> bool:
    """Whether one thing can stand in the light of another."""
    if other is thing:
        return False
    between = [float(value) for value in other.placed.centre - thing.placed.centre]
    ahead = sum(a * float(b) for a, b in zip(between, light.towards, strict=True))
    aside = math.sqrt(max(sum(a * a for a in between) - ahead * ahead, 0))
    reach = other.placed.solid.reach + thing.placed.solid.reach
    return ahead > -reach and aside < reach + max(ahead, 0) * light.spread


def _smooth_edges(scene: Scene, owner: NDArray[np.int16], light: Array) -> None:
    """Give the pixels at the edges of things the mean light of several rays, in place.

    What a ray meets is cast anew; how it looks is taken from the pixel or its neighbours.
    """
    height, width = owner.shape
    edges = _edges(owner)
    count = _SUBPIXELS.shape[1]
    x, y = (
        np.add.outer(offsets, centres[edges]).ravel()
        for offsets, centres in zip(_SUBPIXELS, scene.camera.grid(), strict=True)
    )
    met = cast(scene, x, y)
    rows, columns = np.divmod(edges, width)
    source = np.tile(edges, count)
    flat = owner.ravel()
    for down, across in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        beside = np.clip(rows + down, 0, height - 1) * width
        beside = np.tile(beside + np.clip(columns + across, 0, width - 1), count)
        source = np.where((flat[source] != met) & (flat[beside] == met), beside, source)
    # What is brighter than white must not outweigh what is beside it.
    rays = np.minimum(light.take(source, axis=1), np.float32(1.5))
    light[:, edges] = rays.reshape(3, count, -1).mean(1)


def _edges(owner: NDArray[np.int16]) -> NDArray[np.intp]:
    """Indices of the pixels beside another thing's."""
    edge = np.zeros(owner.shape, bool)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return np.flatnonzero(edge)


def _developed(scene: Scene, light: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light [3, n] to a photograph: exposure, vignette, gamma, blur, grain."""
    import cv2

    lens, camera = scene.lens, scene.camera
    exposure = np.float32(lens.exposure / max(float(light.mean()), 1e-3))
    light *= exposure * _vignette(camera, lens.vignette)
    np.clip(light, 0, 1, out=light)
    np.sqrt(light, out=light)
    light *= np.float32(255)
    light += np.float32(0.5)
    shape = (camera.height, camera.width)
    developed = cv2.merge([channel.reshape(shape) for channel in light.astype(np.uint8)])
    blurred = cv2.GaussianBlur(developed, (0, 0), max(lens.blur * camera.height / 240, 0.2))
    # The same grain, moved, for each colour: as good, and a third of the time.
    grain = rng.standard_normal(camera.height * camera.width, dtype=np.float32)
    grain *= np.float32(255 * lens.noise)
    rounded = np.rint(grain).astype(np.int16)
    moved = cv2.merge([np.roll(rounded, 31 * channel).reshape(shape) for channel in range(3)])
    # Saturates, where numpy would wrap around.
    return np.asarray(cv2.add(blurred, moved, dtype=cv2.CV_8U), np.uint8)


def _vignette(camera: Camera, strength: float) -> Array:
    """How much of the light comes through at each pixel, [n]."""
    x, y = camera.grid()
    across, down = x / np.float32(camera.width / 2) - 1, y / np.float32(camera.height / 2) - 1
    through: Array = 1 - np.float32(strength / 2) * (across * across + down * down)
    return through
