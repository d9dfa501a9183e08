"""Pictures that are the same, or nearly, among any number of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Of 64 bits of two fingerprints, so many may differ.
_BITS = 6
#: Fingerprints are looked up by parts of so many bits: of two that differ in few bits, at least
#: one part is equal.
_PART = 9
#: In more crowded places, pictures are compared with so many neighbours only.
_NEIGHBOURS = 24
#: How much (of 255) two small grey pictures may differ on average, once equally light.
_DIFFERENCE = 3.0
#: Pictures with less contrast than this (of 255) are all alike.
_FLAT = 4.0


def near_pairs(
    fingerprints: NDArray[np.uint64], thumbs: NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """The pairs of pictures that are nearly the same.

    Args:
        fingerprints: uint64 [N], see :class:`~tfod_toolkit.dataset.inspection.Seen`.
        thumbs: uint8 [N, K], the pictures in small and grey.

    Yields:
        Places in the arrays, the first less than the second, each pair once.
    """
    import numpy as np

    even = _even(thumbs)
    seen: set[tuple[int, int]] = set()
    places = np.arange(len(fingerprints))
    for shift in range(0, 64, _PART):
        part = (fingerprints >> np.uint64(shift)) & np.uint64((1 << _PART) - 1)
        # Within a part, by the whole: then near ones stand near each other.
        order = np.lexsort((places, fingerprints, part))
        for step in range(1, _NEIGHBOURS + 1):
            one, other = order[:-step], order[step:]
            near = part[one] == part[other]
            one, other = one[near], other[near]
            if not len(one):
                break
            differing = np.bitwise_count(fingerprints[one] ^ fingerprints[other])
            close = differing <= _BITS
            one, other = one[close], other[close]
            alike = np.abs(even[one] - even[other]).mean(axis=1) <= _DIFFERENCE
            for pair in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
                seen.add((min(pair), max(pair)))
    yield from sorted(seen)


def _even(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pictures made equally light; those without contrast like no other."""
    import numpy as np

    values = thumbs.astype(np.float32)
    flat = values.std(axis=1) < _FLAT
    values -= values.mean(axis=1, keepdims=True)
    values[flat] = np.nan
    return values
