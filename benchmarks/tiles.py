"""Recall on scenes of 4000x3000 whose things are 30 pixels large: with tiles, and without.

The scenes are laid out of real photographs of blood cells (of BCCD's testing part, shrunk so that a
red cell of the middle size is 30 pixels large), and the truth is their annotations. Only red cells
of 24 to 36 pixels are counted, found with IoU 0.5 and a score of at least 0.3.

python -m benchmarks tiles     (TFOD_MODEL: an exported model that knows blood cells)
"""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from benchmarks.bccd import SEEDS, STEPS
from benchmarks.programs import PROJECT, timed, toolkit, work_folder

BCCD = PROJECT.parent / "shared" / "data" / "bccd"
WIDTH, HEIGHT, SCENES, LARGE = 4000, 3000, 3, 30
SCORE, TILES = 0.3, (160, 192, 256)


def model() -> Path:
    """The preset of the benchmark `bccd`, trained once, or another."""
    if "TFOD_MODEL" in os.environ:
        return Path(os.environ["TFOD_MODEL"])
    folder = work_folder("bccd")
    if not (folder / "records" / "dataset.json").is_file():
        timed(toolkit("dataset", "build", BCCD, folder / "records", "--allow-bad"))
    run = folder / "preset"
    words = ["--config", PROJECT / "configs" / "bccd.config", "--records", folder / "records"]
    words += ["--run", run, "--steps", STEPS, "--batch-size", 8, "--seed", SEEDS[0]]
    timed(toolkit("train", *words))
    return run / "exported_model"


def photographs() -> list[tuple[Path, list[tuple[float, ...]]]]:
    """The testing part: each file, and its red cells as xmin, ymin, xmax, ymax."""
    found = []
    for name in (BCCD / "ImageSets" / "Main" / "test.txt").read_text().split():
        tree = ET.parse(BCCD / "Annotations" / f"{name}.xml")
        boxes = [
            tuple(float(item.findtext(f"bndbox/{edge}") or 0) for edge in
                  ("xmin", "ymin", "xmax", "ymax"))
            for item in tree.iter("object") if item.findtext("name") == "RBC"
        ]  # fmt: skip
        found.append((BCCD / "JPEGImages" / f"{name}.jpg", boxes))
    return found


def side(box: tuple[float, ...]) -> float:
    """Of a square as large as a box."""
    return float(((box[2] - box[0]) * (box[3] - box[1])) ** 0.5)


def scene(number: int, path: Path) -> list[tuple[float, ...]]:
    """Lay out one scene; gives its red cells of about the right size."""
    from PIL import Image

    given = photographs()
    scale = LARGE / statistics.median(side(box) for _, boxes in given for box in boxes)
    canvas = Image.new("RGB", (WIDTH, HEIGHT))
    truth, left, top, high, place = [], 0, 0, 0, 17 * number
    while top < HEIGHT:
        file, boxes = given[place % len(given)]
        place += 1
        with Image.open(file) as photograph:
            size = (round(photograph.width * scale), round(photograph.height * scale))
            canvas.paste(photograph.resize(size, Image.Resampling.LANCZOS), (left, top))
        for box in boxes:
            at = tuple(v * scale + (left, top)[i % 2] for i, v in enumerate(box))
            if 24 <= side(at) <= 36 and at[2] <= WIDTH and at[3] <= HEIGHT:
                truth.append(at)
        left, high = left + size[0], max(high, size[1])
        if left >= WIDTH:
            left, top, high = 0, top + high, 0
    canvas.save(path, quality=95)
    return truth


def recall(truth: list[tuple[float, ...]], found: list[dict[str, Any]]) -> float:
    """The part of the truth that has a partner; each is a partner once, the surest first."""
    import numpy as np

    boxes = np.array(truth)
    free = np.ones(len(boxes), bool)
    for each in found:
        if each["class"] != "RBC":
            continue
        top, left, bottom, right = each["box_px"]
        width = np.minimum(boxes[:, 2], right) - np.maximum(boxes[:, 0], left)
        height = np.minimum(boxes[:, 3], bottom) - np.maximum(boxes[:, 1], top)
        inside = np.clip(width, 0, None) * np.clip(height, 0, None)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        overlap = inside / (areas + (right - left) * (bottom - top) - inside)
        best = int(np.argmax(np.where(free, overlap, -1)))
        if overlap[best] >= 0.5:
            free[best] = False
    return float(1 - free.mean())


def main() -> None:
    """Print the recall of each way to look."""
    folder = work_folder("tiles")
    truths = [scene(number, folder / f"{number}.jpg") for number in range(SCENES)]
    print(f"  {SCENES} scenes of {WIDTH}x{HEIGHT}, {sum(map(len, truths))} cells", flush=True)
    files = [folder / f"{number}.jpg" for number in range(SCENES)]
    words = ["--min-confidence", SCORE, "--write", "json", "--runtime", "openvino"]
    exported, untiled = model(), 0.0
    for tile in (None, *TILES):
        out = folder / f"tile-{tile}"
        more = ["--tile", tile] if tile else []
        seconds, _ = timed(toolkit("predict", exported, *files, "--out", out, *words, *more))
        entries = json.loads((out / "detections.json").read_text())
        parts = [
            recall(truth, entry["detections"]) for truth, entry in zip(truths, entries, strict=True)
        ]
        found = statistics.mean(parts)
        untiled = untiled if tile else found
        print(f"  {f'--tile {tile}' if tile else 'untiled'}: recall {found:.3f} "
              f"({found - untiled:+.3f}), {seconds:.0f} s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
