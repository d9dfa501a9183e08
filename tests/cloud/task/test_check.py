"""The merged config is checked on this machine before anything is uploaded or started."""

from __future__ import annotations

import io
import tarfile

import boto3
import pytest

from tests.cloud.task.test_commands import run
from tfod_toolkit.zoo import find

MODEL = find("SSD MobileNet v2 320x320")


@pytest.fixture
def zoo(tmp_path, shared_data, monkeypatch):
    """A mirror with one model: the zoo's own config, and a checkpoint in name only."""
    config = shared_data / "pipelines" / f"{MODEL.archive}.config"
    files = {
        "pipeline.config": config.read_bytes(),
        "checkpoint/checkpoint": b'model_checkpoint_path: "ckpt-0"\n',
        "checkpoint/ckpt-0.index": b"index",
        "checkpoint/ckpt-0.data-00000-of-00001": b"data",
    }
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with tarfile.open(mirror / f"{MODEL.archive}.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{MODEL.archive}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("TFOD_ZOO_MIRROR", str(mirror))
    monkeypatch.setenv("TFOD_ZOO_CACHE", str(tmp_path / "zoo"))
    monkeypatch.delenv("TFOD_ZOO_LOCK", raising=False)
    monkeypatch.chdir(tmp_path)


def nothing_was_sent(cloud):
    there = boto3.client("s3").list_objects_v2(Bucket="data")
    return not there.get("Contents") and not cloud.runs()


def test_a_config_that_fits_is_started(capsys, stack, cloud, zoo, sample_records):
    code, _, err = run(capsys, "runtask", stack, sample_records, MODEL.name, "--name", "first",
                       "--detach", "--set", "train_config.batch_size=4")  # fmt: skip
    assert code == 0, err
    assert cloud.find("first").status == "RUNNING"


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    "wrong",
    [("train_config.batch_sise=4", 2), ("model.ssd.num_classes=1", 78)],
)
def test_one_that_does_not_costs_nothing(capsys, stack, cloud, sample_records, wrong):
    """A typing error, and a number of classes that the records exceed."""
    assignment, code = wrong
    found, out, err = run(capsys, "runtask", stack, sample_records, MODEL.name, "--name", "first",
                          "--detach", "--set", assignment)  # fmt: skip
    assert found == code, out + err
    assert nothing_was_sent(cloud)


def test_a_model_that_is_not_in_the_zoo_costs_nothing(capsys, stack, cloud, sample_records):
    code, _, err = run(capsys, "runtask", stack, sample_records, "SSD MobileNet v9 320x320")
    assert (code, "the zoo has no model 'SSD MobileNet v9 320x320'" in err) == (2, True), err
    assert "did you mean SSD MobileNet v2 320x320" in err
    assert nothing_was_sent(cloud)


def test_records_in_s3_are_not_looked_for_here(capsys, stack, cloud, zoo):
    for name in ("training.record", "testing.record", "classes.pbtxt"):
        boto3.client("s3").put_object(Bucket="data", Key=f"mine/{name}", Body=b"")
    code, out, err = run(capsys, "runtask", stack, "s3://data/mine", MODEL.name, "--name", "first",
                         "--detach")  # fmt: skip
    assert code == 0, out + err


def test_an_override_that_is_not_there(capsys, stack, cloud, zoo):
    code, _, err = run(capsys, "runtask", stack, "s3://data/mine", MODEL.name, "none.config")
    assert (code, "none.config" in err) == (66, True), err
    assert nothing_was_sent(cloud)
