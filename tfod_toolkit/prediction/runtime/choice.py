"""Which runtime an exported model gets, and how the faster one is prepared."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import CannotWriteError, ConfigError, UsageError, writing
from tfod_toolkit.prediction.runtime.suppression import Suppression

if TYPE_CHECKING:
    from tfod_toolkit.prediction.detector import Detect, Image
    from tfod_toolkit.prediction.runtime.conversion import Converted
    from tfod_toolkit.prediction.runtime.equality import Comparison

RUNTIMES = ("auto", "tensorflow", "openvino")

#: Pictures from which on a conversion (10 to 20 seconds, once for a model) pays by itself.
WORTH = 500
#: Real pictures that both runtimes are compared on.
COMPARED = 8

_FACTS, _GRAPH = "runtime.json", "model.xml"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller wants of a runtime.

    Attributes:
        runtime: one of :data:`RUNTIMES`.
        floor: detections less sure than this may be left out.
        pictures: how many there will be, where that is known.
        samples: gives real pictures to compare runtimes on, uint8[H, W, 3] each, RGB.
    """

    runtime: str = "auto"
    floor: float = 0.0
    pictures: int = 0
    samples: Callable[[], Sequence[Image]] = tuple


def load_runtime(saved_model: Path, wanted: Wanted, load: Callable[[], Any]) -> Detect:
    """The runtime for an exported model.

    ``auto`` takes OpenVINO where the model was prepared for it before, prepares it where there are
    enough pictures to make that worth while, and is TensorFlow otherwise.

    Args:
        saved_model: the model's SavedModel.
        wanted: what is wanted.
        load: loads it with TensorFlow.

    Raises:
        UsageError: there is no such runtime.
        ConfigError: OpenVINO is asked for, but is not installed or cannot run this model.
    """
    if wanted.runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {wanted.runtime!r}", f"use: {', '.join(RUNTIMES)}")
    if wanted.runtime == "tensorflow":
        return load()
    asked = wanted.runtime == "openvino"
    if find_spec("openvino") is None:
        if asked:
            raise ConfigError(
                "OpenVINO is not installed", "install it with `pip install 'tfod-toolkit[fast]'`"
            )
        return load()
    prepared = _prepared(saved_model)
    if prepared and "refused" not in prepared[1]:
        try:
            return _opened(*prepared, wanted.floor)
        except (RuntimeError, KeyError) as error:  # damaged since: made anew where it is wanted
            _log.info("%s cannot be used: %s", prepared[0], error)
    if not asked and (prepared or wanted.pictures < WORTH or _has_gpu()):
        return load()
    return _first_use(saved_model, wanted, load(), asked=asked)


def _first_use(saved_model: Path, wanted: Wanted, trusted: Any, *, asked: bool) -> Detect:
    """Prepare, compare, and keep what came of it; fall back on TensorFlow unless asked."""
    from tfod_toolkit.prediction.runtime.conversion import NotConvertibleError, convert
    from tfod_toolkit.prediction.runtime.equality import compare
    from tfod_toolkit.prediction.runtime.openvino_model import OpenVinoModel

    facts: dict[str, Any] = {"fingerprint": fingerprint(saved_model), "openvino": _version()}
    samples = list(wanted.samples())[:COMPARED]
    if not samples:
        if asked:
            raise ConfigError(
                f"{saved_model.parent} is not prepared for OpenVINO, and there are no pictures "
                "here to compare it with TensorFlow on",
                "prepare it once: `tfod predict MODEL PICTURES --out DIR --runtime openvino`, "
                "or `tfod export RUN --runtime openvino`",
            )
        return trusted
    converted = None
    try:
        converted = convert(trusted)
        fast = OpenVinoModel(converted.graph, converted.outputs, converted.suppression)
        comparison = compare(fast, trusted, samples)
        facts["compared"] = comparison.to_json()
        _check(comparison)
    except (NotConvertibleError, RuntimeError) as error:
        facts["refused"] = str(error).splitlines()[0]
        _keep(saved_model, facts, None)
        if asked:
            hint = "use --runtime tensorflow, which runs every exported model"
            raise ConfigError(
                f"the model cannot run on OpenVINO: {facts['refused']}", hint
            ) from error
        _log.info("staying with TensorFlow: %s", facts["refused"])
        return trusted
    facts["outputs"] = list(converted.outputs)
    suppression = converted.suppression
    facts["suppression"] = suppression.to_json() if suppression else None
    _keep(saved_model, facts, converted)
    return OpenVinoModel(converted.graph, converted.outputs, suppression, wanted.floor)


def _check(comparison: Comparison) -> None:
    from tfod_toolkit.prediction.runtime.conversion import NotConvertibleError

    if not comparison.equal:
        raise NotConvertibleError(
            f"OpenVINO does not find in real pictures what TensorFlow finds: {comparison}",
            "use --runtime tensorflow",
        )


def _opened(folder: Path, facts: dict[str, Any], floor: float) -> Detect:
    from tfod_toolkit.prediction.runtime.openvino_model import OpenVinoModel

    values = facts["suppression"]
    suppression = Suppression.from_json(values) if values else None
    return OpenVinoModel(folder / _GRAPH, facts["outputs"], suppression, floor)


def _prepared(saved_model: Path) -> tuple[Path, dict[str, Any]] | None:
    """What an earlier use left, if it belongs to this model and this OpenVINO."""
    for folder in _places(saved_model):
        try:
            facts = json.loads((folder / _FACTS).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        now = (fingerprint(saved_model), _version())
        if (facts.get("fingerprint"), facts.get("openvino")) != now:
            continue
        if "refused" in facts or (folder / _GRAPH).is_file():
            return folder, facts
    return None


def _keep(saved_model: Path, facts: dict[str, Any], converted: Converted | None) -> None:
    """Write what was prepared beside the model, or where that may not be, to the user's cache."""
    for folder in _places(saved_model):
        beside = folder.with_name(f".{folder.name}.new-{os.getpid()}")
        try:
            with writing(folder):
                beside.mkdir(parents=True)
                if converted:
                    import openvino

                    openvino.save_model(converted.graph, beside / _GRAPH, compress_to_fp16=False)
                (beside / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
                shutil.rmtree(folder, ignore_errors=True)
                beside.rename(folder)
        except (CannotWriteError, RuntimeError) as error:
            _log.info("not kept in %s: %s", folder, error)
        else:
            return
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _places(saved_model: Path) -> tuple[Path, Path]:
    """Where a prepared model may lie."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(str(saved_model.resolve()).encode()).hexdigest()[:16]
    return saved_model.parent / "openvino", home / "tfod-toolkit" / "openvino" / key


def fingerprint(saved_model: Path) -> str:
    """What changes when the model does: its graph, its config, and its weights' checksums."""
    digest = hashlib.sha256()
    digest.update((saved_model / "saved_model.pb").read_bytes())
    for path in sorted((saved_model / "variables").glob("*.index")):
        digest.update(path.read_bytes())  # holds each weight's checksum
    config = saved_model.parent / "pipeline.config"
    digest.update(config.read_bytes() if config.is_file() else b"")
    return digest.hexdigest()


def _version() -> str:
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
