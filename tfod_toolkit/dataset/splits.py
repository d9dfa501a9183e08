"""Which images train and which test: as the dataset's own lists say, or drawn by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tfod_toolkit.dataset.annotations import Fault, Note, Sample
from tfod_toolkit.errors import UsageError

#: The splits' usual names, in the order in which they are preferred, and what they are made of
#: where there is no list of that name.
_TRAINING = (("training",), ("trainval",), ("train", "val"), ("train", "valid"), ("train",))
_TESTING = (("testing",), ("test",), ("val",), ("valid",), ("validation",))
SPLIT_NAMES = frozenset(name for names in (*_TRAINING, *_TESTING) for name in names)


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How to split.

    Attributes:
        training: names of the source's splits to train on; empty: chosen.
        testing: names of the source's splits to test on; empty: chosen.
        fraction: the part for testing where the source has no splits.
        seed: of that draw.
    """

    training: tuple[str, ...] = ()
    testing: tuple[str, ...] = ()
    fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise UsageError(
                f"--testing-fraction is {self.fraction}; it must be from 0 to less than 1"
            )


@dataclass(frozen=True, slots=True)
class Split:
    """A dataset in two.

    Attributes:
        training: samples to train on.
        testing: samples to test on.
        how: one line on how they were told apart.
        faults: samples that both splits have.
        notes: samples that neither has.
    """

    training: tuple[Sample, ...]
    testing: tuple[Sample, ...]
    how: str
    faults: tuple[Fault, ...] = ()
    notes: tuple[Note, ...] = ()


def split_samples(samples: Sequence[Sample], settings: SplitSettings) -> Split:
    """Tell samples apart into training and testing.

    Raises:
        UsageError: a split that was asked for is none of the source's.
    """
    there = frozenset().union(*(sample.splits for sample in samples))
    asked = (*settings.training, *settings.testing)
    unknown = [name for name in asked if name.lower() not in there]
    if unknown:
        have = ", ".join(sorted(there)) if there else "none"
        raise UsageError(f"the dataset has no split {unknown[0]!r}", f"its splits are: {have}")
    testing = _names(settings.testing) or _first(_TESTING, there)
    training = _names(settings.training) or _first(
        tuple(tuple(name for name in names if name not in testing) for names in _TRAINING), there
    )
    if not training and not testing:
        return _drawn(samples, settings)
    return _listed(samples, training, testing, settings)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _first(choices: tuple[tuple[str, ...], ...], there: frozenset[str]) -> tuple[str, ...]:
    """The first choice all of whose splits are there."""
    return next((names for names in choices if names and there.issuperset(names)), ())


def _listed(
    samples: Sequence[Sample],
    training: tuple[str, ...],
    testing: tuple[str, ...],
    settings: SplitSettings,
) -> Split:
    """By the source's lists. Where it has only one of the two, the other is the rest."""
    tests = [sample for sample in samples if not sample.splits.isdisjoint(testing)]
    trains = [sample for sample in samples if not sample.splits.isdisjoint(training)]
    rest = [sample for sample in samples if sample.splits.isdisjoint((*training, *testing))]
    if not testing and not rest:
        drawn = _drawn(trains, settings)
        return Split(drawn.training, drawn.testing, f"{' + '.join(training)}: {drawn.how}")
    how = f"training: {' + '.join(training) or 'the rest'}; testing: "
    how += " + ".join(testing) or "the rest"
    if not testing:
        return Split(tuple(trains), tuple(rest), how)
    if not training:
        return Split(tuple(rest), tuple(tests), how)
    both = {sample.image for sample in tests} & {sample.image for sample in trains}
    reason = "is listed for training and for testing; it is left out of training"
    return Split(
        tuple(sample for sample in trains if sample.image not in both),
        tuple(tests),
        how,
        tuple(Fault(sample.image, reason) for sample in tests if sample.image in both),
        tuple(Note(sample.image, "is in neither split and is left out") for sample in rest),
    )


def _drawn(samples: Sequence[Sample], settings: SplitSettings) -> Split:
    """By a draw from the images' names and the seed, so that the order of files has no part."""

    def draw(sample: Sample) -> str:
        return hashlib.sha256(f"{settings.seed}/{sample.image.name}".encode()).hexdigest()

    order = sorted(samples, key=lambda sample: (draw(sample), str(sample.image)))
    count = round(len(order) * settings.fraction)
    if settings.fraction and len(order) > 1:
        count = min(max(count, 1), len(order) - 1)
    tests = {sample.image for sample in order[:count]}
    how = f"{settings.fraction:.0%} drawn for testing by seed {settings.seed}"
    return Split(
        tuple(sample for sample in samples if sample.image not in tests),
        tuple(sample for sample in samples if sample.image in tests),
        how,
    )
