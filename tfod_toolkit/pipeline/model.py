"""Questions about a config's model that several parts ask."""

from __future__ import annotations

from tfod_toolkit.pipeline.protos import Proto


def architecture(config: Proto) -> tuple[str | None, Proto]:
    """The name and the message of a config's model: ``ssd``, ``faster_rcnn``, ``center_net``."""
    kind = config.model.WhichOneof("model")
    return kind, getattr(config.model, kind) if kind else None
