"""What is in a picture: things on a floor before a wall, a camera, a light and a lens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tfod_toolkit.dataset.sample.shapes import CLASSES, Shape, clutter_shape, target_shape
from tfod_toolkit.dataset.sample.solids import Array, Placed, along
from tfod_toolkit.dataset.sample.textures import TYPICAL, Surface, random_colours, random_surface

#: Attempts to find room for a thing before the picture goes without it.
PLACES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera at height 1 over the floor.

    Attributes:
        width: pixels.
        height: pixels.
        focal: pixels.
        axes: [3, 3], whose columns are right, up and forward in the world.
    """

    width: int
    height: int
    focal: float
    axes: Array

    @property
    def position(self) -> Array:
        """[3], in the world."""
        return np.array([0, 1, 0], np.float32)

    def rays(self, x: Array, y: Array) -> Array:
        """Directions [3, n] through points of the picture; their length is 1 along the view."""
        right = (x - np.float32(self.width / 2)) / np.float32(self.focal)
        up = (np.float32(self.height / 2) - y) / np.float32(self.focal)
        return along(self.axes, np.stack([right, up, np.ones_like(right)]))

    def grid(self) -> tuple[Array, Array]:
        """The centres of all pixels: x and y, each [height * width]."""
        return _grid(self.width, self.height)

    def project(self, points: Array) -> tuple[Array, Array]:
        """Where points of the world [3, n] are in the picture; far off where behind it."""
        right, up, depth = along(self.axes.T, points - self.position[:, None])
        depth = np.maximum(depth, np.float32(0.05))
        scale = np.float32(self.focal) / depth
        return self.width / 2 + right * scale, self.height / 2 - up * scale


@dataclass(frozen=True, slots=True)
class Light:
    """A far light of some width, and the light from all around.

    Attributes:
        towards: unit vector [3] to the light.
        colour: [3], linear RGB.
        spread: its radius, in radians; softens shadows.
        sky: [3], linear RGB of what comes from above.
        aside: unit vector [3] across it.
        above: unit vector [3] across both.
    """

    towards: Array
    colour: Array
    spread: float
    sky: Array
    aside: Array
    above: Array


@dataclass(frozen=True, slots=True)
class Lens:
    """What the camera makes of the light.

    Attributes:
        exposure: the mean level it aims at, from 0 to 1.
        blur: standard deviation, in pixels of a picture 240 high.
        noise: standard deviation of the grain.
        vignette: how much darker the corners are, from 0 to 1.
        quality: of the JPEG.
    """

    exposure: float
    blur: float
    noise: float
    vignette: float
    quality: int


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """A solid in the world with its surface; ``name`` is its class, ``None`` for clutter."""

    placed: Placed
    surface: Surface
    name: str | None


@dataclass(frozen=True, slots=True)
class Scene:
    """All of a picture; the floor is y = 0 and the wall z = ``wall_distance``."""

    camera: Camera
    light: Light
    lens: Lens
    floor: Surface
    wall: Surface
    wall_distance: float
    things: tuple[Thing, ...]


@dataclass(slots=True)
class _Room:
    """Where things may still go: circles [x, z, radius] on the floor are taken."""

    camera: Camera
    wall_distance: float
    taken: list[tuple[float, float, float]]

    def spot(self, rng: np.random.Generator, radius_px: float) -> tuple[float, float, float] | None:
        """A random x, z on the floor in sight, and the length of ``radius_px`` there."""
        camera = self.camera
        x = np.float32(rng.uniform(0.08, 0.92) * camera.width)
        y = np.float32(rng.uniform(0.25, 0.97) * camera.height)
        dx, dy, dz = camera.rays(np.array([x]), np.array([y]))[:, 0]
        if dy > -0.05:
            return None
        distance = float(-1 / dy)
        radius = radius_px * distance / camera.focal
        at = float(dx) * distance, float(dz) * distance
        if radius > 0.45 or at[1] + radius > self.wall_distance:
            return None
        return (*at, radius)

    def admits(self, circles: list[tuple[float, float, float]], overlap: float) -> bool:
        """Whether circles on the floor keep clear of those taken."""
        return all(
            math.hypot(x - other_x, z - other_z) > (radius + other) * (1 - overlap)
            for x, z, radius in circles
            for other_x, other_z, other in self.taken
        )


@lru_cache(maxsize=4)
def _grid(width: int, height: int) -> tuple[Array, Array]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    return x.ravel(), y.ravel()


def random_scene(rng: np.random.Generator, size: tuple[int, int], difficulty: float) -> Scene:
    """Draw a picture's contents.

    Args:
        rng: what it is drawn from.
        size: width and height, in pixels.
        difficulty: from 0 to 1: more and more similar clutter, smaller things, less contrast,
            more noise and blur.
    """
    camera = _random_camera(rng, size)
    wall_distance = float(rng.uniform(2.8, 7))
    room = _Room(camera, wall_distance, [])
    contrast = 1 - 0.5 * difficulty
    floor_colours = random_colours(rng, 0.7 * contrast)
    look = _Look(floor_colours, difficulty)
    things: list[Thing] = []
    for _ in range(int(rng.choice((1, 2, 3), p=(0.25, 0.4, 0.35)))):
        shape = target_shape(rng, CLASSES[int(rng.integers(len(CLASSES)))], difficulty)
        things += _put(rng, room, shape, _target_size(rng, difficulty), look)
    for _ in range(int(rng.integers(1 + round(2 * difficulty), 4 + round(6 * difficulty)))):
        shape = clutter_shape(rng, difficulty)
        things += _put(rng, room, shape, float(rng.uniform(0.06, 0.26)), look)
    return Scene(
        camera=camera,
        light=_random_light(rng),
        lens=_random_lens(rng, difficulty),
        floor=random_surface(rng, float(rng.uniform(0.5, 1.6)), floor_colours),
        wall=random_surface(rng, float(rng.uniform(1, 3)), random_colours(rng, 0.5 * contrast)),
        wall_distance=wall_distance,
        things=tuple(things),
    )


def _target_size(rng: np.random.Generator, difficulty: float) -> float:
    """The radius of a thing of a class, as a part of the picture's height."""
    smallest, largest = 0.19 - 0.1 * difficulty, 0.3 - 0.08 * difficulty
    return float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))


@dataclass(frozen=True, slots=True)
class _Look:
    """How things look on a floor.

    Attributes:
        floor: its colours, see :class:`Surface`.
        difficulty: the harder, the less things stand out, the fainter their patterns, and the
            more often those are not typical of their class.
    """

    floor: Array
    difficulty: float

    def colours(self, rng: np.random.Generator) -> Array:
        """Colours that stand out from the floor, where a few draws find such."""
        for _ in range(8):
            colours = random_colours(rng, 1 - 0.5 * self.difficulty, 0.5 * (1 - self.difficulty))
            apart = np.abs(np.sqrt(colours.mean(0)) - np.sqrt(self.floor.mean(0))).max()
            if apart > 0.3 * (1 - self.difficulty):
                break
        return colours

    def surface(self, rng: np.random.Generator, shape: Shape, scale: float) -> Surface:
        """A surface for a shape of that reach. Where patterns deceive, clutter has them too."""
        colours = self.colours(rng)
        honest = rng.uniform() < 1.9 * (1 - self.difficulty) + 0.05
        if shape.pattern and honest:
            return random_surface(rng, scale * shape.pattern_size, colours, shape.pattern)
        if not shape.pattern and not honest:
            return random_surface(rng, scale * 2.5, colours, str(rng.choice(TYPICAL)))
        return random_surface(rng, scale * 2.5, colours)


def _put(
    rng: np.random.Generator, room: _Room, shape: Shape, radius: float, look: _Look
) -> list[Thing]:
    """A thing of some shape where there is room for it; none where there is not."""
    for _ in range(PLACES):
        spot = room.spot(rng, radius * room.camera.height)
        if spot is None:
            continue
        x, z, scale = spot
        solid = shape.solid(scale)
        axes = shape.axes
        base = solid.support(axes.T @ np.array([0, -1, 0], np.float32))
        centre = np.array([x, base, z], np.float32)
        circles = shape.footprint(centre, scale)
        if not shape.flat and not room.admits(circles, overlap=0.06):
            continue
        if not shape.flat:
            room.taken.extend(circles)
        surface = look.surface(rng, shape, scale)
        return [Thing(Placed(solid, centre, axes), surface, shape.name)]
    return []


def _random_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    width, height = size
    pitch = np.radians(rng.uniform(13, 47))
    roll = np.radians(rng.normal(0, 2))
    focal = height / 2 / np.tan(np.radians(rng.uniform(34, 52)) / 2)
    down, flat = np.sin(pitch), np.cos(pitch)
    axes = np.array([[1, 0, 0], [0, flat, -down], [0, down, flat]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return Camera(width, height, float(focal), (axes @ turn).astype(np.float32))


def _random_light(rng: np.random.Generator) -> Light:
    height = np.radians(rng.uniform(28, 72))
    around = np.radians(rng.uniform(-115, 115))  # 0: from behind the camera
    towards = np.array(
        [np.sin(around) * np.cos(height), np.sin(height), -np.cos(around) * np.cos(height)]
    )
    warmth = rng.normal(0.04, 0.1)
    strength = rng.uniform(0.9, 1.5)
    colour = strength * np.array([1 + warmth, 1, 1 - warmth])
    sky = rng.uniform(0.22, 0.5) * np.array([1 - warmth / 2, 1, 1 + warmth / 2])
    aside = np.array([np.cos(around), 0, np.sin(around)])
    return Light(
        towards.astype(np.float32),
        colour.astype(np.float32),
        float(rng.uniform(0.01, 0.13)),
        sky.astype(np.float32),
        aside.astype(np.float32),
        np.cross(towards, aside).astype(np.float32),
    )


def _random_lens(rng: np.random.Generator, difficulty: float) -> Lens:
    return Lens(
        exposure=float(rng.uniform(0.16, 0.34)),
        blur=float(rng.uniform(0.3, 0.6 + 0.9 * difficulty)),
        noise=float(rng.uniform(0.003, 0.01 + 0.025 * difficulty)),
        vignette=float(rng.uniform(0, 0.35)),
        quality=int(rng.integers(82, 96)),
    )
