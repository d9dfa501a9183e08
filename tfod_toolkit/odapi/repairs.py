"""Crude first version of the repairs; to be split into one small file each."""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types

_done = False


class Pb2Loader(importlib.abc.Loader):
    def __init__(self, path):
        self.path = path

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        from google.protobuf import descriptor_pool
        from google.protobuf.internal import builder

        text = open(self.path, encoding="utf-8").read()
        tree = ast.parse(text)
        blob = None
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "object_detection.protos":
                for a in node.names:
                    importlib.import_module(f"object_detection.protos.{a.name}")
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DESCRIPTOR":
                for k in node.value.keywords:
                    if k.arg == "serialized_pb":
                        blob = ast.literal_eval(k.value)
        desc = descriptor_pool.Default().AddSerializedFile(blob)
        module.DESCRIPTOR = desc
        builder.BuildMessageAndEnumDescriptors(desc, module.__dict__)
        builder.BuildTopDescriptorsAndMessages(desc, module.__name__, module.__dict__)


class Pb2Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if not (name.startswith("object_detection.protos.") and name.endswith("_pb2")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None:
            return None
        return importlib.util.spec_from_file_location(name, spec.origin, loader=Pb2Loader(spec.origin))


class AfterLoad(importlib.abc.Loader):
    def __init__(self, loader, then):
        self.loader, self.then = loader, then

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        self.then(module)


def fix_tf(module):
    import tensorflow.compat.v1 as tf1
    from tensorflow.python.ops import control_flow_ops as c

    for n in ("case", "cond", "while_loop"):
        if not hasattr(c, n):
            setattr(c, n, getattr(tf1, n))
    est = types.ModuleType("tensorflow.compat.v1.estimator")
    est.ModeKeys = type("ModeKeys", (), {"TRAIN": "train", "EVAL": "eval", "PREDICT": "infer"})
    est.export = types.SimpleNamespace()
    tf1.estimator = est
    sys.modules["tensorflow.compat.v1.estimator"] = est
    tfio = types.ModuleType("tensorflow_io")
    tfio.experimental = types.SimpleNamespace()
    sys.modules.setdefault("tensorflow_io", tfio)
    import numpy as np

    for n, t in {"bool": bool, "float": float, "int": int, "object": object, "string_": np.bytes_, "unicode_": np.str_, "float_": np.float64}.items():
        if n not in np.__dict__:
            setattr(np, n, t)
    from PIL import ImageFont

    if not hasattr(ImageFont.FreeTypeFont, "getsize"):
        def getsize(self, text, *a, **k):
            b = self.getbbox(text, *a, **k)
            return b[2], b[3]
        ImageFont.FreeTypeFont.getsize = getsize
        ImageFont.ImageFont.getsize = getsize


class KerasFinder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "object_detection":
            return None
        sys.meta_path.remove(self)
        return None


class TfodFinder(importlib.abc.MetaPathFinder):
    def __init__(self):
        self.fixed = False

    def find_spec(self, name, path, target=None):
        if not name.startswith("object_detection.") or name.startswith("object_detection.protos"):
            return None
        if not self.fixed:
            self.fixed = True
            fix_tf(None)
        return None


def install():
    global _done
    if _done:
        return
    _done = True
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    sys.meta_path.insert(0, Pb2Finder())
    sys.meta_path.insert(0, TfodFinder())
