"""Images and boxes come to one frame, whatever way the picture was stored."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.dataset.voc_dataset import encoded, picture
from tfod_toolkit.dataset import Annotation, LabelMap, Sample, decode_image
from tfod_toolkit.dataset.conversion import ConvertSettings, convert
from tfod_toolkit.dataset.examples import parse_example

WIDTH, HEIGHT = 64, 48
BOX = (20.0, 8.0, 28.0, 24.0)  # ymin, xmin, ymax, xmax, in the picture as it is stored
SETTINGS = ConvertSettings(LabelMap.of(["mark"]))


def marked() -> Image.Image:
    """A black picture with a white mark where :data:`BOX` is."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[20:28, 8:24] = 255
    return Image.fromarray(pixels)


def sample(path: Path, data: bytes, size: tuple[int, int] | None, box=BOX, mask=None) -> Sample:
    path.write_bytes(data)
    annotation = Annotation("mark", box, "object 1", 1)
    return Sample(path, path.with_suffix(".xml"), size, (annotation,), mask=mask)


def oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(marked(), "JPEG", quality=95, exif=exif)


def upright(data: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data)))


def box_of_mark(image: np.ndarray) -> list[float]:
    rows, columns = (np.flatnonzero((image[..., 0] > 128).any(axis)) for axis in (1, 0))
    height, width = image.shape[:2]
    return [
        rows[0] / height,
        columns[0] / width,
        (rows[-1] + 1) / height,
        (columns[-1] + 1) / width,
    ]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_pictures_on_their_side_are_stored_upright(tmp_path, orientation, frame):
    data = oriented(orientation)
    turned = upright(data)
    box, size = BOX, (WIDTH, HEIGHT)
    if frame == "upright":
        box = tuple(np.array(box_of_mark(np.asarray(turned))) * [WIDTH, HEIGHT, WIDTH, HEIGHT])
        size = (HEIGHT, WIDTH)
    converted = convert(sample(tmp_path / "x.jpg", data, size, box), "x", SETTINGS)
    assert converted.faults == ()
    example = parse_example(converted.record, "x")
    assert (example.width, example.height) == turned.size == (HEIGHT, WIDTH)
    found = decode_image(example.image, "x", upright=True)
    assert np.abs(found.astype(int) - np.asarray(turned)).mean() < 2
    np.testing.assert_allclose(example.boxes[0], box_of_mark(found), atol=1e-6)
    assert "is turned upright as its EXIF orientation says" in [n.text for n in converted.notes]


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_pictures_whose_frame_cannot_be_told_are_taken_upright_and_noted(tmp_path, orientation):
    data = oriented(orientation)
    box = tuple(np.array(box_of_mark(np.asarray(upright(data)))) * [HEIGHT, WIDTH, HEIGHT, WIDTH])
    converted = convert(sample(tmp_path / "x.jpg", data, (WIDTH, HEIGHT), box), "x", SETTINGS)
    example = parse_example(converted.record, "x")
    np.testing.assert_allclose(
        example.boxes[0], box_of_mark(decode_image(example.image, "x")), atol=1e-6
    )
    assert any("taken to be made for it upright" in note.text for note in converted.notes)


def test_boxes_without_a_size_are_in_the_frame_that_holds_them(tmp_path):
    data = oriented(6)
    wide = (2.0, 10.0, 10.0, 60.0)  # only the stored picture is 60 wide
    converted = convert(sample(tmp_path / "x.jpg", data, None, wide), "x", SETTINGS)
    example = parse_example(converted.record, "x")
    np.testing.assert_allclose(example.boxes[0], [10 / 64, 38 / 48, 60 / 64, 46 / 48])


def test_boxes_made_for_another_resolution_are_scaled(tmp_path):
    double = tuple(side * 2 for side in BOX)
    data = encoded(marked())
    converted = convert(sample(tmp_path / "x.jpg", data, (128, 96), double), "x", SETTINGS)
    example = parse_example(converted.record, "x")
    np.testing.assert_allclose(example.boxes[0], [20 / 48, 8 / 64, 28 / 48, 24 / 64])
    assert any("another resolution" in note.text for note in converted.notes)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encoded(picture()), "jpeg"),
        (encoded(picture(mode="L")), "jpeg"),
        (encoded(picture(), "JPEG", progressive=True), "jpeg"),
        (encoded(picture(), "PNG"), "png"),
        (encoded(picture(mode="L"), "PNG"), "png"),
    ],
)
def test_what_tfod_reads_is_stored_as_it_is(tmp_path, data, kind):
    suffix = {"jpeg": ".jpg", "png": ".png"}[kind]
    converted = convert(sample(tmp_path / f"x{suffix}", data, None), "x", SETTINGS)
    example = parse_example(converted.record, "x")
    assert example.image == data
    assert converted.notes == ()


GREY16 = Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21)


@pytest.mark.parametrize(
    ("image", "saved_as", "stored_as", "says"),
    [
        (picture(mode="CMYK"), "JPEG", "JPEG", "has the colour mode CMYK, and is stored as RGB"),
        (picture(mode="RGBA"), "PNG", "PNG", "has the colour mode RGBA, and is stored as RGB"),
        (picture(mode="P"), "PNG", "PNG", "has the colour mode P, and is stored as RGB"),
        (GREY16, "PNG", "PNG", "has 16 bits a channel, and is stored with 8"),
        (picture(), "BMP", "PNG", "is BMP, and is stored as PNG"),
        (picture(), "WEBP", "PNG", "is WEBP, and is stored as PNG"),
        (picture(mode="P"), "GIF", "PNG", "is GIF, and is stored as PNG"),
        (GREY16, "TIFF", "PNG", "is TIFF, and is stored as PNG"),
    ],
)
def test_what_tfod_does_not_read_is_converted(tmp_path, image, saved_as, stored_as, says):
    data = encoded(image, saved_as)
    path = tmp_path / f"x.{saved_as.lower()}"
    converted = convert(sample(path, data, None), "x", SETTINGS)
    example = parse_example(converted.record, "x")
    with Image.open(io.BytesIO(example.image)) as stored:
        assert (stored.format, stored.mode) == (stored_as, "RGB")
    expected = decode_image(data, "x").astype(int)
    assert np.abs(decode_image(example.image, "x") - expected).mean() < 5
    assert [note.text for note in converted.notes] == [says]


def test_masks_are_turned_with_their_picture(tmp_path):
    data = oriented(6)
    mask = tmp_path / "mask.png"
    numbers = (np.asarray(marked())[..., 0] > 0).astype(np.uint8)
    Image.fromarray(numbers).save(mask)
    settings = ConvertSettings(LabelMap.of(["mark"]), masks=True)
    one = sample(tmp_path / "x.jpg", data, (WIDTH, HEIGHT), mask=mask)
    example = parse_example(convert(one, "x", settings).record, "x")
    found = decode_image(example.masks[0], "mask")
    np.testing.assert_allclose(example.boxes[0], box_of_mark(found), atol=1e-6)


def test_an_image_that_may_not_be_read(tmp_path, monkeypatch):
    one = sample(tmp_path / "x.jpg", encoded(marked()), None)

    def refused(sample: Sample) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tfod_toolkit.dataset.fitting.image_bytes", refused)
    converted = convert(one, "x", SETTINGS)
    assert converted.record is None
    assert str(converted.faults[0]) == f"{tmp_path / 'x.jpg'}: cannot be read: Permission denied"


def test_an_image_too_large_for_memory(tmp_path, monkeypatch):
    one = sample(tmp_path / "x.jpg", encoded(marked()), None)

    def too_large(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tfod_toolkit.dataset.fitting.stored_image", too_large)
    assert convert(one, "x", SETTINGS).faults[0].reason == "is too large for this machine"
