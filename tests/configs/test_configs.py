"""The configs that the toolkit ships: sound as they are, once they know the records."""

from __future__ import annotations

import pytest

from benchmarks.overfit import PLANS
from tests.conftest import PROJECT
from tfod_toolkit.dataset import find_records, read_examples
from tfod_toolkit.pipeline import check_config, gather_facts, load_config, resolve

CONFIGS = sorted((PROJECT / "configs").glob("*.config"))
NAMES = [path.stem for path in CONFIGS]


def test_these_are_the_configs():
    assert NAMES == [
        "bccd",
        "centernet_resnet50_v1_fpn_512",
        "demo",
        "faster_rcnn_resnet50_v1_640",
        "ssd_efficientdet_d0_512",
        "ssd_mobilenet_v2_160",
        "ssd_mobilenet_v2_320",
        "ssd_mobilenet_v2_fpnlite_320",
        "ssd_resnet50_v1_fpn_640",
    ]
    assert sorted(PLANS) == NAMES


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_with_records_has_nothing_to_find(path, sample_records):
    records = find_records(sample_records)
    resolved = resolve(load_config(path), records=records)
    facts = gather_facts(read_examples(records.training))
    assert check_config(resolved.config, facts=facts) == ()
    kind = resolved.config.model.WhichOneof("model")
    assert getattr(resolved.config.model, kind).num_classes == 3
    assert resolved.notes == (f"model.{kind}.num_classes is 3, as {records.label_map} has it",)


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_schedule_follows_the_steps_without_a_warning(path, sample_records):
    for steps in (7, 100_000):
        config = resolve(
            load_config(path), records=find_records(sample_records), steps=steps
        ).config
        assert config.train_config.num_steps == steps
        assert check_config(config) == ()


@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_a_config_says_what_it_is_for_and_how_to_run_it(path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert f"#   tfod train --config configs/{path.name} --records RECORDS --run RUN" in comments
    assert len(comments) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=NAMES)
def test_tfod_builds_its_model(path, sample_records):
    from tfod_toolkit.odapi.api import model_builder, optimizer_builder

    config = resolve(load_config(path), records=find_records(sample_records)).config
    model = model_builder.build(config.model, is_training=True)
    assert model.num_classes == 3
    optimizer, _ = optimizer_builder.build(config.train_config.optimizer)
    assert not hasattr(optimizer, "swap_weights")  # no moving averages
