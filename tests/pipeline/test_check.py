from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.odapi.protos import train_pb2
from tfod_toolkit.pipeline import check_config, load_config, parse_config, resolve
from tfod_toolkit.pipeline.extractors import EXTRACTORS
from tfod_toolkit.pipeline.resolve import Overrides
from tfod_toolkit.pipeline.train_fields import FIELDS, Use

SOUND = """
model { ssd {
  num_classes: 3 feature_extractor { type: "ssd_mobilenet_v2_keras" }
  image_resizer { fixed_shape_resizer { height: 320 width: 320 } }
  anchor_generator { ssd_anchor_generator { aspect_ratios: [1, 2, 0.5] } }
} }
train_config {
  batch_size: 8 num_steps: 100
  optimizer { momentum_optimizer { learning_rate { cosine_decay_learning_rate {
    learning_rate_base: 0.1 total_steps: 100 warmup_learning_rate: 0.01 warmup_steps: 10 } } } }
}
"""
RATE = "train_config.optimizer.momentum_optimizer.learning_rate"
COSINE = f"{RATE}.cosine_decay_learning_rate"


def found(records, *assignments: str, base: str = SOUND, replicas: int = 1):
    """Findings as (severity, message, hint) of a sound config with something changed."""
    resolved = resolve(
        parse_config(base, "c"), records=records, overrides=Overrides(assignments=assignments)
    )
    return [
        (finding.severity, finding.message, finding.hint)
        for finding in check_config(resolved.config, replicas=replicas)
    ]


def test_a_sound_config_has_nothing_to_find(records):
    assert found(records) == []


def test_every_field_of_train_config_is_treated():
    fields = {field.name for field in train_pb2.TrainConfig.DESCRIPTOR.fields}
    assert set(FIELDS) == fields


#: A value other than its default for every field that is not honoured.
ODD_VALUES = {
    "sync_replicas": "true",
    "load_all_detection_checkpoint_vars": "true",
    "run_fine_tune_checkpoint_dummy_computation": "false",
    "startup_delay_steps": "3",
    "replicas_to_aggregate": "8",
    "batch_queue_capacity": "3",
    "num_batch_queue_threads": "3",
    "prefetch_queue_capacity": "3",
    "max_number_of_boxes": "3",
}


@pytest.mark.parametrize("field", [name for name in FIELDS if FIELDS[name].use is not Use.HONOURED])
def test_a_field_that_is_not_honoured_is_named(records, field):
    ((severity, message, _),) = found(records, f"train_config.{field}={ODD_VALUES[field]}")
    assert field in message
    assert (severity == "error") == (FIELDS[field].use is Use.REFUSED)


def test_what_every_zoo_config_sets_is_one_note(records):
    findings = found(
        records,
        "train_config.sync_replicas=true",
        "train_config.startup_delay_steps=0",
        "train_config.replicas_to_aggregate=8",
        "train_config.max_number_of_boxes=100",
    )
    assert findings == [
        (
            "note",
            "sync_replicas, startup_delay_steps, replicas_to_aggregate in train_config: no effect, "
            "replicas always take each step together",
            None,
        )
    ]


@pytest.mark.parametrize(
    ("assignments", "finding"),
    [
        (
            ["model.ssd.num_classes=90"],
            (
                "error",
                "model.ssd.num_classes is 90, but the label map {labels} has 3 classes",
                '--set model.ssd.num_classes=3, or "num_classes": 3 in the hyperparameters',
            ),
        ),
        (
            ["train_config.num_steps="],
            (
                "error",
                "train_config.num_steps is not set, which means for ever",
                "say how many: --steps 2000",
            ),
        ),
        (
            ["train_config.batch_size=0"],
            ("error", "train_config.batch_size is 0", "--batch-size 8"),
        ),
        (
            ["train_config.optimizer="],
            (
                "error",
                "train_config.optimizer names no optimizer",
                "use one of momentum_optimizer, adam_optimizer, rms_prop_optimizer",
            ),
        ),
        (
            [f"{RATE}="],
            (
                "error",
                f"{RATE} is not set",
                "write one of constant_, exponential_decay_, manual_step_ or "
                "cosine_decay_learning_rate in it",
            ),
        ),
        (
            [f"{COSINE}.warmup_steps=200"],
            (
                "error",
                "warmup_steps 200 are more than total_steps 100",
                f"--set {COSINE}.warmup_steps=5",
            ),
        ),
        (
            [f"{COSINE}.warmup_learning_rate=0.5"],
            (
                "error",
                "warmup_learning_rate 0.5 is more than learning_rate_base 0.1",
                f"--set {COSINE}.warmup_learning_rate=0.01",
            ),
        ),
        (
            [f"{COSINE}.total_steps=300000"],
            (
                "warning",
                "the cosine schedule has 300,000 steps, the training 100: training ends while the "
                "rate is still high",
                f"--set {COSINE}.total_steps=100",
            ),
        ),
        (
            [f"{COSINE}.total_steps=50"],
            (
                "warning",
                "the cosine schedule has 50 steps, the training 100: the rate is 0 from step 50 on",
                f"--set {COSINE}.total_steps=100",
            ),
        ),
        (
            [
                f"{RATE}={{manual_step_learning_rate {{"
                "schedule {step: 50 learning_rate: 0.1} schedule {step: 50 learning_rate: 0.01}}}"
            ],
            (
                "error",
                "the steps of a schedule must rise from 1 or more; they are [50, 50]",
                "an override appends to a schedule; to replace it, set it whole: --set "
                f"'{RATE}.manual_step_learning_rate.schedule="
                "[{step: 1000 learning_rate: 0.001}]'",
            ),
        ),
        (
            [
                f"{RATE}={{manual_step_learning_rate {{"
                "schedule {step: 50 learning_rate: 0.1} schedule {step: 900 learning_rate: 0.01}}}"
            ],
            (
                "warning",
                "1 of the 2 changes of the rate come at or after the last of 100 steps (step 900)",
                "leave it so if that is meant, or give steps within the training",
            ),
        ),
        (
            ["graph_rewriter={quantization {delay: 3}}"],
            (
                "error",
                "graph_rewriter (training for 8-bit weights) is TensorFlow 1's",
                "--set graph_rewriter=",
            ),
        ),
        (
            ["train_config.fine_tune_checkpoint=/none/ckpt-0"],
            (
                "error",
                "train_config.fine_tune_checkpoint: /none/ckpt-0.index is not there",
                "a checkpoint is an .index file and its .data files side by side; name what stands "
                "before .index",
            ),
        ),
        (
            ["train_input_reader.label_map_path=/none"],
            (
                "error",
                "train_input_reader.label_map_path: there is no file /none",
                "--set train_input_reader.label_map_path=PATH",
            ),
        ),
        (
            ["train_input_reader.tf_record_input_reader.input_path=[/none-*]"],
            (
                "error",
                "train_input_reader: there are no records at /none-*",
                "--records FOLDER, as `tfod dataset build` makes it",
            ),
        ),
    ],
)
def test_one_thing_wrong_is_one_finding_with_a_remedy(records, assignments, finding):
    severity, message, hint = finding
    assert found(records, *assignments) == [
        (severity, message.format(labels=records.label_map), hint)
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ssd_mobilenet_v3_keras", "did you mean 'ssd_mobilenet_v2_keras'?"),
        ("ssd_mobilenet_v1", "did you mean 'ssd_mobilenet_v1_keras'?"),
        ("ssd_resnet50_v1_fpn", "did you mean 'ssd_resnet50_v1_fpn_keras'?"),
        ("hourglass_104", "it is one of model.center_net; those of model.ssd are ssd_mobilenet_v1"),
        ("nonsense", "use one of ssd_mobilenet_v1_keras, ssd_mobilenet_v1_fpn_keras, "),
    ],
)
def test_a_feature_extractor_that_tfod_has_not_is_refused(records, name, hint):
    field = "model.ssd.feature_extractor.type"
    ((severity, message, said),) = found(records, f"{field}={name}")
    assert (severity, message) == (
        "error",
        f"{field} is '{name}', which is no feature extractor of TensorFlow 2's for ssd",
    )
    assert said.startswith(hint)


def test_a_feature_extractor_without_a_type_is_refused(records):
    ((_, message, hint),) = found(records, "model.ssd.feature_extractor={pad_to_multiple: 1}")
    assert message == "model.ssd.feature_extractor.type is not set"
    assert hint.startswith("use one of ssd_mobilenet_v1_keras, ")


@pytest.mark.slow
def test_the_feature_extractors_are_tfods():
    from tfod_toolkit.odapi.api import model_builder

    assert {kind: set(names) for kind, names in EXTRACTORS.items()} == {
        "ssd": set(model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP),
        "faster_rcnn": set(model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP),
        "center_net": set(model_builder.CENTER_NET_EXTRACTOR_FUNCTION_MAP),
    }


def test_a_batch_that_replicas_cannot_share_is_refused_with_those_that_they_can(records):
    assert found(records, "train_config.batch_size=6", replicas=4) == [
        ("error", "a batch of 6 does not divide among 4 devices", "--batch-size 4 or 8")
    ]
    assert found(records, "train_config.batch_size=2", replicas=4) == [
        ("error", "a batch of 2 does not divide among 4 devices", "--batch-size 4")
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["train_config.fine_tune_checkpoint_type=everything"],
            "train_config.fine_tune_checkpoint_type is 'everything'",
        ),
        (
            ["train_config.fine_tune_checkpoint_version=V1"],
            "a checkpoint of version V1 is TensorFlow 1's",
        ),
        (
            [
                "train_config.fine_tune_checkpoint_type=classification",
                "train_config.from_detection_checkpoint=true",
            ],
            "from_detection_checkpoint is set, but train_config.fine_tune_checkpoint_type is "
            "classification, which counts",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_restored_is_said(records, tmp_path, settings, message):
    for ending in (".index", ".data-00000-of-00001"):
        (tmp_path / f"ckpt-0{ending}").touch()
    checkpoint = f"train_config.fine_tune_checkpoint={tmp_path}/ckpt-0"
    findings = found(records, checkpoint, *settings)
    assert [each[1] for each in findings] == [message]


def test_a_checkpoint_without_its_data_file_is_said(records, tmp_path):
    (tmp_path / "ckpt-0.index").touch()
    ((_, message, _),) = found(records, f"train_config.fine_tune_checkpoint={tmp_path}/ckpt-0")
    assert message == (
        f"train_config.fine_tune_checkpoint: {tmp_path}/ckpt-0.data-?????-of-????? is not there"
    )


def test_placeholders_are_named_together_by_their_remedy(shared_data: Path):
    config = load_config(
        shared_data / "pipelines" / "centernet_resnet50_v2_512x512_kpts_coco17_tpu-8.config"
    )
    findings = [each for each in check_config(config) if "PATH_TO_BE_CONFIGURED" in each.message]
    assert [(each.message, each.hint) for each in findings] == [
        (
            "model.center_net.keypoint_label_map_path is still PATH_TO_BE_CONFIGURED",
            "--set model.center_net.keypoint_label_map_path=PATH",
        ),
        (
            "train_config.fine_tune_checkpoint is still PATH_TO_BE_CONFIGURED",
            "name a checkpoint: --set train_config.fine_tune_checkpoint=FOLDER/ckpt-0; or train "
            "from nothing: --set train_config.fine_tune_checkpoint=",
        ),
        (
            "train_input_reader.label_map_path, "
            "train_input_reader.tf_record_input_reader.input_path[0], "
            "eval_input_reader[0].label_map_path, "
            "eval_input_reader[0].tf_record_input_reader.input_path[0] "
            "are still PATH_TO_BE_CONFIGURED",
            "--records FOLDER, as `tfod dataset build` makes it",
        ),
    ]


def test_a_config_without_model_records_or_optimizer(records):
    messages = [each.message for each in check_config(parse_config("train_config { }", "c"))]
    assert messages == [
        "the config names no model",
        "train_config.num_steps is not set, which means for ever",
        "train_config.optimizer names no optimizer",
        "the config does not name train_input_reader.tf_record_input_reader.input_path, "
        "train_input_reader.label_map_path, eval_input_reader",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item { id: 0 name: 'a' }", "has id 0; ids count from 1"),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "has id 1, as 'a' has"),
        ("item { id: 1 name: 'a' } item { id: 3 name: 'c' }", "nothing has id 2"),
        ("nonsense", "is not a label map"),
    ],
)
def test_a_label_map_that_is_wrong_is_an_error(records, text, message):
    config = resolve(parse_config(SOUND, "c"), records=records).config
    records.label_map.write_text(text)
    (finding,) = check_config(config)
    assert finding.fatal
    assert message in finding.message


def test_cocos_label_map_may_leave_ids_out(records):
    records.label_map.write_text(
        "item { id: 1 name: '/m/01g317' display_name: 'person' } "
        "item { id: 3 name: '/m/0k4j' display_name: 'car' }"
    )
    assert found(records) == []


def test_every_real_config_runs_once_it_is_told_classes_and_records(records, real_configs):
    for path in real_configs:
        base = load_config(path)
        kind = base.model.WhichOneof("model")
        wants = ["train_config.fine_tune_checkpoint="]
        if base.model.HasField("center_net") and base.model.center_net.keypoint_label_map_path:
            wants.append(f"model.center_net.keypoint_label_map_path={records.label_map}")
        resolved = resolve(
            base,
            records=records,
            overrides=Overrides(
                override=f"model {{ {kind} {{ num_classes: 3 }} }}", assignments=wants
            ),
            steps=500,
        )
        findings = check_config(resolved.config)
        assert {each.severity for each in findings} <= {"note"}, (path.name, findings)
