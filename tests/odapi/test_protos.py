"""TFOD's messages, without TensorFlow."""

from __future__ import annotations

import importlib
import pkgutil

from google.protobuf import text_format
from google.protobuf.internal import api_implementation

from tests.odapi.fresh import run
from tfod_toolkit.odapi import protos

MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(
        importlib.import_module("object_detection.protos").__path__, "object_detection.protos."
    )
    if module.name.endswith("_pb2")
)


def test_tensorflow_is_not_loaded_nor_anything_heavy():
    result = run(
        "import tfod_toolkit.odapi.protos, sys\n"
        "print([name for name in ('tensorflow', 'numpy', 'tf_keras') if name in sys.modules])"
    )
    assert result.stdout == "[]\n", result.stderr


def test_every_module_of_the_package_loads():
    assert len(MODULES) >= 30
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.DESCRIPTOR.package == "object_detection.protos"
        for message in module.DESCRIPTOR.message_types_by_name:
            assert getattr(module, message)().SerializeToString() == b""
        for enum in module.DESCRIPTOR.enum_types_by_name.values():
            assert getattr(module, enum.name).Value(enum.values[0].name) == enum.values[0].number


def test_protobufs_fast_implementation_is_kept():
    assert api_implementation.Type() == "upb"
    assert type(protos.pipeline_pb2.DESCRIPTOR).__module__ == "google._upb._message"


def test_text_goes_in_and_comes_out():
    text = "model {\n  ssd {\n    num_classes: 3\n  }\n}\ntrain_config {\n  batch_size: 8\n}\n"
    config = text_format.Parse(text, protos.pipeline_pb2.TrainEvalPipelineConfig())
    assert config.model.WhichOneof("model") == "ssd"
    assert text_format.MessageToString(config) == text
    again = protos.pipeline_pb2.TrainEvalPipelineConfig.FromString(config.SerializeToString())
    assert again == config


def test_defaults_and_oneofs_are_those_of_the_proto_files():
    train = protos.train_pb2.TrainConfig()
    assert train.batch_size == 32  # "optional uint32 batch_size = 1 [default=32]"
    optimizer = protos.optimizer_pb2.Optimizer()
    optimizer.adam_optimizer.SetInParent()
    optimizer.momentum_optimizer.SetInParent()
    assert optimizer.WhichOneof("optimizer") == "momentum_optimizer"


def test_upstreams_configs_are_read(shared_data):
    configs = sorted((shared_data / "pipelines").glob("*.config"))
    assert len(configs) > 10
    for path in configs:
        config = protos.pipeline_pb2.TrainEvalPipelineConfig()
        text_format.Parse(path.read_text(), config)
        assert config.model.WhichOneof("model") in {"ssd", "faster_rcnn", "center_net"}
