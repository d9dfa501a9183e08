"""Pictures in, drawn copies and ``detections.json`` out, by a real exported model."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import GROUND, RED, encoded, scene, turned
from tfod_toolkit.errors import CannotWriteError, MissingInputError, UsageError
from tfod_toolkit.prediction import PredictRequest, Wish, color_of, predict
from tfod_toolkit.prediction.naming import drawn_copies
from tfod_toolkit.prediction.outputs import write_image

BALL = color_of(2)


def run(model, out, *images, **options):
    results = []
    wish = Wish(options.pop("min_confidence", 0.5))
    request = PredictRequest(model, [str(image) for image in images], out, wish=wish, **options)
    summary = predict(request, results.append)
    assert summary.done + summary.unreadable == len(results)
    return results, json.loads((out / "detections.json").read_text())


def test_a_drawn_copy_is_the_picture_with_the_box_where_the_thing_is(red_model, tmp_path):
    image = scene()
    (tmp_path / "photo.png").write_bytes(encoded(image))
    _, (entry,) = run(red_model, tmp_path / "out", tmp_path / "photo.png")
    assert entry["image"] == str(tmp_path / "photo.png")
    assert (entry["width"], entry["height"]) == (160, 120)
    assert entry["detections"] == [
        {
            "class": "ball",
            "class_id": 2,
            "score": 0.9,
            "box": [0.16667, 0.1875, 0.5, 0.6875],
            "box_px": [20.0, 30.0, 60.0, 110.0],
        }
    ]
    drawn = np.asarray(Image.open(tmp_path / "out" / entry["drawn"]))
    assert drawn.shape == image.shape
    assert tuple(drawn[20, 70]) == tuple(drawn[59, 70]) == BALL
    assert tuple(drawn[40, 30]) == tuple(drawn[40, 109]) == BALL
    np.testing.assert_array_equal(drawn[60:], image[60:])  # below the box nothing is drawn
    np.testing.assert_array_equal(drawn[:, :29], image[:, :29])
    np.testing.assert_array_equal(drawn[28:52, 38:102], image[28:52, 38:102])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_boxes_land_on_the_right_pixels_of_a_turned_photograph(red_model, tmp_path, orientation):
    image = scene(width=200, height=120, box=(60, 150, 100, 190))
    (tmp_path / "phone.png").write_bytes(turned(image, orientation))
    _, (entry,) = run(red_model, tmp_path / "out", tmp_path / "phone.png")
    assert (entry["width"], entry["height"]) == (200, 120)
    assert entry["detections"][0]["box_px"] == [60.0, 150.0, 100.0, 190.0]
    with Image.open(tmp_path / "out" / "phone.png") as copy:
        assert not copy.getexif().get(0x0112)  # upright as it is: nothing must turn it again
        drawn = np.asarray(copy)
    assert drawn.shape == (120, 200, 3)
    assert tuple(drawn[60, 170]) == tuple(drawn[99, 170]) == tuple(drawn[80, 150]) == BALL
    np.testing.assert_array_equal(drawn[:, :120], image[:, :120])


def test_formats_are_kept_and_colours_true(red_model, tmp_path):
    image = scene()
    kinds = {"a.jpg": "JPEG", "b.PNG": "PNG", "c.webp": "WEBP", "d.bmp": "BMP", "e.tif": "TIFF"}
    for name, kind in kinds.items():
        options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
        (tmp_path / name).write_bytes(encoded(image, kind, **options))
    (tmp_path / "f.gif").write_bytes(encoded(image, "GIF"))
    _, entries = run(red_model, tmp_path / "out", tmp_path)
    drawn = {entry["drawn"]: entry["detections"] for entry in entries}
    assert list(drawn) == ["a.jpg", "b.PNG", "c.webp", "d.bmp", "e.tif", "f.png"]
    for name, detections in drawn.items():
        with Image.open(tmp_path / "out" / name) as copy:
            assert copy.format == kinds.get(name, "PNG")
            pixels = np.asarray(copy.convert("RGB")).astype(int)
        assert len(detections) == 1, name
        assert np.abs(pixels[100, 20] - GROUND).max() <= 4, name
        assert np.abs(pixels[40, 70] - RED).max() <= 12, name


def test_a_colour_profile_goes_with_the_colours(red_model, tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "photo.jpg").write_bytes(encoded(scene(), "JPEG", icc_profile=profile))
    run(red_model, tmp_path / "out", tmp_path / "photo.jpg")
    with Image.open(tmp_path / "out" / "photo.jpg") as copy:
        assert copy.info["icc_profile"] == profile


def test_unreadable_pictures_are_named_and_the_rest_done(red_model, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "b.png").write_bytes(encoded(scene()))
    (tmp_path / "c.png").write_bytes(encoded(scene())[:200])
    results, entries = run(
        red_model, tmp_path / "out", tmp_path, str(tmp_path / "gone.jpg"), min_confidence=0.2
    )
    assert [bool(result.reason) for result in results] == [True, False, True, True]
    assert "HTML" in entries[0]["error"]
    assert entries[3] == {
        "image": str(tmp_path / "gone.jpg"),
        "error": f"{tmp_path / 'gone.jpg'} is not there",
    }
    assert [found["class"] for found in entries[1]["detections"]] == ["ball", "brick"]
    assert results[1].line == f"{tmp_path / 'b.png'}: 1 ball (90%), 1 brick (30%)"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.png", "detections.json"}


def test_one_name_in_two_folders_gives_two_copies(red_model, tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "photo.png").write_bytes(encoded(scene()))
    _, entries = run(red_model, tmp_path / "out", tmp_path / "one", tmp_path / "two", prefix="P_")
    assert [entry["drawn"] for entry in entries] == ["P_photo.png", "P_photo-2.png"]
    assert (tmp_path / "out" / "P_photo-2.png").is_file()


def test_copies_never_share_a_name(tmp_path):
    paths = [tmp_path / name for name in ("a/1.png", "b/1.gif", "c/1-2.png", "d/1.PNG")]
    targets = drawn_copies(paths, tmp_path / "out")
    assert [target.name for target in targets.values()] == [
        "1.png",
        "1-2.png",
        "1-2-2.png",
        "1-3.PNG",
    ]


def test_the_pictures_themselves_are_never_replaced(red_model, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(scene()))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="would replace the picture") as caught:
        run(red_model, tmp_path, path)
    assert "--prefix" in caught.value.hint
    assert path.read_bytes() == before
    run(red_model, tmp_path, path, prefix="found_")
    assert path.read_bytes() == before


def test_nothing_to_look_at_is_said_before_the_model_is_loaded(tmp_path):
    with pytest.raises(MissingInputError, match="no pictures found"):
        run(tmp_path / "absent_model", tmp_path / "out", tmp_path / "*.jpg")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named_before_the_model_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "photo.png").write_bytes(encoded(scene()))
    (tmp_path / "file").touch()
    with pytest.raises(CannotWriteError, match=r"cannot write .*file/out: Not a directory"):
        run(tmp_path / "absent_model", tmp_path / "file" / "out", tmp_path / "photo.png")

    def refuse(self, *args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(CannotWriteError, match="Permission denied") as caught:
        run(tmp_path / "absent_model", tmp_path / "out", tmp_path / "photo.png")
    assert "a folder you may write to" in caught.value.hint


def test_a_full_disk_leaves_no_half_of_a_picture(tmp_path, monkeypatch):
    def full(self, data):
        self.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(CannotWriteError, match=r"cannot write .*a\.png: No space left") as caught:
        write_image(scene(), tmp_path / "a.png")
    assert "free some space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
