"""A built TFOD model as a function from pictures to detections, traced once and lazily.

The model that trains is the model that serves: nothing is built or restored a second time, and
the function reads the variables as they are when it is called. One trace therefore serves every
evaluation of a run and its export.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tfod_toolkit.errors import ConfigError, UsageError
from tfod_toolkit.export.detections import DetectionsDict, as_arrays, joined
from tfod_toolkit.export.exported_model import INPUT_TYPES
from tfod_toolkit.odapi.api import exporter_lib_v2, model_builder, tf

#: Held by whoever traces TFOD's code: tracing leaves symbolic tensors in the model's attributes
#: (its anchors, say) and changes ``_is_training``, so that two traces must not overlap. Steps of
#: functions that are already traced may run meanwhile.
TRACING = threading.RLock()

# TensorFlow and TFOD ship no types; these names say what an untyped object is.
Model: TypeAlias = Any
ModelConfig: TypeAlias = Any
Tensor: TypeAlias = Any
Function: TypeAlias = Any
Module: TypeAlias = Any

Images = npt.NDArray[np.uint8]


class _WholeBatch:
    """Preprocess a batch of pictures of one size at once instead of one by one.

    ``model.preprocess`` takes a batch: TFOD's exporter wraps it in another loop over the pictures
    because its encoded inputs may differ in size.
    """

    _model: Model

    def _preprocess_input(
        self, batch_input: Tensor, _decode: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        return self._model.preprocess(tf.cast(batch_input, tf.float32))


class _ImageModule(_WholeBatch, exporter_lib_v2.DetectionFromImageModule):
    """TFOD's ``image_tensor`` input."""


class _FloatImageModule(_WholeBatch, exporter_lib_v2.DetectionFromFloatImageModule):
    """TFOD's ``float_image_tensor`` input."""


class _Input(NamedTuple):
    """TFOD's module for an input type, and what one input is."""

    module: Module
    dtype: Any
    shape: list[int | None]


_INPUTS = {
    "image_tensor": _Input(_ImageModule, tf.uint8, [None, None, 3]),
    "float_image_tensor": _Input(_FloatImageModule, tf.float32, [None, None, 3]),
    "encoded_image_string_tensor": _Input(
        exporter_lib_v2.DetectionFromEncodedImageModule, tf.string, []
    ),
    "tf_example": _Input(exporter_lib_v2.DetectionFromTFExampleModule, tf.string, []),
}


@contextmanager
def inference_mode(model: Model) -> Iterator[None]:
    """Trace ``model`` as TFOD's evaluation does, and leave it as it was.

    Keras keeps its learning phase per thread, so a training loop in another thread never sees
    the change; ``_is_training`` is the model's own, hence :data:`TRACING`.
    """
    with TRACING:
        training = model._is_training
        phase = tf.keras.backend.learning_phase()
        model._is_training = False
        tf.keras.backend.set_learning_phase(0)
        try:
            yield
        finally:
            model._is_training = training
            tf.keras.backend.set_learning_phase(phase)


@contextmanager
def float32_policy() -> Iterator[None]:
    """Build layers that compute in float32, whatever the global policy is."""
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)


class ServingModel:
    """A TFOD model as a function of TFOD's exported signature.

    Example::

        serving = ServingModel(model)
        detections = serving.detect(images)  # uint8[N, H, W, 3]

    Args:
        model: a model built by TFOD's ``model_builder``, for training or not. One that has no
            variables yet gets them in the trace.
        input_type: one of :data:`INPUT_TYPES`, with TFOD's meaning: ``image_tensor``
            uint8[N, H, W, 3], ``float_image_tensor`` float32[N, H, W, 3] (0 to 255),
            ``encoded_image_string_tensor`` and ``tf_example`` string[N].

    Raises:
        UsageError: ``input_type`` is not one of these.
        ConfigError: the model needs more inputs than pictures (Context R-CNN).
        ValueError: the model does not compute in float32; :meth:`for_trained` serves any model.
    """

    def __init__(self, model: Model, input_type: str = "image_tensor") -> None:
        if input_type not in _INPUTS:
            raise UsageError(
                f"unknown input type {input_type!r}", f"use one of: {', '.join(INPUT_TYPES)}"
            )
        if model.compute_dtype != "float32":
            raise ValueError(f"the model computes in {model.compute_dtype}: use for_trained")
        _refuse_side_inputs(model)
        self.model = model
        self.input_type = input_type
        # TFOD's function holds its module weakly, so it lives here.
        self._module = _INPUTS[input_type].module(model)
        # The trained model, where this one is another that takes its weights.
        self._source: Model | None = None
        self._function: Function = None
        self._concrete: Function = None

    @classmethod
    def for_trained(
        cls, model_config: ModelConfig, model: Model, input_type: str = "image_tensor"
    ) -> ServingModel:
        """A serving model for ``model``, built for training, that equals TFOD's export of it.

        The trained model itself serves, but where TFOD's graph for inference is another one
        (:func:`needs_own_inference_model`) or it computes in 16 bits: there a second model is
        built, in float32, and :meth:`refresh` copies the weights into it.
        """
        if model.compute_dtype == "float32" and not needs_own_inference_model(model_config):
            return cls(model, input_type)
        with TRACING, float32_policy():
            serving = cls(model_builder.build(model_config, is_training=False), input_type)
        serving._source = model
        return serving

    @property
    def batched(self) -> bool:
        """Whether any number of pictures may be passed at once (else one at a time)."""
        return bool(self.concrete_function.inputs[0].shape[0] is None)

    @property
    def function(self) -> Function:
        """The ``tf.function`` with the one trace, for a SavedModel's ``__call__``."""
        self.trace()
        return self._function

    @property
    def concrete_function(self) -> Function:
        """The trace itself: TFOD's ``serving_default``."""
        self.trace()
        return self._concrete

    def trace(self) -> None:
        """Trace now unless that is done; safe in a thread beside running training steps."""
        with TRACING:
            if self._concrete is not None:
                return
            with self.tracing():
                self._function, self._concrete = _traced(self._module, self.input_type)
            self.refresh()

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Whatever traces the function, as saving it does, sees the model for inference.

        Otherwise the trace is a training step's: batch statistics instead of the moving ones, which
        every call would change.
        """
        with inference_mode(self.model):
            if self._source is None:
                yield
            else:
                with float32_policy():
                    yield

    def refresh(self) -> None:
        """See to it that the weights are those of the trained model as it is now.

        Does nothing where the trained model itself serves.

        Raises:
            ConfigError: the two models' variables do not correspond.
        """
        if self._source is None:
            return
        self.trace()
        ours, theirs = self.model.variables, self._source.variables
        if [tuple(v.shape) for v in ours] != [tuple(v.shape) for v in theirs]:
            raise ConfigError(
                f"cannot copy weights: {len(theirs)} variables of the trained model do not "
                f"correspond to {len(ours)} of the model for inference",
                "build both from the same pipeline config",
            )
        for our, their in zip(ours, theirs, strict=True):
            our.assign(their)

    def detect(self, images: Images) -> DetectionsDict:
        """Detect objects in pictures of one size.

        Args:
            images: uint8[N, H, W, 3], RGB (for the other input types: what they take).

        Returns:
            TFOD's outputs for each picture as numpy arrays: ``detection_boxes`` float32[N, K, 4]
            (normalised ymin, xmin, ymax, xmax), ``detection_classes`` float32[N, K] (ids from 1),
            ``detection_scores`` float32[N, K], ``num_detections`` float32[N], and whatever else
            the architecture gives under ``detection_...``.
        """
        if self.batched or len(images) == 1:
            return as_arrays(self.concrete_function(tf.constant(images)))
        return joined([self.detect(images[i : i + 1]) for i in range(len(images))])


def needs_own_inference_model(model_config: ModelConfig) -> bool:
    """Whether TFOD's graph for inference cannot be traced from a model built for training.

    That is so for a Faster R-CNN with ``use_static_shapes`` and without
    ``use_static_shapes_for_eval``: the choice is made when the model is built.
    """
    if model_config.WhichOneof("model") != "faster_rcnn":
        return False
    config = model_config.faster_rcnn
    return bool(config.use_static_shapes and not config.use_static_shapes_for_eval)


def _refuse_side_inputs(model: Model) -> None:
    try:
        model.get_side_inputs({})
    except ValueError as error:
        raise ConfigError(
            f"{type(model).__name__} cannot be exported for pictures alone: {error}",
            "choose an architecture that needs no context features",
        ) from error


def _traced(module: Module, input_type: str) -> tuple[Function, Function]:
    """The ``tf.function`` and its trace, for any batch size where the architecture allows.

    TFOD is written in graph style, so AutoGraph is left off (it makes the trace three times
    slower). Keypoints and masks of CenterNet loop over the batch in Python, which only a batch
    of known size allows; the last attempt is the very way of TFOD's exporter.
    """
    _, dtype, shape = _INPUTS[input_type]
    call = module.__call__.python_function
    ways = [(None, False), (1, False), (1, True)]
    for batch, autograph in ways:
        spec = tf.TensorSpec([batch, *shape], dtype, name="input_tensor")
        function = tf.function(call, input_signature=[spec], autograph=autograph)
        try:
            return function, function.get_concrete_function()
        except TypeError:  # Python met a symbolic tensor where it needs a number or a boolean
            if (batch, autograph) == ways[-1]:
                raise
    raise AssertionError("every way returns or raises")
