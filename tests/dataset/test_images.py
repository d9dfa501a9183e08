"""Images of every kind become RGB; what cannot says why."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.dataset.voc_dataset import encoded, picture
from tfod_toolkit.dataset import decode_image
from tfod_toolkit.dataset.images import image_size
from tfod_toolkit.errors import BadDataError

RGB = np.asarray(picture())


def close(found: np.ndarray, expected: np.ndarray = RGB, within: float = 6) -> bool:
    same = found.shape == expected.shape and found.dtype == np.uint8
    return same and np.abs(found.astype(int) - expected).mean() <= within


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 95}),
        ("BMP", {}),
        ("TIFF", {}),
        ("GIF", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_formats(kind, options):
    assert close(decode_image(encoded(picture(), kind, **options), "x"))


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK", "YCbCr"])
def test_colour_modes(mode):
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
    image = picture(mode=mode)
    assert close(decode_image(encoded(image, kind), "x"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey(mode):
    grey = np.asarray(picture(mode="L"))
    found = decode_image(encoded(picture(mode=mode), "PNG"), "x")
    assert close(found, np.repeat(grey[..., None], 3, axis=-1), within=0)


def test_black_and_white():
    found = decode_image(encoded(picture(mode="1"), "PNG"), "x")
    assert set(np.unique(found)) <= {0, 255}


def test_16_bits_keep_their_upper_half():
    values = (np.arange(64 * 48, dtype=np.uint32) * 21 % 65536).astype(np.uint16).reshape(48, 64)
    found = decode_image(encoded(Image.fromarray(values), "PNG"), "x")
    np.testing.assert_array_equal(found[..., 0], values >> 8)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_floating_point_keeps_its_range():
    ramp = np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(48, 64)
    found = decode_image(encoded(Image.fromarray(ramp), "TIFF"), "x")
    np.testing.assert_allclose(found[..., 1], ramp * 255, atol=1)


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    image.putpixel((1, 2), (10, 20, 30, 255))
    found = decode_image(encoded(image, "PNG"), "x")
    assert found[2, 1].tolist() == [10, 20, 30]
    assert found[0, 0].tolist() == [255, 255, 255]


def with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), "JPEG", quality=95, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_only_when_asked(orientation):
    from PIL import ImageOps

    data = with_orientation(orientation)
    assert close(decode_image(data, "x"))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(decode_image(data, "x", upright=True), expected)


def test_exif_without_sense_is_passed_over():
    data = with_orientation(6)
    broken = data.replace(b"Exif\x00\x00", b"Exif\x00\x00\xff\xff\xff\xff", 1)
    assert decode_image(broken, "x", upright=True).shape[2] == 3
    assert close(decode_image(with_orientation(77), "x", upright=True))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "some.jpg is empty (0 bytes)"),
        (b"\0" * 500, "some.jpg is not an image: it holds nothing but zeros"),
        (b"<!DOCTYPE html><p>404", "it is an HTML page (a failed download?)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<?xml version='1.0'?><svg/>", "it is an SVG drawing"),
        (b"\0\0\0\x18ftypheic\0\0", "it is HEIC"),
        (b"hello", "some.jpg is not an image that can be read"),
        (encoded(picture())[:700], "some.jpg cannot be decoded: image file is truncated"),
        (encoded(picture((300, 300)), "PNG")[:900], "some.jpg cannot be decoded"),
    ],
)
def test_what_cannot_be_decoded_says_why(data, says):
    with pytest.raises(BadDataError) as caught:
        decode_image(data, "some.jpg")
    assert says in caught.value.message
    assert caught.value.hint


def test_a_size_that_cannot_be_true(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BadDataError, match=r"some.jpg is too large: "):
        decode_image(encoded(picture((100, 100))), "some.jpg")


def test_the_size_alone():
    assert image_size(encoded(picture((30, 20))), "x") == (30, 20)
