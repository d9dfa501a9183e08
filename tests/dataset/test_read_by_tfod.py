"""TFOD's own decoder reads back every feature that a build writes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.dataset.test_build import built
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object
from tfod_toolkit.dataset import LabelMap, decode_image, read_examples

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
