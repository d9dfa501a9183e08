"""``train_config``, field by field: what is done with each, so that none is ignored in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tfod_toolkit.pipeline.findings import Finding, error, note, warning
from tfod_toolkit.pipeline.protos import Proto
from tfod_toolkit.pipeline.treatment import Treatment, Use, honoured, no_effect, refused

_REPLICAS = "replicas always take each step together"
_QUEUES = "tf.data reads ahead by itself (num_readers and the like in train_input_reader)"

#: Every field of ``object_detection.protos.TrainConfig``.
FIELDS: Mapping[str, Treatment] = {
    "batch_size": honoured("images in a step, over all replicas"),
    "data_augmentation_options": honoured("by TFOD's preprocessor, in their order"),
    "sync_replicas": no_effect(_REPLICAS),
    "keep_checkpoint_every_n_hours": honoured("checkpoints so far apart are kept for good"),
    "optimizer": honoured("by TFOD's builder, moving averages included"),
    "gradient_clipping_by_norm": honoured("of all gradients together"),
    "fine_tune_checkpoint": honoured("restored before the first step"),
    "fine_tune_checkpoint_type": honoured("detection, classification or full"),
    "fine_tune_checkpoint_version": honoured("V2; V1 is refused"),
    "from_detection_checkpoint": honoured("the type is detection, unless the type is given"),
    "load_all_detection_checkpoint_vars": refused(
        'TensorFlow 2 has no such choice; use fine_tune_checkpoint_type: "full"'
    ),
    "run_fine_tune_checkpoint_dummy_computation": no_effect(
        "variables are always made before a checkpoint is restored, without a computation"
    ),
    "num_steps": honoured("exactly so many steps"),
    "startup_delay_steps": no_effect(_REPLICAS),
    "bias_grad_multiplier": honoured("gradients of biases are multiplied by it"),
    "update_trainable_variables": honoured("only variables whose names match are trained"),
    "freeze_variables": honoured("variables whose names match are not trained"),
    "replicas_to_aggregate": no_effect(_REPLICAS),
    "batch_queue_capacity": no_effect(_QUEUES),
    "num_batch_queue_threads": no_effect(_QUEUES),
    "prefetch_queue_capacity": no_effect(_QUEUES),
    "merge_multiple_label_boxes": honoured("by TFOD's inputs"),
    "use_multiclass_scores": honoured("by TFOD's inputs"),
    "add_regularization_loss": honoured("by TFOD's losses"),
    "max_number_of_boxes": no_effect("train_input_reader.max_number_of_boxes is what counts"),
    "unpad_groundtruth_tensors": honoured("by TFOD's losses"),
    "retain_original_images": honoured("by TFOD's inputs"),
    "use_bfloat16": honoured("as --precision mixed_bfloat16, unless --precision is given"),
    "summarize_gradients": honoured("their norm is among the metrics"),
}

#: Fields that every zoo config sets, though nothing in TensorFlow 2 reads them: one note for all.
_TOGETHER = ("sync_replicas", "startup_delay_steps", "replicas_to_aggregate")


def check_train_fields(config: Proto) -> Iterator[Finding]:
    """Say which fields of ``train_config`` have no effect, and refuse those that are not done."""
    set_fields = {field.name: (field, value) for field, value in config.train_config.ListFields()}
    together = [name for name in _TOGETHER if name in set_fields]
    if together:
        yield note(
            f"train_config.{together[0]}",
            f"{', '.join(together)} in train_config: no effect, {_REPLICAS}",
        )
    for name, (field, value) in set_fields.items():
        treatment = FIELDS[name]
        if name in _SPECIAL:
            yield from _SPECIAL[name](config)
        elif treatment.use is Use.NO_EFFECT and name not in _TOGETHER:
            if value != field.default_value:
                yield note(
                    f"train_config.{name}", f"train_config.{name}: no effect, {treatment.how}"
                )
        elif treatment.use is Use.REFUSED and value != field.default_value:
            yield error(
                f"train_config.{name}",
                f"train_config.{name} is not supported: {treatment.how}",
                f"--set train_config.{name}=",
            )


def _max_number_of_boxes(config: Proto) -> Iterator[Finding]:
    asked = config.train_config.max_number_of_boxes
    counts = config.train_input_reader.max_number_of_boxes
    if asked != counts:
        yield warning(
            "train_config.max_number_of_boxes",
            f"train_config.max_number_of_boxes is {asked} but has no effect: "
            f"train_input_reader.max_number_of_boxes, {counts}, is what counts",
            f"--set train_input_reader.max_number_of_boxes={asked}",
        )


def _use_bfloat16(config: Proto) -> Iterator[Finding]:
    if config.train_config.use_bfloat16:
        yield note(
            "train_config.use_bfloat16",
            "train_config.use_bfloat16, made for TPUs, has steps computed in mixed_bfloat16: "
            "faster on a recent GPU, not on a CPU",
            "--set train_config.use_bfloat16=false, or --precision float32",
        )


_SPECIAL: Mapping[str, Callable[[Proto], Iterator[Finding]]] = {
    "max_number_of_boxes": _max_number_of_boxes,
    "use_bfloat16": _use_bfloat16,
}
