"""What is done with a config's field: honoured, without effect, or refused; never ignored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Use(Enum):
    """What is done with a field."""

    HONOURED = "honoured"
    NO_EFFECT = "no effect"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done with one field.

    Attributes:
        use: honoured; without effect here, which is said where it is set; or refused where it is
            set to anything but its default.
        how: how it is honoured, or why not.
    """

    use: Use
    how: str


def honoured(how: str) -> Treatment:
    """The treatment of a field that counts."""
    return Treatment(Use.HONOURED, how)


def no_effect(why: str) -> Treatment:
    """The treatment of a field that changes nothing here."""
    return Treatment(Use.NO_EFFECT, why)


def refused(why: str) -> Treatment:
    """The treatment of a field that asks for what is not done."""
    return Treatment(Use.REFUSED, why)
