"""Surfaces: tileable grey patterns, and the colours they are given.

The patterns are the same for every seed; which a surface has, how large and in which colours, is
drawn for each picture. A class may have a pattern that is typical of it (a brick's holes, a ball's
wedges, a cylinder's bands), but all things, clutter too, draw their colours from one distribution:
no colour tells a class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Side of a pattern, in texels; a power of two, so that wrapping is a mask.
SIDE = 256


@dataclass(frozen=True, slots=True)
class Surface:
    """How a thing reflects light.

    Attributes:
        pattern: a key of :func:`patterns`.
        scale: texels to a unit of length.
        shift: texels.
        colours: [2, 3] linear RGB at 0 and 1 of the pattern.
        gloss: strength of the highlight.
        sharpness: exponent of the highlight, as a power of 2.
    """

    pattern: str
    scale: float
    shift: tuple[float, float]
    colours: Array
    gloss: float
    sharpness: int

    def albedo(self, u: Array, v: Array, fade: Array | None = None) -> Array:
        """Linear RGB [3, n] at texture coordinates.

        Args:
            u: [n], in units of length, as ``v``.
            v: [n].
            fade: [n], how much of the pattern is left where it is too fine to see, from 0 to 1.
        """
        level = patterns()[self.pattern]
        column = (u * np.float32(self.scale) + np.float32(self.shift[0])).astype(np.int32)
        row = (v * np.float32(self.scale) + np.float32(self.shift[1])).astype(np.int32)
        grey = level.take(((row & (SIDE - 1)) << 8) | (column & (SIDE - 1)))
        if fade is not None:
            grey = np.float32(0.5) + (grey - np.float32(0.5)) * fade
        low, high = self.colours[0][:, None], self.colours[1][:, None]
        colour: Array = low + grey * (high - low)
        return colour


def random_surface(
    rng: np.random.Generator, size: float, colours: Array, typical: str | None = None
) -> Surface:
    """A surface for a thing (or floor) of ``size`` units of length.

    Args:
        rng: what it is drawn from.
        size: the length that a few repetitions of the pattern should span.
        colours: see :class:`Surface`.
        typical: the pattern it has, just once to ``size``; ``None``: any of :data:`PLAIN`.
    """
    pattern, repeated = str(rng.choice(PLAIN)), float(rng.uniform(0.35, 1.1))
    return Surface(
        pattern=typical or pattern,
        scale=SIDE / size * (1 if typical else repeated),
        shift=(float(rng.uniform(0, SIDE)), float(rng.uniform(0, SIDE))),
        colours=colours,
        gloss=float(rng.choice((0.0, 0.08, 0.25, 0.6), p=(0.35, 0.3, 0.2, 0.15))),
        sharpness=int(rng.integers(3, 7)),
    )


def random_colours(rng: np.random.Generator, contrast: float, least: float = 0.0) -> Array:
    """Two related colours, [2, 3] linear RGB.

    Args:
        rng: what they are drawn from.
        contrast: how far apart they may be, from 0 to 1.
        least: how far apart they must be, from 0 to 1.
    """
    hue, saturation = rng.uniform(), rng.uniform(0, 1) ** 1.4 * 0.8
    value = rng.uniform(0.2, 0.92)
    apart = max(rng.uniform(0.25, 1) * contrast * 0.5, least)
    # Lighter or darker, whichever way there is room.
    other = value + apart * rng.choice((-1, 1))
    other = other if 0.06 <= other <= 0.97 else 2 * value - other
    other = np.clip(other, 0.06, 0.97)
    turn = hue + rng.normal(0, 0.05)
    pair = [_rgb(hue, saturation, value), _rgb(turn, saturation * rng.uniform(0.6, 1), other)]
    return (np.array(pair) ** 2.2).astype(np.float32)


def _rgb(hue: float, saturation: float, value: float) -> list[float]:
    """A colour of the HSV cone (Smith 1978)."""
    sectors = (np.array([5, 3, 1]) + hue * 6) % 6
    drop = np.clip(np.minimum(sectors, 4 - sectors), 0, 1)
    return [float(value * (1 - saturation * amount)) for amount in drop]


@cache
def patterns() -> dict[str, Array]:
    """The tileable patterns, flat, each [SIDE * SIDE] from 0 to 1."""
    made: dict[str, Array] = {}
    for name, draw in _PATTERNS.items():
        pattern = draw(np.random.default_rng([1966, len(made)]))
        made[name] = np.clip(pattern, 0, 1).astype(np.float32).ravel()
        made[name].setflags(write=False)
    return made


def _cloud(rng: np.random.Generator, fall: float) -> NDArray[np.float64]:
    """Tileable noise whose amplitude falls with frequency to the power of ``fall``."""
    noise = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1
    noise[0, 0] = 0
    field = np.fft.irfft2(noise / frequency**fall, (SIDE, SIDE))
    cloud: NDArray[np.float64] = np.clip(0.5 + field / (5 * field.std()), 0, 1)
    return cloud


def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return rows.astype(np.float64), columns.astype(np.float64)


def _smooth(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _stretched(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grain: noise drawn out along the rows."""
    kernel = np.exp(-((np.fft.fftfreq(SIDE) * SIDE / 14) ** 2))
    drawn = np.fft.irfft(np.fft.rfft(field, axis=1) * np.fft.rfft(kernel), SIDE, axis=1)
    grain: NDArray[np.float64] = np.clip(0.5 + (drawn - drawn.mean()) / (4 * drawn.std()), 0, 1)
    return grain


def _speckles(rng: np.random.Generator) -> NDArray[np.float64]:
    fine, coarse = _cloud(rng, 0.4), _cloud(rng, 1.0)
    return (
        0.55
        + 0.2 * (coarse - 0.5)
        + 0.35 * (_smooth(fine, 0.72, 0.78) - _smooth(-fine, -0.27, -0.2))
    )


def _planks(rng: np.random.Generator) -> NDArray[np.float64]:
    rows, columns = _grid()
    board = (rows // 32).astype(int)
    tone = rng.uniform(-0.15, 0.15, 8)[board]
    starts = rng.integers(0, SIDE, 8)[board]
    across = np.minimum(rows % 32, 31 - rows % 32)
    lengthwise = (columns + starts) % SIDE
    seam = _smooth(np.minimum(across, np.minimum(lengthwise, SIDE - lengthwise)), -0.5, 1.8)
    wood: NDArray[np.float64] = 0.3 + tone + 0.4 * _stretched(_cloud(rng, 0.8))
    return wood * (0.35 + 0.65 * seam)


def _tiles(rng: np.random.Generator) -> NDArray[np.float64]:
    rows, columns = _grid()
    tone = rng.uniform(-0.1, 0.1, (4, 4))[(rows // 64).astype(int), (columns // 64).astype(int)]
    edge = np.minimum(
        np.minimum(rows % 64, 63 - rows % 64), np.minimum(columns % 64, 63 - columns % 64)
    )
    grout = _smooth(edge, 0.5, 2.5)
    tile: NDArray[np.float64] = 0.325 + tone + 0.25 * _cloud(rng, 1.3)
    return 0.2 + grout * tile


def _weave(rng: np.random.Generator) -> NDArray[np.float64]:
    rows, columns = _grid()
    warp, weft = np.sin(rows * np.pi / 4), np.sin(columns * np.pi / 4)
    over = ((rows // 4 + columns // 4) % 2).astype(bool)
    return 0.5 + 0.22 * np.where(over, warp, weft) + 0.3 * (_cloud(rng, 0.7) - 0.5)


def _bands(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four of them."""
    rows, _ = _grid()
    bands = _smooth(np.sin(rows * 2 * np.pi / 64), -0.15, 0.15)
    return 0.1 + 0.8 * bands + 0.2 * (_cloud(rng, 0.8) - 0.5)


def _holes(rng: np.random.Generator) -> NDArray[np.float64]:
    """Four to a side, in rough ground."""
    rows, columns = _grid()
    away = np.hypot(rows % 64 - 31.5, columns % 64 - 31.5)
    ground: NDArray[np.float64] = 0.7 + 0.3 * _cloud(rng, 0.8)
    return ground * (0.1 + 0.9 * _smooth(away, 14, 19))


def _veins(rng: np.random.Generator) -> NDArray[np.float64]:
    ridge = 1 - np.abs(_cloud(rng, 1.5) - 0.5) * 12
    veins: NDArray[np.float64] = np.clip(ridge, 0, 1)
    return 0.575 + 0.25 * _cloud(rng, 1.1) - 0.45 * veins


_PATTERNS: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "dust": lambda rng: 0.35 + 0.3 * _cloud(rng, 1.2),
    "clouds": lambda rng: _cloud(rng, 1.6),
    "paint": lambda rng: 0.45 + 0.1 * _cloud(rng, 0.6),
    "grain": lambda rng: _stretched(_cloud(rng, 0.9)),
    "speckles": _speckles,
    "planks": _planks,
    "tiles": _tiles,
    "weave": _weave,
    "veins": _veins,
    "holes": _holes,
    "bands": _bands,
    "wedges": lambda rng: _bands(rng).T,
}
#: The patterns that anything may have.
PLAIN = ("dust", "clouds", "paint", "grain", "speckles", "planks", "tiles", "weave", "veins")
#: The patterns that are typical of a class.
TYPICAL = ("holes", "bands", "wedges")
