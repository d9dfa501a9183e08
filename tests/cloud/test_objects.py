"""S3 through an emulator over HTTP: overrides, and a mirror of the zoo."""

from __future__ import annotations

import importlib.util
import io
import tarfile

import pytest

from tests.conftest import PROJECT, require, tfod
from tfod_toolkit.cloud.objects import open_object, read_object, split_url
from tfod_toolkit.errors import DeniedError, MissingInputError, UnavailableError, UsageError
from tfod_toolkit.zoo import NotThereError, StaleError, Zoo, find
from tfod_toolkit.zoo.lock import LockFile

BUCKET = "models"


@pytest.fixture(scope="module")
def s3():
    """A client of an emulated S3 with one bucket; the environment points to it."""
    found = importlib.util.find_spec("moto") is not None
    require("moto", found, "moto, the emulator of AWS, is not installed")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
    server.stop()


def test_an_object_is_read(s3):
    s3.put_object(Bucket=BUCKET, Key="a/b.json", Body=b"{}")
    assert read_object(f"s3://{BUCKET}/a/b.json") == b"{}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"s3://{BUCKET}/none", f"there is no object s3://{BUCKET}/none"),
        ("s3://nobucket/none", "there is no bucket nobucket (for s3://nobucket/none)"),
    ],
)
def test_an_object_that_is_not_there_is_named(s3, url, said):
    with pytest.raises(MissingInputError) as caught:
        read_object(url)
    assert caught.value.message == said


@pytest.mark.parametrize("url", ["s3://bucket", "s3:///key", "http://x/y"])
def test_what_is_no_object_is_refused(url):
    with pytest.raises(UsageError, match="is not an object in S3"):
        split_url(url)


def test_no_credentials_are_said(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(DeniedError) as caught:
        read_object(f"s3://{BUCKET}/a")
    assert caught.value.message == f"s3://{BUCKET}/a: there are no AWS credentials"


def test_nobody_at_the_endpoint_is_said(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(UnavailableError, match="Could not connect to the endpoint"):
        read_object(f"s3://{BUCKET}/a")


def test_an_object_is_gone_on_with_while_it_is_the_same(s3):
    s3.put_object(Bucket=BUCKET, Key="big", Body=b"0123456789")
    url = f"s3://{BUCKET}/big"
    with open_object(url, 0, "") as opened:
        assert (opened.start, opened.size, opened.stream.read(100)) == (0, 10, b"0123456789")
        version = opened.version
    with open_object(url, 4, version) as opened:
        assert (opened.start, opened.size, opened.stream.read(100)) == (4, 10, b"456789")
    s3.put_object(Bucket=BUCKET, Key="big", Body=b"another")
    with pytest.raises(StaleError), open_object(url, 4, version):
        pass
    with pytest.raises(NotThereError), open_object(f"s3://{BUCKET}/none", 0, ""):
        pass


def test_a_mirror_of_the_zoo(s3, tmp_path):
    model = find("EfficientDet D0")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("pipeline.config", "checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-0"):
            tar.addfile(tarfile.TarInfo(f"{model.archive}/{name}"))
    s3.put_object(Bucket=BUCKET, Key=f"zoo/{model.location}", Body=buffer.getvalue())
    lock = LockFile(tmp_path / "zoo.lock")
    zoo = Zoo(tmp_path / "cache", lock, f"s3://{BUCKET}/zoo", transports={"s3": open_object})
    assert zoo.fetch(model).checkpoint == tmp_path / "cache" / model.archive / "checkpoint/ckpt-0"


def test_an_override_and_hyperparameters(s3):
    s3.put_object(Bucket=BUCKET, Key="o.config", Body=b"train_config { num_steps: 77 }")
    s3.put_object(Bucket=BUCKET, Key="h.json", Body=b'{"batch_size": 3}')
    s3.put_object(Bucket=BUCKET, Key="bad.config", Body=b"train_config { num_step: 77 }")
    base = PROJECT / "configs" / "demo.config"
    url = f"s3://{BUCKET}"
    merged = tfod("config", "show", base, "--override", f"{url}/o.config", "--hparams",
                  f"{url}/h.json", "--field", "train_config", "--sources")  # fmt: skip
    assert f"train_config.num_steps: 77  # override {url}/o.config" in merged.stdout
    assert f"train_config.batch_size: 3  # hyperparameters {url}/h.json: batch_size" in (
        merged.stdout
    )
    refused = tfod("config", "merge", base, "--override", f"{url}/bad.config")
    assert refused.stderr.splitlines() == [
        f"error: override {url}/bad.config: line 1, column 16: TrainConfig has no field 'num_step'",
        "hint: did you mean 'num_steps'?",
    ]
