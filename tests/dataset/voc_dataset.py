"""A small PASCAL VOC dataset to break in tests."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


def picture(size: tuple[int, int] = (64, 48), mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture that differs from pixel to pixel, but smoothly."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height):
    """A PNG that claims a size, and holds next to nothing."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + ends


def voc_object(
    name: str = "cat",
    box: tuple[object, object, object, object] = (10, 12, 30, 40),
    extra: str = "",
) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in sides)
    return f"<object><name>{name}</name>{extra}<bndbox>{inner}</bndbox></object>"


def voc_xml(
    filename: str | None, *objects: str, size: tuple[int, int] | None = (64, 48), extra: str = ""
) -> str:
    named = f"<filename>{filename}</filename>" if filename is not None else ""
    sized = ""
    if size:
        sized = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation>{named}{sized}{extra}{''.join(objects)}</annotation>"


@dataclass
class Voc:
    """A dataset being written."""

    folder: Path

    def add(
        self,
        stem: str,
        *objects: str,
        image: bytes | None = None,
        suffix: str = ".jpg",
        xml: str | bytes | None = None,
        **options: object,
    ) -> None:
        for part in ("Annotations", "JPEGImages"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        data = encoded(picture(seed=sum(stem.encode()))) if image is None else image
        (self.folder / "JPEGImages" / f"{stem}{suffix}").write_bytes(data)
        if xml is None:
            xml = voc_xml(f"{stem}{suffix}", *(objects or (voc_object(),)), **options)
        self.annotation(stem).write_bytes(xml.encode() if isinstance(xml, str) else xml)

    def annotation(self, stem: str) -> Path:
        return self.folder / "Annotations" / f"{stem}.xml"

    def image(self, stem: str, suffix: str = ".jpg") -> Path:
        return self.folder / "JPEGImages" / f"{stem}{suffix}"

    def list(self, split: str, *names: str) -> None:
        lists = self.folder / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def cats_and_faults(folder: Path, count: int) -> Voc:
    """So many images of a cat; each ninth has a dog without an area, too."""
    dataset = Voc(folder)
    for number in range(count):
        objects = [voc_object("cat")] + [voc_object("dog", (3, 3, 3, 9))] * (number % 9 == 0)
        dataset.add(f"image{number:02d}", *objects)
    return dataset
