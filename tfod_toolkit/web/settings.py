"""What the prediction service allows."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask for at most.

    Attributes:
        body: bytes of a request.
        pixels: of a picture.
        side: pixels of a picture's longer side.
        waiting: requests that may be in work or wait at once; more are told to come again.
        seconds: for a request to arrive, and again to be answered.
    """

    body: int = 20 * MIB
    pixels: int = 40_000_000
    side: int = 16_384
    waiting: int = 64
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How the service behaves.

    Attributes:
        name: the model's, in ``/v1/models/<name>``.
        limits: what a request may ask for.
        token: what a request must bring as ``Authorization: Bearer``; ``None``: nothing.
        url_prefixes: addresses that pictures may be fetched from begin so; none: no fetching.
        min_confidence: detections below are left out, unless a request says otherwise.
    """

    name: str = "detector"
    limits: Limits = Limits()
    token: str | None = None
    url_prefixes: tuple[str, ...] = ()
    min_confidence: float = 0.5
