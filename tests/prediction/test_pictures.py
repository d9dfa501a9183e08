"""Finding and reading pictures, whatever kind they are."""

from __future__ import annotations

import os
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.dataset.voc_dataset import png_header
from tests.prediction.conftest import encoded, scene, turned
from tfod_toolkit.errors import MissingInputError
from tfod_toolkit.prediction import pictures as module
from tfod_toolkit.prediction.pictures import (
    Picture,
    Unreadable,
    find_pictures,
    read_ahead,
    read_picture,
    windows,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/c.jpg", "deep/d.webp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(folder, *words):
    return [str(path.relative_to(folder)) for path in find_pictures(words)]


def test_files_folders_and_patterns_are_found_once_each(folder):
    assert names(folder, str(folder)) == ["a.png", "b.JPG"]
    assert names(folder, f"{folder}/*.JPG") == ["b.JPG"]
    assert names(folder, f"{folder}/**/*.jpg") == ["deep/c.jpg"]
    assert names(folder, str(folder / "notes.txt")) == ["notes.txt"]
    assert names(folder, str(folder / "b.JPG"), str(folder)) == ["b.JPG", "a.png"]


def test_commas_separate_names_but_may_be_in_one(folder):
    (folder / "x, y.png").touch()
    assert names(folder, f"{folder}/a.png, {folder}/deep") == [
        "a.png",
        "deep/c.jpg",
        "deep/d.webp",
    ]
    assert names(folder, f"{folder}/x, y.png") == ["x, y.png"]


def test_nothing_found_at_all_says_what_was_looked_for(folder):
    with pytest.raises(MissingInputError, match=r"no pictures found in .*absent\.jpg, .*none/\*"):
        find_pictures([f"{folder}/absent.jpg", f"{folder}/none/*"])
    (folder / "empty").mkdir()
    with pytest.raises(MissingInputError) as caught:
        find_pictures([f"{folder}/empty"])
    assert "jpg" in caught.value.hint


def test_what_is_missing_among_others_is_not_forgotten(folder):
    (folder / "empty").mkdir()
    found = find_pictures([f"{folder}/a.png", f"{folder}/z*.jpg", f"{folder}/empty"])
    reasons = [read_picture(path).reason for path in found[1:]]
    assert reasons[0].endswith("z*.jpg is not there")
    assert "empty is a folder without pictures" in reasons[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    image = scene()
    (tmp_path / "photo.png").write_bytes(turned(image, orientation))
    picture = read_picture(tmp_path / "photo.png")
    assert isinstance(picture, Picture)
    np.testing.assert_array_equal(picture.image, image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16", "YCbCr", "F"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    light = np.zeros((120, 160, 3), np.uint8)
    light[20:60, 30:110] = 230
    image = Image.fromarray(light)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "LA":
        image = image.convert("L").convert("LA")
    else:
        image = image.convert(mode)
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF"}.get(mode, "PNG")
    (tmp_path / "photo").write_bytes(encoded(image, kind))
    picture = read_picture(tmp_path / "photo")
    assert isinstance(picture, Picture)
    assert picture.image.shape == (120, 160, 3)
    assert picture.image.dtype == np.uint8
    assert picture.image[40, 70].min() > 200
    assert picture.image[100, 10].max() < 50


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"not a picture at all", "is not an image"),
        (encoded(scene(), "JPEG")[:700], "cannot be decoded"),
        (png_header(60_000, 60_000), "is too large"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, data, reason):
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    unreadable = read_picture(path)
    assert isinstance(unreadable, Unreadable)
    assert str(path) in unreadable.reason
    assert reason in unreadable.reason


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    read = read_picture(tmp_path / "pipe.jpg")
    assert isinstance(read, Unreadable)
    assert "not a file, but a pipe" in read.reason


def test_a_large_picture_is_read_without_a_warning(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("L", (30_000, 3_000)).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path).image.shape == (3_000, 30_000, 3)


def test_a_colour_profile_is_kept_where_the_colours_are(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "rgb.png").write_bytes(encoded(scene(), icc_profile=profile))
    assert read_picture(tmp_path / "rgb.png").profile == profile
    cmyk = Image.fromarray(scene()).convert("CMYK")
    (tmp_path / "cmyk.jpg").write_bytes(encoded(cmyk, "JPEG", icc_profile=profile))
    assert read_picture(tmp_path / "cmyk.jpg").profile is None


def test_reading_ahead_keeps_the_order_and_stays_bounded(monkeypatch, tmp_path):
    started = []
    lock = threading.Lock()

    def read(path):
        with lock:
            started.append(path)
        return Unreadable(path, "")

    monkeypatch.setattr(module, "read_picture", read)
    paths = [tmp_path / str(number) for number in range(20)]
    reading = read_ahead(paths, threads=3, ahead=5)
    assert next(reading).path == paths[0]
    assert len(started) <= 6
    assert [item.path for item in reading] == paths[1:]


def test_windows_are_cut_by_count_and_by_pixels(tmp_path):
    small = Picture(tmp_path, np.zeros((10, 10, 3), np.uint8), None)
    large = Picture(tmp_path, np.zeros((30, 30, 3), np.uint8), None)
    broken = Unreadable(tmp_path, "")
    assert [len(window) for window in windows([small] * 5, count=2)] == [2, 2, 1]
    assert [len(window) for window in windows([small] * 20, count=8)] == [2, 4, 8, 6]
    stream = [small, large, broken, small, large]
    assert [len(window) for window in windows(stream, pixels=900)] == [2, 3]
