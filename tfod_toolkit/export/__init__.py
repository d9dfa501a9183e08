"""Checkpoint to exported model: what prediction needs, and TensorFlow alone can run."""

from typing import TYPE_CHECKING, Any

from tfod_toolkit.export.conversion import ExportRequest, export_checkpoint
from tfod_toolkit.export.detections import DetectionsDict
from tfod_toolkit.export.exported_model import (
    INPUT_TYPES,
    is_exported_model,
    save_exported_model,
)
from tfod_toolkit.export.loading import (
    ExportedModel,
    class_names,
    find_saved_model,
    load_exported,
)

if TYPE_CHECKING:
    from tfod_toolkit.export.serving import ServingModel

__all__ = [
    "INPUT_TYPES",
    "DetectionsDict",
    "ExportRequest",
    "ExportedModel",
    "ServingModel",
    "class_names",
    "export_checkpoint",
    "find_saved_model",
    "is_exported_model",
    "load_exported",
    "save_exported_model",
]


def __getattr__(name: str) -> Any:
    """``ServingModel`` imports TFOD, which loading an exported model must not."""
    if name == "ServingModel":
        from tfod_toolkit.export.serving import ServingModel

        return ServingModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
