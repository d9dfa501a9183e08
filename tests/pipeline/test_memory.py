from __future__ import annotations

import pytest

from tests.conftest import PROJECT
from tfod_toolkit.pipeline import Device, check_config, load_config
from tfod_toolkit.pipeline.checks.memory import check_memory
from tfod_toolkit.pipeline.memory import costs, device_here, estimate
from tfod_toolkit.pipeline.model import resize

GB = 2**30


@pytest.fixture
def config():
    return load_config(PROJECT / "configs" / "ssd_mobilenet_v2_320.config")


def test_every_extractor_of_the_configs_is_measured(real_configs):
    for path in (*real_configs, *(PROJECT / "configs").glob("*.config")):
        assert estimate(load_config(path)) is not None, path.name
    assert len(costs()) >= 24


def test_larger_pictures_take_more(config):
    small = estimate(config)
    resize(config, 640, 640)
    large = estimate(config)
    assert small is not None and large is not None
    assert large.per_picture == pytest.approx(4 * small.per_picture, rel=0.05)
    assert large.fixed == small.fixed


def test_16_bits_take_less_and_adam_more(config):
    plain = estimate(config)
    config.train_config.use_bfloat16 = True
    half = estimate(config)
    config.train_config.optimizer.adam_optimizer.SetInParent()
    adam = estimate(config)
    assert plain is not None and half is not None and adam is not None
    assert half.per_picture < plain.per_picture
    assert adam.fixed > plain.fixed


def test_a_batch_that_does_not_fit_is_said_with_one_that_does(config):
    config.train_config.batch_size = 4096
    device = Device("a small GPU", 8 * GB)
    (finding,) = check_memory(config, device, 1)
    assert finding.severity == "warning"
    assert finding.message.startswith("a batch of 4096 takes about ")
    assert finding.message.endswith("GB, a small GPU has 8.0 GB")
    assert finding.hint is not None
    most = int(finding.hint.removeprefix("--batch-size "))
    config.train_config.batch_size = most
    assert list(check_memory(config, device, 1)) == []
    config.train_config.batch_size = most + 1
    assert list(check_memory(config, device, 1)) != []


def test_replicas_share_a_batch(config):
    known = estimate(config)
    assert known is not None
    device = Device("a GPU", int(known.total(10)))
    config.train_config.batch_size = 40
    assert list(check_memory(config, device, 4)) == []
    config.train_config.batch_size = 44
    (finding,) = check_memory(config, device, 4)
    assert finding.hint == "--batch-size 40"


def test_a_model_too_large_for_any_batch_is_said(config):
    (finding,) = check_memory(config, Device("a phone", GB // 8), 1)
    assert finding.hint == '"image_size": something smaller, or a smaller model'


def test_this_machine_has_memory():
    device = device_here()
    assert device is not None
    assert device.memory > GB


def test_the_whole_check_speaks_of_memory(config):
    said = [each.message for each in check_config(config, device=Device("a phone", GB // 8))]
    assert any("a phone has 0.1 GB" in message for message in said)
