"""What gets into an image, and what does not; and how large it may be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import PROJECT
from tests.docker.conftest import MODEL, program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SECRET = "planted-7d1c0b"
#: Where a working copy has what is nobody else's business.
PLANTED = (
    ".git/config", ".git/planted", "tests/planted.py", "tests/docker/planted.json", ".env",
    "planted.pem", ".aws/credentials", "experiments/training/planted.index",
    "records/planted.record", "models/planted/checkpoint", "docker/planted.key", "docker/.env",
    "configs/.env", "configs/.git/planted", "tfod_toolkit/.env", "tfod_toolkit/planted.pem",
    "tfod_toolkit/__pycache__/planted.cpython-311.pyc", "terraform/terraform.tfstate",
)  # fmt: skip
#: Looks for planted files by name everywhere, and by content where something is copied to.
LOOK = f"""
import os
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
    for name in files:
        path = os.path.join(folder, name)
        copied = folder.startswith(("/opt/toolkit", "/opt/tfod", "/src", "/root", "/tmp", "/home"))
        if "planted" in name or (copied and {SECRET.encode()!r} in open(path, "rb").read()):
            print(path)
"""


@pytest.mark.parametrize("name", ["cpu", "sidecar"])
def test_nothing_of_a_working_copy_but_the_toolkit_gets_into_an_image(docker, name):
    for path in PLANTED:
        (docker.context / path).parent.mkdir(parents=True, exist_ok=True)
        (docker.context / path).write_text(f"{SECRET}\n")
    try:
        docker.build(name)
        tag = program("images").TAGS[name]
        words = ["--network", "none", "--user", "0", "--entrypoint", "python3", tag, "-c", LOOK]
        assert docker("run", "--rm", *words).stdout == ""
        assert SECRET not in docker("history", "--no-trunc", tag).stdout
        assert SECRET not in docker("image", "inspect", tag).stdout
    finally:
        for path in PLANTED:
            (docker.context / path).unlink()


def test_an_image_that_has_grown_is_refused(docker, tmp_path):
    """The program that `make image` calls, with figures of its own beside it."""
    shutil.copytree(PROJECT / "docker", tmp_path / "docker")
    figures = tmp_path / "docker" / "sizes.json"
    asked = docker("image", "inspect", "--format", "{{.Size}}", "tfod-backup:latest")
    now = round(int(asked.stdout) / 1e6)

    def sizes(recorded: int, *more: str) -> subprocess.CompletedProcess[str]:
        figures.write_text(json.dumps({"sidecar": recorded}))
        command = [sys.executable, tmp_path / "docker" / "images.py", "sizes", "sidecar", *more]
        return subprocess.run(
            command, env=docker.environment, capture_output=True, text=True, check=False
        )

    fits = sizes(now)
    assert (fits.returncode, fits.stderr) == (0, "")
    small = int(now / 1.06)
    grown = sizes(small)
    assert grown.returncode == 1
    most = round(small * 1.05)
    assert grown.stdout == f"tfod-backup:latest: {now} MB (recorded: {small}, at most {most})\n"
    assert grown.stderr.splitlines() == [
        "error: tfod-backup:latest has grown; find out by what: docker history tfod-backup:latest",
        "hint: if it must be: python docker/images.py sizes sidecar --record",
    ]
    assert sizes(small, "--record").returncode == 0
    assert json.loads(figures.read_text()) == {"sidecar": now}


@pytest.fixture
def mirror(models, monkeypatch) -> Iterator[str]:
    """The small zoo model's archive over HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(models.parent / "mirror"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_model_that_is_baked_in_is_there_without_a_network(docker, mirror, monkeypatch):
    monkeypatch.setenv("TFOD_ZOO_MIRROR", mirror)
    words = program("images").build_words("cpu", docker.context, "host", MODEL)
    words[words.index("-t") + 1] = "tfod:baked"
    docker(*words)
    alone = ["--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "tfod:baked"]
    where = docker("run", *alone, "zoo", "path", MODEL).stdout.strip()
    assert where == "/opt/tfod/models/ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
    docker("run", *alone, "zoo", "verify", MODEL)
    docker("image", "rm", "tfod:baked")
