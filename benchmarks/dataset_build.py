"""Datasets at scale: records a second, memory, seconds of a check; blood cells, repeated.

TFOD's ``create_pascal_tf_record`` decodes nothing; ours is measured with every picture decoded, and
with headers and ends looked at only. With masks, the same pictures in COCO's format (each box an
outline of twelve corners) are given to TFOD's ``create_coco_tf_record``. Rates are differences
between many pictures and few, so that start-up, which is TensorFlow's for TFOD, is left out. Where
other work keeps the cores busy, the processor's time says more than the clock: TFOD's script works
on one core, ours on all of them, so that the ratio of the two, times the cores, is what a quiet
machine would show if all of them were kept busy.

``memory`` builds 1,000 and 100,000 pictures (and 3 GB of records) and prints the largest process of
each, workers too, by their own peaks; ``check`` checks as many annotations as the bar asks for, and
as many pictures, without looking into the pictures.

usage: python -m benchmarks.dataset_build [decoded|headers|masks|memory|check ...]
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.programs import (
    PROJECT,
    median_ratio,
    pairs,
    tfod_script,
    toolkit,
    work_folder,
)
from benchmarks.used import used
from tfod_toolkit.dataset.parallel import cores

#: Seconds by the clock, and of processors.
Cost = tuple[float, float]

FEW, MANY = 1_000, 10_000
FEW_MASKS, MANY_MASKS = 200, 1_200
ROUNDS = 3
CORNERS = 12
#: Pictures whose builds should need the same memory.
LEAST, MOST = 1_000, 100_000
#: Pictures that have a little more than 100,000 annotations.
CHECKED = 7_500


def source() -> Path:
    """Blood cells."""
    return PROJECT.parent / "shared" / "data" / "bccd"


def repeated(folder: Path, count: int) -> Path:
    """Blood cells, repeated to so many pictures, as VOC that TFOD's script reads, too."""
    year = folder / "VOC2007"
    if (year / "done").is_file():
        return year
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True)
    annotations = sorted((source() / "Annotations").glob("*.xml"))
    first: dict[str, Path] = {}
    names = []
    for number in range(count):
        path = annotations[number % len(annotations)]
        stem = f"{path.stem}_{number:06d}"
        text = path.read_text().replace(f"{path.stem}.jpg", f"{stem}.jpg")
        text = re.sub(r"<folder>.*?</folder>", "<folder>VOC2007</folder>", text)
        (year / "Annotations" / f"{stem}.xml").write_text(text)
        image = year / "JPEGImages" / f"{stem}.jpg"
        if path.stem in first:
            os.link(first[path.stem], image)
        else:
            shutil.copyfile(source() / "JPEGImages" / f"{path.stem}.jpg", image)
            first[path.stem] = image
        names.append(stem)
    # The original reads a list of one class; ours reads the list of all.
    lists = year / "ImageSets" / "Main"
    (lists / "aeroplane_train.txt").write_text("".join(f"{name} 1\n" for name in names))
    (lists / "train.txt").write_text("".join(f"{name}\n" for name in names))
    (year / "done").touch()
    return year


def label_map(folder: Path) -> Path:
    """The label map of blood cells."""
    path = folder / "label_map.txt"
    names = ("Platelets", "RBC", "WBC")
    items = (f"item {{ id: {n} name: '{name}' }}\n" for n, name in enumerate(names, start=1))
    path.write_text("".join(items))
    return path


def cost(command: Sequence[str]) -> Cost:
    """What a command costs."""
    found = used(command)
    return found["seconds"], found["processor_seconds"]


def ours(voc: Path, out: Path, *words: object) -> Cost:
    """The cost of ``tfod dataset build``."""
    shutil.rmtree(out, ignore_errors=True)
    command = toolkit("dataset", "build", voc, out, "--testing-fraction", 0, "--shards", 1)
    return cost([*command, "--allow-bad", *map(str, words)])


def pascal(voc: Path, out: Path) -> Cost:
    """The cost of ``create_pascal_tf_record``."""
    words = ["--data_dir", voc.parent, "--year", "VOC2007", "--set", "train"]
    words += ["--output_path", out, "--label_map_path", label_map(voc.parent)]
    return cost(tfod_script("dataset_tools.create_pascal_tf_record", *words))


def with_masks(voc: Path, folder: Path) -> Path:
    """The same pictures as COCO, each box with an outline."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, path in enumerate(sorted((voc / "Annotations").glob("*.xml")), start=1):
        root = ET.parse(path).getroot()
        name = f"{path.stem}.jpg"
        images.append({"id": number, "file_name": name, "width": 640, "height": 480})
        for element in root.iter("bndbox"):
            sides = {child.tag: float(child.text or 0) for child in element}
            x, y = sides["xmin"], sides["ymin"]
            width, height = sides["xmax"] - x, sides["ymax"] - y
            if width <= 0 or height <= 0:
                continue
            turns = [2 * math.pi * n / CORNERS for n in range(CORNERS)]
            outline = [
                side
                for turn in turns
                for side in (
                    round(x + width / 2 * (1 + math.cos(turn)), 2),
                    round(y + height / 2 * (1 + math.sin(turn)), 2),
                )
            ]
            said = {"image_id": number, "category_id": 2, "bbox": [x, y, width, height]}
            said |= {"segmentation": [outline], "area": width * height * 0.75, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **said})
    categories = [{"id": 2, "name": "RBC"}]
    said_ = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "instances_train.json"
    path.write_text(json.dumps(said_))
    return path


def coco(json_path: Path, images: Path, out: Path) -> Cost:
    """The cost of ``create_coco_tf_record`` with masks; it must be given three sets."""
    empty = out.parent / "empty.json"
    said = {"images": [], "annotations": [], "categories": [{"id": 2, "name": "RBC"}]}
    empty.write_text(json.dumps(said))
    out.mkdir(parents=True, exist_ok=True)
    words: list[object] = ["--include_masks", "--output_dir", out]
    words += ["--train_annotations_file", json_path, "--train_image_dir", images]
    words += ["--val_annotations_file", empty, "--val_image_dir", images]
    words += ["--testdev_annotations_file", empty, "--test_image_dir", images]
    return cost(tfod_script("dataset_tools.create_coco_tf_record", *words))


def rates(
    what: str, counts: tuple[int, int], run: Callable[[int], Cost], other: Callable[[int], Cost]
) -> None:
    """Print pictures a second of both, and the ratios."""
    few, many = counts
    processor: dict[str, list[float]] = {"ours": [], "TFOD's": []}
    whole: dict[str, list[float]] = {"ours": [], "TFOD's": []}

    def rate(whose: str, measure: Callable[[int], Cost]) -> float:
        most, least = measure(many), measure(few)
        processor[whose].append((most[1] - least[1]) / (many - few))
        whole[whose].append(most[0])
        return (many - few) / (most[0] - least[0])

    mine, theirs = pairs(ROUNDS, lambda _: rate("ours", run), lambda _: rate("TFOD's", other))
    for whose, each in processor.items():
        print(
            f"  processor time a picture, {whose}: " + ", ".join(f"{1e3 * s:.2f} ms" for s in each)
        )
    busy = cores() * median_ratio(processor["TFOD's"], processor["ours"])
    print(f"  {what}: {median_ratio(mine, theirs):.2f} times TFOD's rate by the clock,", end=" ")
    print(f"{busy:.2f} by the processor's time on {cores()} cores;", end=" ")
    ratio = median_ratio(whole["TFOD's"], whole["ours"])
    print(f"the whole command, start included, for {many:,}: {ratio:.2f}", flush=True)


def look_at(look: str, bar: float) -> None:
    """Print the ratios of a build of VOC's boxes."""
    folder = work_folder("dataset_build")
    vocs = {count: repeated(folder / str(count), count) for count in (FEW, MANY)}
    rates(
        f"VOC, images {look} (bar {bar})",
        (FEW, MANY),
        lambda count: ours(vocs[count], folder / "out", "--look", look),
        lambda count: pascal(vocs[count], folder / "pascal.record"),
    )


def masks() -> None:
    """Print the ratios of a build of COCO's masks."""
    folder = work_folder("dataset_build")
    parts = {n: repeated(folder / f"{n}", n) for n in (FEW_MASKS, MANY_MASKS)}
    files = {n: with_masks(voc, folder / f"coco{n}") for n, voc in parts.items()}
    out = folder / "out"
    rates(
        "COCO with masks (bar 5)",
        (FEW_MASKS, MANY_MASKS),
        lambda n: ours(files[n], out, "--masks", "--images", parts[n] / "JPEGImages"),
        lambda n: coco(files[n], parts[n] / "JPEGImages", folder / "coco_out"),
    )


def memory() -> None:
    """Print the peaks of builds of few pictures and of many."""
    folder = work_folder("dataset_build")
    largest = {}
    for count in (LEAST, MOST):
        voc = repeated(folder / str(count), count)
        words = ["dataset", "build", voc, folder / "out", "--testing-fraction", 0, "--allow-bad"]
        shutil.rmtree(folder / "out", ignore_errors=True)
        found = used(toolkit(*words))
        shutil.rmtree(folder / "out")
        largest[count] = found["largest_mb"]
        print(f"  build of {count:,} pictures, decoded: {told(found)}", flush=True)
    more = largest[MOST] / largest[LEAST] - 1
    print(f"  largest process, {LEAST:,} to {MOST:,} pictures: {more:+.0%} (bar 20%)", flush=True)


def check() -> None:
    """Print what checks of listed pictures take."""
    folder = work_folder("dataset_build")
    for count in (CHECKED, MOST):
        voc = repeated(folder / str(count), count)
        boxes = sum(path.read_text().count("<object>") for path in voc.glob("Annotations/*.xml"))
        words = ["dataset", "check", voc, "--look", "listed", "--fail-on", "never"]
        found = used(toolkit(*words))
        bar = " (bar 30 s)" if count == CHECKED else ""
        print(f"  {count:,} pictures, {boxes:,} annotations{bar}: {told(found)}", flush=True)


def told(found: Mapping[str, float]) -> str:
    """What a command used, in words."""
    return (
        f"{found['seconds']:.1f} s by the clock, {found['processor_seconds']:.1f} s of processors; "
        f"peaks {found['own_mb']:.0f} MB, of its workers {found['workers_mb']:.0f} MB"
    )


def main(names: Sequence[str] = ()) -> None:
    """Print the ratios of the parts named, or of all."""
    parts: dict[str, Callable[[], None]] = {
        "decoded": lambda: look_at("decoded", 1.0),
        "headers": lambda: look_at("headers", 2.5),
        "masks": masks,
        "memory": memory,
        "check": check,
    }
    for name in names or parts:
        parts[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
