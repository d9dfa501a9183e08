"""TensorFlow Serving's REST form, so that its clients work unchanged.

https://www.tensorflow.org/tfx/serving/api_rest: ``{"instances": [...]}`` is answered with
``{"predictions": [...]}``, ``{"inputs": ...}`` with ``{"outputs": ...}``. The SavedModel's own
signature answers, with every output it has, so TensorFlow is loaded at the first such request.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfod_toolkit.web.settings import Limits
from tfod_toolkit.web.uploads import RefusedError, decode_upload, json_object, pixels_of

if TYPE_CHECKING:
    from tfod_toolkit.export import ExportedModel


class TfServing:
    """Answers requests as TensorFlow Serving does.

    Args:
        load: loads the exported model with TensorFlow.
        limits: what a picture may have.
    """

    def __init__(self, load: Callable[[], ExportedModel], limits: Limits) -> None:
        self._load = load
        self._limits = limits
        self._model: ExportedModel | None = None
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> dict[str, Any]:
        """The answer to a request; one at a time: a batch already uses every processor.

        Raises:
            RefusedError: it is not in TensorFlow Serving's form (400), or too large (413).
        """
        with self._lock:  # what JSON becomes is many times as large
            return self._predict(json_object(body))

    def _predict(self, request: dict[str, Any]) -> dict[str, Any]:
        rows, key = _rows(request)
        name = request.get("signature_name", "serving_default")
        if name != "serving_default":
            raise RefusedError(400, f'Serving signature name: "{name}" not found in signature def')
        self._model = self._model or self._load()
        outputs = self._run(self._model, rows)
        if key == "inputs":
            return {"outputs": {name: value.tolist() for name, value in outputs.items()}}
        count = len(next(iter(outputs.values())))
        rows = [
            {name: value[index].tolist() for name, value in outputs.items()}
            for index in range(count)
        ]
        return {"predictions": rows}

    def _run(self, model: ExportedModel, rows: list[Any]) -> dict[str, Any]:
        import numpy as np
        import tensorflow as tf

        signature = model.signature
        ((argument, spec),) = signature.structured_input_signature[1].items()
        tensor = tf.constant(self._inputs(rows, argument, spec.dtype == tf.string), spec.dtype)
        if tensor.shape.rank != spec.shape.rank:
            raise RefusedError(
                400, f"{argument} must have {spec.shape.rank} dimensions, not {tensor.shape.rank}"
            )
        if spec.shape[0] == 1 and len(rows) > 1:
            parts = [signature(**{argument: tensor[i : i + 1]}) for i in range(len(rows))]
            return {k: np.concatenate([part[k].numpy() for part in parts]) for k in parts[0]}
        outputs = signature(**{argument: tensor})
        return {name: outputs[name].numpy() for name in sorted(outputs)}

    def _inputs(self, rows: list[Any], argument: str, encoded: bool) -> Any:
        import numpy as np

        values = [row[argument] if _is_named(row, argument) else row for row in rows]
        if encoded:
            return [_bytes(value) for value in values]
        pictures = [_bytes(value) if _is_b64(value) else None for value in values]
        self._check_pixels(
            sum(pixels_of(each, "the picture", self._limits) for each in pictures if each)
        )
        decoded = [
            value if data is None else decode_upload(data, "the picture")
            for value, data in zip(values, pictures, strict=True)
        ]
        try:
            array = np.asarray(decoded)
        except ValueError as error:  # rows of unequal length
            raise RefusedError(400, f"{argument} is not an array of numbers: {error}") from None
        if array.dtype.kind not in "iuf":
            raise RefusedError(400, f"{argument} is not an array of numbers")
        if array.dtype.kind in "iu" and array.size and not 0 <= array.min() <= array.max() <= 255:
            raise RefusedError(400, f"{argument} has values outside 0 to 255")
        self._check_pixels(array.size // 3)
        return array

    def _check_pixels(self, count: int) -> None:
        if count > self._limits.pixels:
            raise RefusedError(413, f"{self._limits.pixels:,} pixels are allowed in all")


def _rows(request: dict[str, Any]) -> tuple[list[Any], str]:
    keys = [key for key in ("instances", "inputs") if key in request]
    if len(keys) != 1:
        raise RefusedError(400, "Missing 'inputs' or 'instances' key" if not keys else "Both keys")
    (key,) = keys
    rows = request[key]
    if key == "inputs" and isinstance(rows, dict) and len(rows) == 1 and not _is_b64(rows):
        (rows,) = rows.values()
    if not isinstance(rows, list) or not rows:
        raise RefusedError(400, f"'{key}' must be a list that is not empty")
    return rows, key


def _is_named(row: Any, argument: str) -> bool:
    return isinstance(row, dict) and argument in row


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"}


def _bytes(value: Any) -> bytes:
    if not _is_b64(value):
        raise RefusedError(400, 'a picture in bytes is {"b64": "..."}')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise RefusedError(400, f"b64 cannot be decoded: {error}") from None
