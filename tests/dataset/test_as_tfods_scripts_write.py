"""Our records, feature by feature, beside those that TFOD's own scripts write of the same files.

Every feature of theirs is one of ours with equal values. Where it is another on purpose, the
difference stands here, in a test of its own, with its reason.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from benchmarks.programs import tfod_script
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object, voc_xml
from tfod_toolkit.dataset import (
    BuildSettings,
    LabelMap,
    SplitSettings,
    build_records,
    decode_image,
    read_records,
    write_label_map,
)
from tfod_toolkit.dataset.protos import new_example

pytestmark = pytest.mark.slow

#: The keypoints that TFOD's script takes all people to have.
POINTS = ["nose"] + [
    f"{side}_{part}"
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
ALL_TRAIN = SplitSettings(fraction=0)

Features = Mapping[str, tuple[str, list[Any]]]


def written(files: list[Path]) -> dict[str, Features]:
    """The features of each record, kind and values by key, by the name of its picture."""
    found = {}
    for path in files:
        for record in read_records(path):
            message: Any = new_example()
            message.ParseFromString(record)
            features = {}
            for key, feature in message.features.feature.items():
                kind = feature.WhichOneof("kind")
                features[key] = (kind, list(getattr(feature, kind).value) if kind else [])
            name = features["image/filename"][1][0].decode()
            assert name not in found
            found[name] = features
    return found


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def differences(ours: dict[str, Features], theirs: dict[str, Features]) -> dict[str, set[str]]:
    """The keys whose values are not equal, bit for bit, with the pictures they differ for.

    An empty list says the same as none: TFOD's decoder reads both as no value.
    """
    assert ours.keys() == theirs.keys()
    found: dict[str, set[str]] = {}
    for name, features in theirs.items():
        for key, (kind, values) in features.items():
            if ours[name].get(key, (kind, [])) != (kind, values):
                found.setdefault(key, set()).add(name)
    return found


def said(pose: str, truncated: int, difficult: int) -> str:
    flags = f"<truncated>{truncated}</truncated><difficult>{difficult}</difficult>"
    return f"<pose>{pose}</pose>{flags}"


@pytest.fixture(scope="module")
def pascal(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Our records and theirs of PASCAL VOC."""
    folder = tmp_path_factory.mktemp("pascal")
    voc = Voc(folder / "VOC2007")
    sizes = {"one": (64, 48), "tall": (37, 111), "写真_é": (64, 48), "odd": (333, 77)}
    plain = said("Left", 0, 0)
    for number, (name, size) in enumerate(sizes.items()):
        image = encoded(picture(size, seed=number), quality=80 + number)
        objects = [
            voc_object("dog", (3, 5, 31, 29), plain),
            voc_object("chat noir", (1.5, 2.25, 30.125, 41), said("Frontal", 1, 0)),
            voc_object("Hündin", (0, 0, *size), said("Rear", 1, 1)),
        ][number % 2 :]
        voc.add(name, *objects, image=image, size=size, extra="<folder>VOC2007</folder>")
    near = voc_object("dog", (3, 5, 31, 29), said("Unspecified", 0, 0))
    voc.add("posed", near, extra="<folder>VOC2007</folder>")
    over = voc_object("dog", (3, 5, 65, 48), plain)
    voc.add("over", over, extra="<folder>VOC2007</folder>")
    nothing = voc_xml("nothing.jpg", extra="<folder>VOC2007</folder>")
    voc.add("nothing", xml=nothing)
    names = [*sizes, "posed", "over", "nothing"]
    voc.list("train", *names)
    # Theirs reads the list of one class.
    voc.list("aeroplane_train", *(f"{name} 1" for name in names))
    classes = LabelMap.of(["dog", "Hündin", "cow", "chat noir"])
    write_label_map(folder / "classes.pbtxt", classes)
    words: list[object] = ["--data_dir", folder, "--year", "VOC2007", "--set", "train"]
    words += ["--output_path", folder / "theirs.record"]
    words += ["--label_map_path", folder / "classes.pbtxt"]
    run(tfod_script("dataset_tools.create_pascal_tf_record", *words))
    settings = BuildSettings(label_map=classes, split=ALL_TRAIN)
    assert build_records(voc.folder, folder / "ours", settings).faults == ()
    return written([folder / "ours" / "training.record"]), written([folder / "theirs.record"])


def test_pascal_voc(pascal):
    ours, theirs = pascal
    assert len(theirs) == 7
    assert len(theirs["one.jpg"]) == 16
    assert differences(ours, theirs) == {
        "image/object/view": {"posed.jpg"},
        "image/object/bbox/xmax": {"over.jpg"},
    }


def test_no_pose_is_no_text_rather_than_vocs_word_for_it(pascal):
    """Other formats have no such word, and a record should not tell where it came from."""
    ours, theirs = pascal
    assert theirs["posed.jpg"]["image/object/view"][1] == [b"Unspecified"]
    assert ours["posed.jpg"]["image/object/view"][1] == [b""]


def test_boxes_a_pixel_over_the_edge_end_at_it(pascal):
    """Tools that count from 1 write such boxes; TFOD refuses to train on those far over."""
    ours, theirs = pascal
    assert theirs["over.jpg"]["image/object/bbox/xmax"][1] == [np.float32(65 / 64)]
    assert ours["over.jpg"]["image/object/bbox/xmax"][1] == [1.0]


def test_what_ours_has_besides(pascal):
    ours, theirs = pascal
    more = ours["one.jpg"].keys() - theirs["one.jpg"].keys()
    assert more == {"image/object/is_crowd", "image/object/area"}
    assert ours["one.jpg"]["image/object/area"][1] == [28 * 24, 28.625 * 38.75, 64 * 48]


def outlined(category: int, *corners: tuple[float, float], **more: object) -> dict[str, Any]:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    flat = [side for corner in corners for side in corner]
    base = {"category_id": category, "bbox": box, "segmentation": [flat], "area": 77.25}
    return base | {"iscrowd": 0} | more


def crowd(category: int, size: tuple[int, int]) -> dict[str, Any]:
    """A crowd as COCO writes it: run lengths that are not compressed."""
    drawn = Image.new("1", size)
    ImageDraw.Draw(drawn).ellipse((8, 4, 40, 30), 1)
    pixels = np.asarray(drawn)
    flat = pixels.T.ravel()
    ends = np.flatnonzero(np.diff(np.r_[flat, not flat[-1]])) + 1
    runs = np.diff(np.r_[0, ends]).tolist()
    segmentation = {"size": [size[1], size[0]], "counts": runs}
    box = {"bbox": [8, 4, 33, 27], "area": int(pixels.sum()), "iscrowd": 1}
    return {"category_id": category, "segmentation": segmentation} | box


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """Our records and theirs of COCO with masks, keypoints, crowds."""
    folder = tmp_path_factory.mktemp("coco")
    sizes = {"one.jpg": (64, 48), "with a blank.jpg": (64, 48), "été.jpg": (101, 67)}
    sizes |= {"drawn.png": (64, 48), "nothing.jpg": (64, 48)}
    each = [(0, 0, 0) if n % 3 == 2 else (3 * n + 1, 2 * n + 1, 1 + n % 2) for n in range(17)]
    points = {"keypoints": [side for point in each for side in point], "num_keypoints": 12}
    person = outlined(1, (5, 6), (30, 6), (30.5, 40.25), (5, 40), **points)
    parts = outlined(90, (10, 10), (30, 10), (20, 30))
    parts["segmentation"].append([40, 30, 60, 30, 60, 45, 40, 45])
    parts["bbox"] = [10, 10, 50, 35]
    whole = outlined(3, (0, 0), (64, 0), (64, 48), (0, 48))
    of = {
        "one.jpg": [person, outlined(90, (33.3, 2.7), (60.1, 9.9), (48.2, 40.6)), parts],
        "with a blank.jpg": [crowd(1, (64, 48)), whole],
        "été.jpg": [outlined(3, (1, 1), (101, 1), (55, 67)), person],
        "drawn.png": [outlined(3, (4, 4), (20, 4), (20, 20))],
        "nothing.jpg": [],
    }
    images, annotations = [], []
    for number, (name, (width, height)) in enumerate(sizes.items(), start=41):
        kind = "PNG" if name.endswith(".png") else "JPEG"
        (folder / name).write_bytes(encoded(picture((width, height), seed=number), kind))
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for one in of[name]:
            annotations.append({"id": len(annotations) + 500, "image_id": number, **one})
    categories: list[dict[str, Any]] = [{"id": 1, "name": "person", "keypoints": POINTS}]
    categories += [{"id": 3, "name": "Straßenbahn"}, {"id": 90, "name": "tooth brush"}]
    everything = {"images": images, "annotations": annotations, "categories": categories}
    people = [one for one in annotations if "keypoints" in one]
    for name, found in (
        ("instances_train", everything),
        ("person_keypoints_train", everything | {"annotations": people}),
        ("empty", everything | {"images": [], "annotations": []}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(found))
    words: list[object] = ["--include_masks", "--output_dir", folder / "theirs"]
    for part, name in (("train", "instances_train"), ("val", "empty"), ("testdev", "empty")):
        words += [f"--{part}_annotations_file", folder / f"{name}.json"]
        words += [f"--{part.removesuffix('dev')}_image_dir", folder]
    words += ["--train_keypoint_annotations_file", folder / "person_keypoints_train.json"]
    run(tfod_script("dataset_tools.create_coco_tf_record", *words))
    settings = BuildSettings(masks=True, keypoints=True, split=ALL_TRAIN)
    source = folder / "instances_train.json"
    assert build_records(source, folder / "ours", settings).faults == ()
    theirs = written(sorted((folder / "theirs").glob("coco_train.record-*")))
    return written([folder / "ours" / "training.record"]), theirs


def test_coco_with_masks_keypoints_and_crowds(coco):
    ours, theirs = coco
    assert len(theirs) == 5
    assert len(theirs["one.jpg"]) == 20
    assert differences(ours, theirs) == {
        "image/source_id": set(theirs),
        "image/format": {"drawn.png"},
        # PNGs by another encoder: their pixels are compared below.
        "image/object/mask": set(theirs) - {"nothing.jpg"},
    }


def test_the_pixels_of_masks(coco):
    ours, theirs = coco
    for name, features in theirs.items():
        pairs = [each.get("image/object/mask", ("", []))[1] for each in (ours[name], features)]
        for mine, other in zip(*pairs, strict=True):
            # Theirs are 0 and 1, which TFOD's decoder takes for what is not 0.
            np.testing.assert_array_equal(*(decode_image(png, name) > 0 for png in (mine, other)))
            assert (decode_image(mine, name) > 0).any()


def test_pictures_are_known_by_their_names_rather_than_by_cocos_ids(coco):
    """Ids begin anew in each of COCO's files, and other formats have none."""
    ours, theirs = coco
    assert theirs["one.jpg"]["image/source_id"][1] == [b"41"]
    assert ours["one.jpg"]["image/source_id"][1] == [b"one.jpg"]


def test_a_png_is_said_to_be_one(coco):
    """Theirs says of all pictures that they are JPEGs."""
    ours, theirs = coco
    assert theirs["drawn.png"]["image/format"][1] == [b"jpeg"]
    assert ours["drawn.png"]["image/format"][1] == [b"png"]
    assert ours["drawn.png"]["image/encoded"] == theirs["drawn.png"]["image/encoded"]


def test_what_ours_has_besides_of_coco(coco):
    ours, theirs = coco
    more = ours["one.jpg"].keys() - theirs["one.jpg"].keys()
    keys = ("class/label", "difficult", "truncated", "view")
    assert more == {f"image/object/{key}" for key in keys}
    assert ours["one.jpg"]["image/object/class/label"][1] == [2, 3, 3]
