"""``tfod container`` as a process: every fault a line and a code, before TensorFlow is loaded."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import tfod
from tests.sidecar.conftest import BUCKET
from tfod_toolkit.cloud.session import s3_client

MODEL = "SSD MobileNet v2 320x320"


def words(folder: Path, records: object, *more: str) -> list[str]:
    places = [folder / "models", folder / "training", folder / "exported_model", records]
    return ["--tensorboard-port", "0", *map(str, places), MODEL, *more]


def test_words_are_counted():
    done = tfod("container", "--tensorboard-port", "0", "a", "b")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: the job takes 5 to 7 words, not 2",
    )


def test_a_verb_in_place_of_the_job():
    assert "SSD MobileNet" in tfod("container", "zoo", "list").stdout
    assert tfod("container", "--version").stdout.startswith("tfod, version")
    assert tfod("container", "--healthy").returncode == 0


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = ["--tensorboard-port", port, *words(tmp_path, tmp_path)[2:]]
        done = tfod("container", *given)
    assert done.returncode == 69
    assert f"error: TensorBoard's port 127.0.0.1:{port} is in use" in done.stderr
    assert not (tmp_path / "training").exists()


@pytest.mark.parametrize(
    ("records", "more", "said"),
    [
        ("none", [], "the folder of records none is not there"),
        (".", ["no.config"], "there is no override no.config"),
        (".", ["", "no.json"], "there is no hyperparameters file no.json"),
        ("s3://no-such-bucket/records", [], "there is no bucket no-such-bucket"),
        (f"s3://{BUCKET}/records", [], f"s3://{BUCKET}/records has no training.record"),
        (".", [f"s3://{BUCKET}/no.config"], f"there is no override s3://{BUCKET}/no.config"),
    ],
)
def test_inputs_that_are_not_there(proxy, sample_records, tmp_path, records, more, said):  # noqa: PLR0917 -- fixtures and a case
    given = sample_records if records == "." else records
    done = tfod("container", "--inputs", tmp_path / "in", *words(tmp_path, given, *more))
    assert done.returncode == 66, done.stderr
    assert f"error: {said}" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("my.config", "train_config { batch_size: 4", "override my.config: line 1"),
        ("my.config", "train_config { bach_size: 4 }", "override my.config: line 1"),
        ("my.json", '{"batch_size": }', "my.json: line 1, column 16"),
        ("my.json", '{"bach_size": 4}', "my.json: there is no hyperparameter 'bach_size'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_before_a_model_is_fetched(  # noqa: PLR0917 -- a case
    sample_records, monkeypatch, tmp_path, name, text, said
):
    monkeypatch.setenv("TFOD_ZOO_MIRROR", str(tmp_path / "no mirror"))
    (tmp_path / name).write_text(text)
    more = [name] if name == "my.config" else ["", name]
    done = tfod("container", *words(tmp_path, sample_records, *more), cwd=tmp_path)
    assert done.returncode == 78, done.stderr
    assert f"error: {said}" in done.stderr


def test_s3_that_refuses(proxy, monkeypatch, tmp_path):
    given = words(tmp_path, f"s3://{BUCKET}/records")
    body = b"<Error><Code>AccessDenied</Code></Error>"
    proxy.fault = lambda method, path: (403, [], body)
    done = tfod("container", "--inputs", tmp_path / "in", *given)
    assert done.returncode == 77
    assert "hint: ask for s3:ListBucket on it" in done.stderr
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    done = tfod("container", "--inputs", tmp_path / "in", *given)
    assert done.returncode == 77
    assert "there are no AWS credentials" in done.stderr


def test_sigterm_while_records_are_brought(proxy, emulator, sample_records, tmp_path):
    client = s3_client(endpoint=emulator)
    for path in sample_records.iterdir():
        client.put_object(Bucket=BUCKET, Key=f"records/{path.name}", Body=path.read_bytes())
    command = [sys.executable, "-m", "tfod_toolkit", "container", "--inputs", str(tmp_path / "in")]
    process = subprocess.Popen(
        [*command, *words(tmp_path, f"s3://{BUCKET}/records")], stderr=subprocess.PIPE, text=True
    )

    def stop(method: str, path: str) -> object:
        if method == "GET" and path.endswith("training.record"):
            os.kill(process.pid, signal.SIGTERM)
            return "hang"
        return None

    proxy.fault = stop
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if "SIGTERM" in line:
            proxy.released.set()
    assert process.wait(60) == 75, said
    assert "run the same command again" in said
