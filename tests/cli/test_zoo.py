from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.conftest import PROJECT, tfod

NAME = "SSD MobileNet v2 320x320"
ARCHIVE = "ssd_mobilenet_v2_320x320_coco17_tpu-8"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A folder with two archives in it: a detector's, with its real config, and ExtremeNet's."""
    folder = tmp_path_factory.mktemp("mirror")
    config = (shared_data / "pipelines" / f"{ARCHIVE}.config").read_bytes()
    checkpoint = {"ckpt-0.index": b"i", "ckpt-0.data-00000-of-00001": b"d"}
    detector = {f"checkpoint/{name}": content for name, content in checkpoint.items()}
    put(folder / f"{ARCHIVE}.tar.gz", {"pipeline.config": config, **detector})
    put(folder / "extremenet.tar.gz", checkpoint)
    return folder


def put(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def here(mirror: Path, tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("TFOD_ZOO_MIRROR", str(mirror))
    monkeypatch.setenv("TFOD_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_fetched_found_shown_and_verified(here: Path):
    folder = here / "cache" / ARCHIVE
    fetched = tfod("zoo", "fetch", "mobilenet v2 320x320 ssd")
    assert (fetched.returncode, fetched.stdout) == (2, "")  # FPNLite is called so too
    fetched = tfod("zoo", "fetch", NAME)
    assert (fetched.returncode, fetched.stdout) == (0, f"{folder}\n")
    assert tfod("zoo", "path", ARCHIVE).stdout == f"{folder}\n"
    shown = json.loads(tfod("zoo", "show", NAME, "--json").stdout)
    assert shown["folder"] == str(folder)
    assert len(shown["sha256"]) == 64
    assert tfod("zoo", "verify").stdout == f"{NAME}: as it was\n"
    (folder / "checkpoint/ckpt-0.index").write_bytes(b"x")
    verified = tfod("zoo", "verify", NAME)
    assert verified.returncode == 65
    assert verified.stdout.splitlines()[1] == (
        f"  {folder}/checkpoint/ckpt-0.index is not what was unpacked"
    )


def test_a_model_that_was_not_fetched_has_no_path(here: Path):
    done = tfod("zoo", "path", NAME)
    assert done.returncode == 66
    assert done.stderr.splitlines() == [
        f"error: {NAME} is not in {here}/cache",
        f"hint: fetch it: tfod zoo fetch '{NAME}'",
    ]


def test_a_lock_file_in_the_working_directory_counts(here: Path):
    (here / "zoo.lock").touch()
    tfod("zoo", "fetch", NAME)
    assert list(json.loads((here / "zoo.lock").read_text())) == [f"20200711/{ARCHIVE}.tar.gz"]
    assert not (here / "cache" / "zoo.lock").exists()


def test_a_config_is_made_of_a_model_by_name(here: Path, sample_records: Path):
    words = ("--model", NAME, "--records", sample_records, "--batch-size", 4)
    done = tfod("config", "explain", "train_config", *words)
    lines = done.stdout.splitlines()
    checkpoint = f"{here}/cache/{ARCHIVE}/checkpoint/ckpt-0"
    at = lines.index(f'train_config.fine_tune_checkpoint: "{checkpoint}"')
    assert lines[at + 1] == "  set by zoo checkpoint"
    checked = tfod("config", "check", *words, "--memory-gb", 1000)
    assert checked.returncode == 0, checked.stdout
    assert f"model.ssd.num_classes is 3, as {sample_records}/classes.pbtxt has it" in (
        checked.stdout.splitlines()
    )


def test_extremenet_asks_for_a_config(here: Path):
    done = tfod("config", "merge", "--model", "ExtremeNet")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2] == "error: ExtremeNet comes without a pipeline config"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "SSD MobileNt v2 320x320"], "the zoo has no model 'SSD MobileNt v2 320x320'"),
        (["list", "--family", "yolo"], "there is no family 'yolo'"),
        (["fetch", "retinanet50"], "'retinanet50' may be any of 2 models"),
    ],
)
def test_names_that_are_off(here: Path, words, message):
    done = tfod("zoo", *words)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"error: {message}")
