"""Archives of the zoo's shape, built here, and a server on loopback for them.

Real archives cannot be had where there is no internet. These hold the real pipeline config of a
model, at a reduced input size, and a checkpoint saved from that model.
"""

from __future__ import annotations

import functools
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tfod_toolkit.zoo import find


def build_archive(mirror: Path, name: str, config: Any) -> Path:
    """Put an archive of the model that a config describes into a mirror, under a zoo model's name.

    Args:
        mirror: the folder that is served.
        name: of the zoo model.
        config: the ``TrainEvalPipelineConfig``; its weights are new.
    """
    from tfod_toolkit.odapi.api import model_builder
    from tfod_toolkit.training.learner import build_variables

    model = model_builder.build(config.model, is_training=True)
    build_variables(model)
    return pack(mirror, name, config, model)


def pack(mirror: Path, name: str, config: Any, model: Any) -> Path:
    """Pack a model and its config as the zoo does."""
    from tfod_toolkit.odapi.api import tf
    from tfod_toolkit.pipeline import save_config

    known = find(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / known.archive
        save_config(config, folder / "pipeline.config")
        tf.train.Checkpoint(model=model).write(str(folder / "checkpoint" / "ckpt-0"))
        return pack_folder(mirror, name, folder)


def pack_folder(mirror: Path, name: str, folder: Path) -> Path:
    """Pack a folder that has a ``pipeline.config`` and a ``checkpoint``."""
    known = find(name)
    target = mirror / known.location
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        tar.add(folder, known.archive)
    return target


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on loopback; gives its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
