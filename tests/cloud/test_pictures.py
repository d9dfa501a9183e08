"""``tfod predict`` on pictures and videos of S3, through an emulator over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.cloud.test_objects import s3 as s3  # noqa: PLC0414 -- a fixture
from tests.prediction.conftest import encoded, scene
from tests.prediction.conftest import red_model as red_model  # noqa: PLC0414 -- a fixture
from tests.prediction.test_videos import film
from tfod_toolkit.cli import main
from tfod_toolkit.cloud.pictures import S3Store
from tfod_toolkit.cloud.prefix import AbsentError
from tfod_toolkit.errors import UsageError

BUCKET = "pictures-to-predict"
URL = f"s3://{BUCKET}/photos"


@pytest.fixture(scope="module")
def bucket(s3, tmp_path_factory):
    s3.create_bucket(Bucket=BUCKET)
    video = film(tmp_path_factory.mktemp("film") / "film.mp4", 5)
    things = {
        "photos/b.png": encoded(scene()),
        "photos/deep er/a.jpg": encoded(scene(), "JPEG"),
        "photos/broken.png": encoded(scene())[:300],
        "photos/film.mp4": video.read_bytes(),
        "photos/notes.txt": b"none",
        "photosets/other.png": encoded(scene()),
    }
    for key, content in things.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    yield s3
    for key in things:
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)


def call(*words):
    with pytest.raises(SystemExit) as caught:
        main(["predict", *map(str, words)])
    return caught.value.code


def test_what_lies_below_a_prefix_is_listed(bucket):
    names = ["b.png", "broken.png", "deep er/a.jpg", "film.mp4", "notes.txt"]
    for address in (URL, f"{URL}/"):
        assert S3Store().listing(address) == [f"{URL}/{name}" for name in names]
    assert S3Store().listing(f"{URL}/b.png") == [f"{URL}/b.png"]


def test_objects_are_read_and_brought(bucket, tmp_path):
    store = S3Store()
    assert store.read(f"{URL}/notes.txt") == b"none"
    store.download(f"{URL}/notes.txt", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_bytes() == b"none"
    with pytest.raises(AbsentError, match="there is no s3://pictures-to-predict/photos/none"):
        store.read(f"{URL}/none.png")
    with pytest.raises(UsageError):
        store.read(f"s3://{BUCKET}")


def test_pictures_and_videos_of_a_prefix_are_looked_at(bucket, red_model, tmp_path, capsys):
    out = tmp_path / "out"
    kinds = "pictures,json,labelme,voc"
    words = [URL, f"{URL}/gone.png", tmp_path / "none.png"]
    assert call(red_model, *words, "--out", out, "--write", kinds) == 65
    said = capsys.readouterr()
    assert f"{URL}/deep er/a.jpg: 1 ball (90%)" in said.out
    assert f"{URL}/film.mp4, frame 4: 1 ball (90%)" in said.out
    assert f"error: {URL}/broken.png cannot be decoded" in said.err
    assert f"error: there is no {URL}/gone.png" in said.err
    assert f"error: {tmp_path}/none.png is not there" in said.err
    entries = json.loads((out / "detections.json").read_text())
    assert entries[0]["image"] == f"{URL}/b.png"
    assert entries[0]["detections"][0]["box_px"] == [20.0, 30.0, 60.0, 110.0]
    assert {path.name for path in out.glob("*.*")} >= {"a.jpg", "b.png", "film.mp4"}
    assert json.loads((out / "labelme" / "b.json").read_text())["imagePath"] == f"{URL}/b.png"
    assert f"<path>{URL}/b.png</path>" in (out / "voc" / "b.xml").read_text()


def test_nothing_there_is_said(bucket, red_model, tmp_path, capsys):
    assert call(red_model, f"s3://{BUCKET}/empty", "--out", tmp_path / "out") == 66
    assert f"no pictures found below s3://{BUCKET}/empty" in capsys.readouterr().err
    assert call(red_model, "s3://no-such-bucket-here/a", "--out", tmp_path / "out") == 66
    assert "there is no bucket no-such-bucket-here" in capsys.readouterr().err
    assert call(red_model, "s3://", "--out", tmp_path / "out") == 2
    assert "write s3://BUCKET/PREFIX" in capsys.readouterr().err
