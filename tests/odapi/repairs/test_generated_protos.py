"""Generated modules of the old kind, and of the new."""

from __future__ import annotations

import importlib
import sys
import types

import pytest
from google.protobuf import descriptor_pb2

from tfod_toolkit.odapi.repairs.generated_protos import GeneratedProtos


@pytest.fixture
def generated(tmp_path, monkeypatch):
    """A package ``object_detection.protos`` of the test's own, found by the repair alone."""
    finder = GeneratedProtos()
    package = types.ModuleType("object_detection.protos")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "object_detection.protos", package)

    def load(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        full = f"object_detection.protos.{name}"
        spec = finder.find_spec(full, package.__path__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def serialized(name, message):
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=f"tests_{name}")
    field = file.message_type.add(name=message).field.add(name="size", number=1)
    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    return file.SerializeToString()


def test_a_file_of_the_old_kind_is_made_from_its_literal_and_not_run(generated):
    literal = serialized("old", "Brick")
    module = generated(
        "old_pb2",
        "raise TypeError('Descriptors cannot be created directly.')\n"
        f"DESCRIPTOR = _descriptor.FileDescriptor(\n  serialized_pb={literal!r}\n  ,\n)\n",
    )
    assert module.Brick(size=3).size == 3
    assert module.DESCRIPTOR.name == "old.proto"


def test_a_file_of_the_new_kind_is_left_to_python(generated):
    module = generated("new_pb2", "made_by = 'protoc'\n")
    assert module.made_by == "protoc"


def test_other_modules_are_not_found():
    assert GeneratedProtos().find_spec("object_detection.protos.notes", []) is None
    assert GeneratedProtos().find_spec("google.protobuf.any_pb2", []) is None
