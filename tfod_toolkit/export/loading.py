"""An exported model back as a function from pictures to detections, with TensorFlow alone.

TFOD's own exports and the zoo's archives load the same way: the signature is TFOD's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.dataset import read_label_map
from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError
from tfod_toolkit.export.detections import DetectionsDict, as_arrays, joined
from tfod_toolkit.export.exported_model import (
    LABEL_MAP,
    PIPELINE_CONFIG,
    SAVED_MODEL,
    is_exported_model,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Function: TypeAlias = Any
Images: TypeAlias = "NDArray[np.uint8]"

_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class ExportedModel:
    """A loaded exported model; call it with pictures.

    Attributes:
        folder: where it lies.
        names: class names by id; empty where no label map was found.
        batched: whether it takes any number of pictures at once (else one at a time, which
            calling it sees to).
    """

    folder: Path
    names: Mapping[int, str]
    batched: bool
    _signature: Function
    _argument: str
    _encode: Callable[[Images], Any]

    @property
    def signature(self) -> Function:
        """TFOD's ``serving_default``, for those who turn it into something else."""
        return self._signature

    def __call__(self, images: Images) -> DetectionsDict:
        """Detect objects in pictures of one size, whatever input type was exported.

        Args:
            images: uint8[N, H, W, 3], RGB.

        Returns:
            See :meth:`tfod_toolkit.export.serving.ServingModel.detect`.
        """
        if self.batched or len(images) == 1:
            return as_arrays(self._signature(**{self._argument: self._encode(images)}))
        return joined([self(images[i : i + 1]) for i in range(len(images))])


def load_exported(folder: Path, labels: Path | None = None) -> ExportedModel:
    """Load an exported model.

    Args:
        folder: the exported model, its ``saved_model``, or a run that holds one.
        labels: the label map, where it is not the model's own ``classes.pbtxt``.

    Raises:
        MissingInputError: there is no exported model.
        BadDataError: it is damaged, or the label map is another model's.
        ConfigError: a newer TensorFlow made it, or it is no detector.
    """
    saved_model = find_saved_model(folder)
    root = saved_model.parent
    names = class_names(root, labels)
    signature = _signature(saved_model)
    (argument, spec), *_ = signature.structured_input_signature[1].items()
    return ExportedModel(
        folder=root,
        names=names,
        batched=spec.shape.rank is None or spec.shape[0] is None,
        _signature=signature,
        _argument=argument,
        _encode=_encoder(signature, spec.dtype),
    )


def find_saved_model(folder: Path) -> Path:
    """The SavedModel's folder of an exported model that a user named loosely.

    Raises:
        MissingInputError: there is none, with what seems to have been meant.
    """
    for root in (folder, folder / "exported_model"):
        if is_exported_model(root):
            return root / SAVED_MODEL
    if (folder / "saved_model.pb").is_file():
        return folder
    if not folder.exists():
        raise MissingInputError(f"there is no exported model at {folder}", "check the path")
    hint = "name the folder that `tfod train` or `tfod export` wrote: exported_model"
    if (folder / "training").is_dir() or (folder / "checkpoint").is_file():
        hint = f"it holds checkpoints: write an exported model first with `tfod export {folder}`"
    raise MissingInputError(
        f"{folder} is not an exported model: it has no {SAVED_MODEL}/saved_model.pb", hint
    )


def class_names(root: Path, labels: Path | None) -> dict[int, str]:
    """Class names by id, from ``labels`` or the model's own label map.

    Raises:
        BadDataError: the label map has another number of classes than the model.
    """
    path = labels or root / LABEL_MAP
    if labels is None and not path.is_file():
        return {}
    label_map = read_label_map(path, gaps=True)
    classes = _num_classes(root / PIPELINE_CONFIG)
    if classes is not None and classes != label_map.num_classes:
        raise BadDataError(
            f"{path} has classes up to id {label_map.num_classes}, but the model in {root} "
            f"detects {classes}",
            f"use the label map that the model was trained with: {root / LABEL_MAP}"
            if labels
            else "put back the label map that it was exported with, or name it with --labels",
        )
    return dict(label_map.names)


def _num_classes(config: Path) -> int | None:
    """``num_classes`` of a pipeline config, read without TFOD."""
    if not config.is_file():
        return None
    found = re.search(r"^\s*num_classes\s*:\s*(\d+)", config.read_text("utf-8"), re.MULTILINE)
    return int(found[1]) if found else None


def _signature(saved_model: Path) -> Function:
    if "tensorflow" not in sys.modules:
        import tfod_toolkit.odapi  # noqa: F401 -- sets TensorFlow's defaults; loads nothing else
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(saved_model))
    except Exception as error:  # TensorFlow raises whatever the damaged part makes it raise
        _refuse_newer(saved_model, error)
        raise BadDataError(
            f"the exported model in {saved_model} cannot be loaded: {_first_line(error)}",
            "export it again",
        ) from error
    signature = loaded.signatures.get(_SIGNATURE)
    if signature is None or "detection_boxes" not in signature.structured_outputs:
        raise ConfigError(
            f"the SavedModel in {saved_model} is not a detector of TFOD: it has no signature "
            f"{_SIGNATURE} with detection_boxes",
            "export one with `tfod export`",
        )
    # The signature's function lives as long as the object that it was loaded with.
    signature.loaded = loaded
    return signature


def _refuse_newer(saved_model: Path, error: Exception) -> None:
    """Raise when the SavedModel names a newer TensorFlow than this one as its maker."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        content = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        return
    for meta_graph in content.meta_graphs:
        made_by = meta_graph.meta_info_def.tensorflow_version
        if _version(made_by) > _version(tf.__version__):
            raise ConfigError(
                f"the exported model in {saved_model} was made by TensorFlow {made_by}, which "
                f"this TensorFlow {tf.__version__} cannot load: {_first_line(error)}",
                f"install TensorFlow {made_by} or newer, or export the model again here",
            ) from error


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _encoder(signature: Function, dtype: Any) -> Callable[[Images], Any]:
    """How pictures are turned into what the exported input type takes."""
    import tensorflow as tf

    if dtype != tf.string:
        return lambda images: tf.constant(images, dtype)
    nodes = signature.graph.as_graph_def().library.function
    parses = any(node.op.startswith("Parse") for function in nodes for node in function.node_def)
    return _as_examples if parses else _as_pngs


def _as_pngs(images: Images) -> Any:
    import tensorflow as tf

    return tf.stack([tf.io.encode_png(image) for image in images])


def _as_examples(images: Images) -> Any:
    import tensorflow as tf

    def serialized(png: bytes) -> bytes:
        feature = {"image/encoded": png, "image/format": b"png"}
        example = tf.train.Example()
        for key, value in feature.items():
            example.features.feature[key].bytes_list.value.append(value)
        data: bytes = example.SerializeToString()
        return data

    return tf.constant([serialized(png) for png in _as_pngs(images).numpy()])


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
