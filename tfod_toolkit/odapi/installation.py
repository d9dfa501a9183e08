"""The parts that training needs, and a clear error where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from tfod_toolkit.errors import ConfigError

#: The Pythons for which TensorFlow 2.21 has wheels.
OLDEST, NEWEST = (3, 10), (3, 13)

HOW_TO_INSTALL = (
    "run `make setup`; or `pip install 'tfod-toolkit[train]'`, and then "
    "`pip install --no-deps -r requirements-no-deps.txt`"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A package that training needs: the name it is imported by, and that it is installed by."""

    module: str
    distribution: str


PARTS = (
    Part("tensorflow", "tensorflow or tensorflow-cpu"),
    Part("tf_keras", "tf-keras"),
    Part("object_detection", "tf-models-research-object-detection"),
    Part("official", "tf-models-official"),
    Part("tf_slim", "tf-slim"),
    Part("lvis", "lvis"),
    Part("pycocotools", "pycocotools"),
    Part("cv2", "opencv-python-headless"),
    Part("matplotlib", "matplotlib"),
    Part("PIL", "pillow"),
    Part("scipy", "scipy"),
    Part("six", "six"),
    Part("yaml", "pyyaml"),
    Part("gin", "gin-config"),
)


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raise :class:`ConfigError` where TensorFlow has no wheel for this Python."""
    if OLDEST <= version <= NEWEST:
        return
    raise ConfigError(
        f"Python {dotted(version)} ({sys.executable}) cannot run TensorFlow 2.21",
        f"use Python {dotted(OLDEST)} to {dotted(NEWEST)}: "
        f"`make setup PYTHON=python{dotted(NEWEST)}`",
    )


def dotted(version: tuple[int, int]) -> str:
    """``(3, 10)`` as ``3.10``."""
    return ".".join(map(str, version))


def missing_parts(parts: Iterable[Part] = PARTS) -> list[Part]:
    """Those of ``parts`` that are not installed; none of them is imported."""
    return [part for part in parts if not _installed(part.module)]


def _installed(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None  # None: its import is forbidden
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def check_parts(parts: Iterable[Part] = PARTS) -> None:
    """Raise :class:`ConfigError`, naming every one of ``parts`` that is not installed."""
    missing = missing_parts(parts)
    if missing:
        names = ", ".join(part.distribution for part in missing)
        raise ConfigError(f"not installed, but needed for training: {names}", HOW_TO_INSTALL)


def broken(error: ImportError) -> ConfigError:
    """The error for an installed part that cannot be imported."""
    return ConfigError(
        f"TensorFlow's Object Detection API cannot be imported: {error}",
        f"an installed package is broken or of another version than it was tested with; "
        f"`tfod doctor` shows which; {HOW_TO_INSTALL}",
    )
