from __future__ import annotations

import pytest

from tfod_toolkit.errors import UsageError
from tfod_toolkit.pipeline import parse_config
from tfod_toolkit.pipeline.assignments import apply_assignment, parse_assignment

BASE = """
model { ssd { num_classes: 90 image_resizer { fixed_shape_resizer { height: 300 width: 300 } } } }
train_config {
  batch_size: 8
  data_augmentation_options { random_horizontal_flip { } }
  data_augmentation_options { ssd_random_crop { } }
}
eval_input_reader { tf_record_input_reader { input_path: "a" } }
eval_config { metrics_set: "coco_detection_metrics" super_categories { key: "x" value: "y" } }
"""


def after(text: str):
    config = parse_config(BASE, "c")
    path = apply_assignment(config, parse_assignment(text))
    return config, path


@pytest.mark.parametrize(
    ("text", "value", "path"),
    [
        ("train_config.batch_size=4", "train_config { batch_size: 4 }", None),
        ("train_config.batch_size = 4", "train_config { batch_size: 4 }", None),
        ("train_config.use_bfloat16=true", "train_config { use_bfloat16: true }", None),
        (
            "train_config.fine_tune_checkpoint=/a b/ckpt-0",
            "train_config { fine_tune_checkpoint: '/a b/ckpt-0' }",
            None,
        ),
        (
            'train_config.fine_tune_checkpoint="x=y"',
            "train_config { fine_tune_checkpoint: 'x=y' }",
            None,
        ),
        (
            "train_config.fine_tune_checkpoint_version=V2",
            "train_config { fine_tune_checkpoint_version: V2 }",
            None,
        ),
        (
            "train_config.optimizer.adam_optimizer.epsilon=1e-7",
            "train_config { optimizer { adam_optimizer { epsilon: 1e-7 } } }",
            None,
        ),
        (
            "eval_input_reader.shuffle=false",
            None,
            "eval_input_reader[0].shuffle",
        ),
        (
            "train_config.freeze_variables+=a.*",
            "train_config { freeze_variables: 'a.*' }",
            None,
        ),
        (
            "train_config.data_augmentation_options+={random_vertical_flip {}}",
            "train_config { data_augmentation_options { random_vertical_flip { } } }",
            None,
        ),
    ],
)
def test_a_field_is_set(text, value, path):
    config, set_path = after(text)
    if value is not None:
        assert config == parse_config(value, "v", onto=parse_config(BASE, "c"))
    else:
        assert config.eval_input_reader[0].shuffle is False
    assert set_path == (path or text.partition("=")[0].rstrip(" +"))


def test_a_message_is_replaced_whole():
    config, _ = after("model.ssd.image_resizer={identity_resizer {}}")
    assert config.model.ssd.image_resizer.WhichOneof("image_resizer_oneof") == "identity_resizer"
    assert not config.model.ssd.image_resizer.HasField("fixed_shape_resizer")


def test_a_list_is_replaced_whole():
    config, _ = after("train_config.data_augmentation_options=[{random_vertical_flip {}}]")
    (option,) = config.train_config.data_augmentation_options
    assert option.HasField("random_vertical_flip")
    config, _ = after("eval_config.metrics_set=[pascal_voc_detection_metrics]")
    assert list(config.eval_config.metrics_set) == ["pascal_voc_detection_metrics"]


def test_an_element_is_replaced_or_removed():
    config, path = after("train_config.data_augmentation_options[1]={random_vertical_flip {}}")
    kinds = [
        o.WhichOneof("preprocessing_step") for o in config.train_config.data_augmentation_options
    ]
    assert kinds == ["random_horizontal_flip", "random_vertical_flip"]
    assert path == "train_config.data_augmentation_options[1]"
    config, _ = after("train_config.data_augmentation_options[0]=")
    assert len(config.train_config.data_augmentation_options) == 1


def test_a_field_is_cleared():
    config, _ = after("train_config.batch_size=")
    assert not config.train_config.HasField("batch_size")
    config, _ = after("train_config.data_augmentation_options=")
    assert not config.train_config.data_augmentation_options


def test_an_entry_of_a_map():
    config, _ = after("eval_config.super_categories[x]=a,b")
    assert dict(config.eval_config.super_categories) == {"x": "a,b"}
    config, _ = after("eval_config.super_categories[x]=")
    assert not config.eval_config.super_categories


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "train_config.batch_size",
            "--set 'train_config.batch_size' is not PATH=VALUE",
            "write --set train_config.batch_size=4",
        ),
        (
            "train_config.batchsize=4",
            "--set train_config.batchsize=4: TrainConfig has no field 'batchsize'",
            "did you mean 'batch_size'?",
        ),
        (
            "num_classes=4",
            "--set num_classes=4: TrainEvalPipelineConfig has no field 'num_classes'",
            "did you mean model.faster_rcnn.num_classes or model.ssd.num_classes or "
            "model.center_net.num_classes?",
        ),
        (
            "train_config.batch_size=many",
            "--set train_config.batch_size=many: batch_size cannot be 'many'",
            "it is a whole number from 0",
        ),
        (
            "train_config.use_bfloat16=maybe",
            "--set train_config.use_bfloat16=maybe: use_bfloat16 cannot be 'maybe'",
            "it is true or false",
        ),
        (
            "train_config.fine_tune_checkpoint_version=V9",
            "--set train_config.fine_tune_checkpoint_version=V9: fine_tune_checkpoint_version "
            "cannot be 'V9'",
            "it is one of UNKNOWN, V1, V2",
        ),
        (
            "train_config.batch_size.x=1",
            "--set train_config.batch_size.x=1: batch_size has no fields",
            "set batch_size itself",
        ),
        (
            "train_config.batch_size[0]=1",
            "--set train_config.batch_size[0]=1: batch_size is no list",
            "leave out [0]",
        ),
        (
            "train_config.batch_size+=1",
            "--set train_config.batch_size+=1: batch_size is no list to append to",
            "write = for +=",
        ),
        (
            "train_config.data_augmentation_options[7]={}",
            "--set train_config.data_augmentation_options[7]={}: the config has "
            "data_augmentation_options[0] to [1], not [7]",
            "name one by its number, or append: --set 'data_augmentation_options+={...}'",
        ),
        (
            "train_config.data_augmentation_options.ssd_random_crop={}",
            "--set train_config.data_augmentation_options.ssd_random_crop={}: the config has "
            "data_augmentation_options[0] to [1]",
            "name one by its number, or append: --set 'data_augmentation_options+={...}'",
        ),
    ],
)
def test_what_cannot_be_set_is_refused(text, message, hint):
    with pytest.raises(UsageError) as caught:
        after(text)
    assert (caught.value.message, caught.value.hint) == (message, hint)
