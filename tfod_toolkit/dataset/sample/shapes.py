"""The shapes of the classes, and those of the clutter that must not be taken for them.

A brick is a box whose sides are of one order, a ball a sphere, a cylinder as thick as it is long
within a factor. Clutter is what comes near without being one: flat discs and sheets, rods and
bars, upright panels and coins, cones, lenses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfod_toolkit.dataset.sample.solids import Array, Box, Ellipsoid, Frustum, Solid, turned

CLASSES = ("brick", "ball", "cylinder")


@dataclass(frozen=True, slots=True)
class Shape:
    """A solid without a size, and how it stands.

    Attributes:
        name: its class, ``None`` for clutter.
        solid: makes it from its reach.
        axes: [3, 3], see :class:`~tfod_toolkit.dataset.sample.solids.Placed`.
        flat: so flat that other things may stand on it.
        pattern: the surface that is typical of its class.
        pattern_size: the length that this pattern spans, for a reach of 1.
    """

    name: str | None
    solid: Callable[[float], Solid]
    axes: Array
    flat: bool = False
    pattern: str | None = None
    pattern_size: float = 1.0

    def footprint(self, centre: Array, scale: float) -> list[tuple[float, float, float]]:
        """Circles [x, z, radius] on the floor that cover it."""
        solid = self.solid(scale)
        lengths = [solid.support(np.eye(3, dtype=np.float32)[axis]) for axis in range(3)]
        along = int(np.argmax(lengths))
        width = float(np.median(lengths))
        # A long thing is a row of circles.
        reach = max(lengths[along] - width, 0.0)
        steps = np.linspace(-reach, reach, 1 + int(np.ceil(reach / max(width, 1e-3))))
        ways = self.axes[:, along]
        return [
            (float(centre[0] + ways[0] * step), float(centre[2] + ways[2] * step), width)
            for step in steps
        ]


def target_shape(rng: np.random.Generator, name: str, difficulty: float) -> Shape:
    """A shape of a class; the harder, the more ways it may lie and the more its sides vary."""
    odd = max(2 * difficulty - 1, 0.0)
    vary = 1 + odd
    yaw = _yaw(rng)
    if name == "brick":
        spread = 0.06 * vary * rng.uniform(-1, 1, 2)
        sides = np.array([1.0, 0.4 + spread[0], 0.55 + spread[1]])
        # Three or four holes along it, whichever side it lies on.
        length = 2 / float(np.linalg.norm(sides)) * 4 / float(rng.choice((3, 4)))
        if rng.uniform() < odd:
            sides = rng.permutation(sides)
        return Shape(name, _box(sides), turned(yaw), pattern="holes", pattern_size=length)
    if name == "ball":
        axes = turned(yaw, *rng.uniform(0, np.pi, 2))
        around = 2 * np.pi / float(rng.choice((1, 1.5)))
        ball = lambda reach: Ellipsoid((reach,) * 3)  # noqa: E731 -- as the others are made
        return Shape(name, ball, axes, pattern="wedges", pattern_size=around)
    axes = turned(yaw, np.pi / 2 if rng.uniform() < odd / 2 else 0.0)
    half = 1.25 + 0.25 * vary * float(rng.uniform(-1, 1))
    height = 2 * half / math.hypot(half, 1) * 4 / float(rng.uniform(2.5, 4))
    return Shape(name, _frustum(half, 1.0, 1.0), axes, pattern="bands", pattern_size=height)


def clutter_shape(rng: np.random.Generator, difficulty: float) -> Shape:
    """A shape of no class; the harder, the nearer it often comes to one."""
    far, near = (_disc, _sheet, _rod, _cone, _lens), (_bar, _panel, _coin)
    kinds = near if rng.uniform() < 0.1 + 0.4 * difficulty else far
    return kinds[int(rng.integers(len(kinds)))](rng)


def _disc(rng: np.random.Generator) -> Shape:
    half = float(rng.uniform(0.015, 0.06))
    return Shape(None, _frustum(half, 1.0, 1.0), turned(_yaw(rng)), flat=True)


def _sheet(rng: np.random.Generator) -> Shape:
    sides = (1.0, float(rng.uniform(0.008, 0.03)), float(rng.uniform(0.35, 1)))
    return Shape(None, _box(sides), turned(_yaw(rng)), flat=True)


def _rod(rng: np.random.Generator) -> Shape:
    half = float(rng.uniform(9, 20))
    return Shape(None, _frustum(half, 1.0, 1.0), turned(_yaw(rng), np.pi / 2))


def _bar(rng: np.random.Generator) -> Shape:
    sides = (1.0, float(rng.uniform(0.04, 0.1)), float(rng.uniform(0.04, 0.1)))
    return Shape(None, _box(sides), turned(_yaw(rng)))


def _panel(rng: np.random.Generator) -> Shape:
    sides = (1.0, float(rng.uniform(0.4, 1)), float(rng.uniform(0.03, 0.06)))
    return Shape(None, _box(sides), turned(_yaw(rng), float(rng.normal(0, 0.15))))


def _coin(rng: np.random.Generator) -> Shape:
    half = float(rng.uniform(0.04, 0.1))
    lean = np.pi / 2 + float(rng.normal(0, 0.1))
    return Shape(None, _frustum(half, 1.0, 1.0), turned(_yaw(rng), lean))


def _cone(rng: np.random.Generator) -> Shape:
    half = float(rng.uniform(0.9, 1.8))
    upper = float(rng.choice((0.0, rng.uniform(0, 0.25))))
    # Lying on its side, or standing.
    tilt = np.pi / 2 + np.arctan((1 - upper) / (2 * half)) if rng.uniform() < 0.3 else 0.0
    return Shape(None, _frustum(half, 1.0, upper), turned(_yaw(rng), float(tilt)))


def _lens(rng: np.random.Generator) -> Shape:
    radii = (1.0, float(rng.uniform(0.25, 0.4)), float(rng.uniform(0.5, 0.9)))
    return Shape(
        None,
        lambda reach: Ellipsoid((radii[0] * reach, radii[1] * reach, radii[2] * reach)),
        turned(_yaw(rng)),
    )


def _yaw(rng: np.random.Generator) -> float:
    return float(rng.uniform(0, 2 * np.pi))


def _box(
    sides: NDArray[np.float64] | tuple[float, float, float],
) -> Callable[[float], Solid]:
    x, y, z = (float(side) / float(np.linalg.norm(sides)) for side in sides)
    return lambda reach: Box((x * reach, y * reach, z * reach))


def _frustum(half: float, lower: float, upper: float) -> Callable[[float], Solid]:
    whole = float(np.hypot(half, max(lower, upper)))
    return lambda reach: Frustum(half * reach / whole, lower * reach / whole, upper * reach / whole)
