"""TFOD's own decoder reads back every feature that a build writes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.dataset.building import built
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object
from tfod_toolkit.dataset import (
    BuildSettings,
    LabelMap,
    SplitSettings,
    build_records,
    decode_image,
    read_examples,
)

pytestmark = pytest.mark.slow

KINDS = {
    "jpeg": (picture(), "JPEG", ".jpg"),
    "grey": (picture(mode="L"), "JPEG", ".jpg"),
    "png": (picture(), "PNG", ".png"),
    "palette": (picture(mode="P"), "PNG", ".png"),
    "cmyk": (picture(mode="CMYK"), "JPEG", ".jpg"),
    "webp": (picture(), "WEBP", ".webp"),
}
EXTRA = "<pose>Left</pose><truncated>1</truncated><difficult>1</difficult>"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    voc = Voc(tmp_path_factory.mktemp("tfod") / "voc")
    masks = voc.folder / "SegmentationObject"
    masks.mkdir(parents=True)
    for name, (image, kind, suffix) in KINDS.items():
        objects = (voc_object("dog", (4, 6, 20, 30), EXTRA), voc_object("cat", (0, 0, 64, 48)))
        voc.add(name, *objects, image=encoded(image, kind), suffix=suffix)
        numbers = np.full((48, 64), 2, np.uint8)
        numbers[6:30, 4:20] = 1
        Image.fromarray(numbers).save(masks / f"{name}.png")
    voc.add("empty", xml="<annotation><filename>empty.jpg</filename></annotation>")
    voc.list("training", *KINDS, "empty")
    voc.add("held", xml="<annotation><filename>held.jpg</filename></annotation>")
    voc.list("testing", "held")
    out, report = built(voc, masks=True, label_map=LabelMap.of(["cow", "dog", "cat"]))
    assert report.faults == ()
    return out


@pytest.fixture(scope="module")
def decoded(records: Path) -> dict[str, dict]:
    """What TFOD's decoder makes of each record, by file name without suffix."""
    from tfod_toolkit.odapi.api import TfExampleDecoder, tf
    from tfod_toolkit.odapi.protos import input_reader_pb2

    decoder = TfExampleDecoder(
        load_instance_masks=True,
        instance_mask_type=input_reader_pb2.PNG_MASKS,
        label_map_proto_file=str(records / "classes.pbtxt"),
    )
    found = {}
    for record in tf.data.TFRecordDataset(str(records / "training.record")):
        tensors = {key: value.numpy() for key, value in decoder.decode(record).items()}
        found[Path(tensors["filename"].decode()).stem] = tensors
    return found


@pytest.mark.parametrize("name", KINDS)
def test_boxes_classes_flags_and_masks(decoded, name):
    tensors = decoded[name]
    expected = np.array([[6 / 48, 4 / 64, 30 / 48, 20 / 64], [0, 0, 1, 1]], np.float32)
    np.testing.assert_array_equal(tensors["groundtruth_boxes"], expected)
    assert tensors["groundtruth_classes"].tolist() == [2, 3]
    assert tensors["groundtruth_difficult"].tolist() == [1, 0]
    assert tensors["groundtruth_is_crowd"].tolist() == [False, False]
    assert tensors["groundtruth_area"].tolist() == [24 * 16, 48 * 64 - 24 * 16]
    masks = tensors["groundtruth_instance_masks"]
    assert masks.shape == (2, 48, 64)
    assert masks.sum((1, 2)).tolist() == [24 * 16, 48 * 64 - 24 * 16]
    assert masks[0, 6:30, 4:20].all()


@pytest.mark.parametrize("name", KINDS)
def test_the_picture_and_what_it_is_known_by(decoded, records, name):
    tensors = decoded[name]
    examples = {Path(e.filename).stem: e for e in read_examples(records / "training.record")}
    example = examples[name]
    assert tensors["source_id"].decode() == example.source_id == f"{name}{KINDS[name][2]}"
    assert tensors["key"].decode() == hashlib.sha256(example.image).hexdigest()
    assert tensors["original_image_spatial_shape"].tolist() == [48, 64]
    ours = decode_image(example.image, name).astype(int)
    assert np.abs(tensors["image"] - ours).mean() < 3  # two decoders of JPEG differ a little


def test_a_picture_of_nothing(decoded):
    assert decoded["empty"]["groundtruth_boxes"].shape == (0, 4)
    assert decoded["empty"]["groundtruth_classes"].shape == (0,)
    assert decoded["empty"]["groundtruth_instance_masks"].shape == (0, 48, 64)


def test_pose_and_truncation_stand_under_the_keys_of_tfods_own_converter(records):
    from tfod_toolkit.dataset import read_records
    from tfod_toolkit.odapi.api import tf

    for record in read_records(records / "training.record"):
        features = tf.train.Example.FromString(record).features.feature
        if features["image/filename"].bytes_list.value[0] == b"empty.jpg":
            continue
        assert list(features["image/object/view"].bytes_list.value) == [b"Left", b""]
        assert list(features["image/object/truncated"].int64_list.value) == [1, 0]
        kind = features["image/format"].bytes_list.value[0]
        image = features["image/encoded"].bytes_list.value[0]
        assert image.startswith({b"jpeg": b"\xff\xd8", b"png": b"\x89PNG"}[kind])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a COCO dataset with keypoints and a crowd."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "one.jpg").write_bytes(encoded(picture()))
    points = ([8, 12, 2, 0, 0, 0, 16, 24, 1], [40, 6, 1, 48, 12, 2, 56, 36, 2])
    boxes = ([4, 6, 16, 24], [32, 0, 32, 48])
    found = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "keypoints": where, "iscrowd": 0}
        for n, (box, where) in enumerate(zip(boxes, points, strict=True), start=1)
    ]
    crowd = {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 8], "iscrowd": 1}
    people = {
        "images": [{"id": 1, "file_name": "one.jpg", "width": 64, "height": 48}],
        "annotations": [*found, crowd | {"area": 50.5}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left", "right"]}],
    }
    (folder / "people.json").write_text(json.dumps(people))
    settings = BuildSettings(keypoints=True, split=SplitSettings(fraction=0))
    assert build_records(folder, folder / "records", settings).faults == ()
    return folder / "records"


@pytest.mark.parametrize("by_label_map", [False, True])
def test_keypoints_and_crowds(people, by_label_map):
    from tfod_toolkit.odapi.api import TfExampleDecoder, tf

    decoder = TfExampleDecoder(
        num_keypoints=3,
        label_map_proto_file=str(people / "classes.pbtxt"),
        use_keypoint_label_map=by_label_map,
    )
    (record,) = tf.data.TFRecordDataset(str(people / "training.record"))
    tensors = {key: value.numpy() for key, value in decoder.decode(record).items()}
    nowhere = [np.nan, np.nan]
    np.testing.assert_allclose(
        tensors["groundtruth_keypoints"],
        [
            [[12 / 48, 8 / 64], nowhere, [24 / 48, 16 / 64]],
            [[6 / 48, 40 / 64], [12 / 48, 48 / 64], [36 / 48, 56 / 64]],
            [nowhere] * 3,
        ],
    )
    seen = tensors["groundtruth_keypoint_visibilities"].tolist()
    assert seen == [[True, False, True], [True, True, True], [False, False, False]]
    assert tensors["groundtruth_is_crowd"].tolist() == [False, False, True]
    assert tensors["groundtruth_area"].tolist() == [16 * 24, 32 * 48, 50.5]
