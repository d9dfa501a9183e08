"""What is done with each field of ``eval_config``."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format

from tfod_toolkit.errors import ConfigError
from tfod_toolkit.evaluation.settings import (
    FIELDS,
    KNOWN_METRICS,
    EvaluationSettings,
    Use,
    evaluation_settings,
)
from tfod_toolkit.odapi.protos import eval_pb2, pipeline_pb2


def config(eval_config: str = "", rest: str = "") -> Any:
    text = f"eval_config {{ {eval_config} }} {rest}"
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def settings(eval_config: str, names: tuple[str, ...] | None = None) -> EvaluationSettings:
    return evaluation_settings(config(eval_config), names)


def test_every_field_is_in_the_table() -> None:
    fields = [field.name for field in eval_pb2.EvalConfig.DESCRIPTOR.fields]
    assert sorted(FIELDS) == sorted(fields)


def test_every_metric_of_tfod_is_known() -> None:
    from object_detection import eval_util

    assert sorted(KNOWN_METRICS) == sorted(eval_util.EVAL_METRICS_CLASS_DICT)


def other_value(field: Any) -> str:
    """Text of a field with a value that is not its default."""
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        return f"{field.name} {{ }}"
    if field.cpp_type == field.CPPTYPE_BOOL:
        return f"{field.name}: {'false' if field.default_value else 'true'}"
    if field.cpp_type == field.CPPTYPE_STRING:
        return f"{field.name}: 'other'"
    return f"{field.name}: 7"


@pytest.mark.parametrize("name", [name for name, t in FIELDS.items() if t.use is Use.REFUSED])
def test_refused_fields_are_refused_by_name(name: str) -> None:
    field = eval_pb2.EvalConfig.DESCRIPTOR.fields_by_name[name]
    with pytest.raises(ConfigError, match=f"eval_config.{name} is not supported: ") as caught:
        settings(other_value(field))
    assert caught.value.hint == f"remove {name} from eval_config"


@pytest.mark.parametrize("name", [name for name, t in FIELDS.items() if t.use is Use.NO_EFFECT])
def test_fields_without_effect_are_told_of(name: str) -> None:
    field = eval_pb2.EvalConfig.DESCRIPTOR.fields_by_name[name]
    (note,) = settings(other_value(field)).notes
    assert note.startswith(f"eval_config.{name} has no effect: ")


@pytest.mark.parametrize("name", [name for name, t in FIELDS.items() if t.use is not Use.HONOURED])
def test_a_field_with_its_default_says_nothing(name: str) -> None:
    field = eval_pb2.EvalConfig.DESCRIPTOR.fields_by_name[name]
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        return
    one = config()
    setattr(one.eval_config, name, field.default_value)
    assert evaluation_settings(one).notes == ()


def test_honoured_fields_arrive() -> None:
    found = settings(
        "batch_size: 3 num_visualizations: 4 num_examples: 67 min_score_threshold: 0.25 "
        "max_num_boxes_to_visualize: 9 skip_scores: true skip_labels: true export_path: '/x.json' "
        "eval_instance_masks: true include_metrics_per_category: true"
    )
    assert found.batch_size == 3
    assert found.gallery == 4
    assert found.limit == 67
    assert found.min_score == 0.25
    assert found.max_boxes == 9
    assert not found.show_scores
    assert not found.show_names
    assert found.export_path == "/x.json"
    assert found.demand_masks
    assert found.names_per_class == "one"
    assert not found.tfod_metrics


def test_what_is_not_set_has_its_default() -> None:
    found = settings("")
    assert found.batch_size == 8
    assert found.limit is None
    assert found.min_score == 0.5
    assert found.names_per_class == ""
    assert evaluation_settings(config("batch_size: 1"), batch_size=16).batch_size == 16


@pytest.mark.parametrize(
    ("resizer", "batch_size"),
    [
        ("fixed_shape_resizer { height: 160 width: 160 }", 8),
        ("fixed_shape_resizer { height: 320 width: 320 }", 8),
        ("fixed_shape_resizer { height: 640 width: 640 }", 2),
        ("keep_aspect_ratio_resizer { min_dimension: 800 max_dimension: 1333 }", 1),
        ("identity_resizer { }", 1),
    ],
)
def test_larger_inputs_make_smaller_batches(resizer: str, batch_size: int) -> None:
    model = f"model {{ ssd {{ image_resizer {{ {resizer} }} }} }}"
    assert evaluation_settings(config(rest=model)).batch_size == batch_size
    assert evaluation_settings(config("batch_size: 5", model)).batch_size == 5


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match="no metrics named 'pascal_voc_detection_metric'"
    ) as caught:
        settings("metrics_set: 'pascal_voc_detection_metric'")
    assert caught.value.hint == "did you mean pascal_voc_detection_metrics?"


def test_a_metric_like_no_other_lists_them_all() -> None:
    with pytest.raises(ConfigError) as caught:
        settings("metrics_set: 'zzz'")
    assert "coco_detection_metrics" in str(caught.value.hint)


def test_keypoint_metrics_need_their_parameters() -> None:
    with pytest.raises(ConfigError, match="need to know their class") as caught:
        settings("metrics_set: 'coco_keypoint_metrics'")
    assert "parameterized_metric" in str(caught.value.hint)


@pytest.mark.parametrize("name", [n for n in KNOWN_METRICS if n != "coco_keypoint_metrics"])
def test_only_other_metrics_need_tfods_evaluators(name: str) -> None:
    assert settings(f"metrics_set: '{name}'").tfod_metrics == (name != "coco_detection_metrics")


def test_recall_bounds_without_their_metric_are_told_of() -> None:
    (note,) = settings("recall_lower_bound: 0.2").notes
    assert "precision_at_recall_detection_metrics" in note
    assert not settings(
        "recall_lower_bound: 0.2 metrics_set: 'precision_at_recall_detection_metrics'"
    ).notes


def test_super_categories_name_classes() -> None:
    text = "super_categories { key: 'round' value: 'ball, cylinder' }"
    assert settings(text).super_categories == {"round": ("ball", "cylinder")}
    with pytest.raises(ConfigError, match="round names the class 'cylinder'") as caught:
        settings(text, ("ball", "cylinders"))
    assert caught.value.hint == "did you mean cylinders?"
