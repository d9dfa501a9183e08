"""What is written of detections, read back by those who would use it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from tests.prediction.conftest import RED, encoded, scene
from tests.prediction.test_predicting import run
from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction import KINDS, Detections
from tfod_toolkit.prediction.outputs import class_map, safe_name, write_json_list

BOX = (20, 30, 60, 110)


@pytest.fixture(scope="module")
def written(red_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    (folder / "one").mkdir()
    for place in (folder, folder / "one"):
        (place / "photo.png").write_bytes(encoded(scene(box=BOX)))
    (folder / "bad.png").write_bytes(b"")
    run(red_model, folder / "out", folder, folder / "one", write=tuple(KINDS))
    return folder / "out"


def test_every_kind_is_there(written):
    assert {path.name for path in written.iterdir()} == {
        "photo.png",
        "photo-2.png",
        "detections.json",
        "detections.csv",
        "coco_results.json",
        "coco_images.json",
        "crops",
        "labelme",
        "voc",
    }


def test_csv_has_a_line_for_each_detection(written):
    with (written / "detections.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["ball", "ball"]
    assert [float(rows[0][edge]) for edge in ("ymin", "xmin", "ymax", "xmax")] == list(BOX)
    assert rows[0]["image"].endswith("photo.png")


def test_coco_results_point_at_their_pictures(written):
    images = json.loads((written / "coco_images.json").read_text())
    results = json.loads((written / "coco_results.json").read_text())
    assert [item["bbox"] for item in results] == [[30, 20, 80, 40]] * 2
    assert [item["category_id"] for item in results] == [2, 2]
    assert {item["image_id"] for item in results} == {item["id"] for item in images["images"]}
    assert images["categories"][1] == {"id": 2, "name": "ball"}


def test_crops_hold_what_is_in_the_box(written):
    crops = sorted((written / "crops" / "ball").iterdir())
    assert [path.name for path in crops] == ["photo-1.png", "photo-2-1.png"]
    pixels = np.asarray(Image.open(crops[0]))
    assert pixels.shape == (40, 80, 3)
    assert (pixels == RED).all()


def test_labels_can_be_read_by_the_dataset_commands(written):
    root = ET.parse(written / "voc" / "photo.xml").getroot()
    edges = [
        int(root.findtext(f"object/bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
    ]
    assert edges == [31, 21, 110, 60]
    assert root.findtext("filename") == "photo.png"
    content = json.loads((written / "labelme" / "photo-2.json").read_text())
    assert content["shapes"][0]["points"] == [[30, 20], [110, 60]]
    assert content["imagePath"].endswith("one/photo.png")


def test_a_class_map_has_the_surest_on_top():
    masks = np.ones((2, 4, 4), np.float32)
    masks[1, :, :2] = 0
    found = Detections(
        np.array([[0, 0, 1, 1], [0.5, 0, 1.0, 1]], np.float32),
        np.array([3, 7]),
        ("a", "b"),
        np.array([0.6, 0.9], np.float32),
        40,
        20,
        masks=masks,
    )
    pixels = class_map(found)
    assert pixels.shape == (20, 40)
    assert pixels[2, 30] == pixels[15, 5] == 3
    assert pixels[15, 35] == 7
    found = Detections(np.zeros((0, 4)), np.zeros(0), (), np.zeros(0), 4, 2)
    assert not class_map(found).any()


def test_a_disk_that_takes_half_a_picture_is_full(tmp_path):
    """In a process of its own, whose files may have so many bytes and no more."""
    program = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from tfod_toolkit.errors import CannotWriteError\n"
        "from tfod_toolkit.prediction.outputs import write_image\n"
        "image = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "for path in map(Path, sys.argv[1:]):\n"
        "    try: write_image(image, path)\n"
        "    except CannotWriteError as error: print(error.message)\n"
    )
    paths = [f"{tmp_path}/a.{suffix}" for suffix in ("jpg", "png", "webp", "bmp", "tif")]
    command = [sys.executable, "-c", program, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"cannot write {path}: File too large" for path in paths]
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_asked_for_is_written(red_model, tmp_path):
    (tmp_path / "photo.png").write_bytes(encoded(scene()))
    with pytest.raises(UsageError, match="cannot write 'pdf'"):
        run(red_model, tmp_path / "out", tmp_path / "photo.png", write=("pdf",))
    run(red_model, tmp_path / "out", tmp_path / "photo.png", write=("json",))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]


@pytest.mark.parametrize("entries", [[], [{"a": 1}], [{"a": [1, "x\n"]}, {"b": {}}]])
def test_lists_are_json(tmp_path, entries):
    write_json_list(iter(entries), tmp_path / "list.json")
    assert json.loads((tmp_path / "list.json").read_text()) == entries


@pytest.mark.parametrize(("name", "safe"), [("a/b", "a_b"), ("..", "_"), ("red cell", "red cell")])
def test_class_names_become_folders(name, safe):
    assert safe_name(name) == safe
