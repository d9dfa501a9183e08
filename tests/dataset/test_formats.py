"""COCO, tables and YOLO as their tools write them, and what is wrong in them named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.reading import faults_of, of_kind, only, only_sample, read
from tests.dataset.sources import CAT, SIZE, coco, image_at, text_at
from tfod_toolkit.dataset import Fault, Note, Sample
from tfod_toolkit.dataset.masks import raster
from tfod_toolkit.errors import BadDataError


class TestCoco:
    def test_every_field_that_counts(self, tmp_path):
        image_at(tmp_path / "train2017" / "one.jpg")
        image_at(tmp_path / "val2017" / "two.jpg")
        cross = [[10, 12, 30, 12, 30, 40, 10, 40]]
        said = coco(
            {"segmentation": cross, "area": 560.0, "iscrowd": 0},
            {"id": 2, "iscrowd": 1, "segmentation": {"size": [48, 64], "counts": [100, 20, 2952]}},
            {"id": 3, "keypoints": [11, 13, 2, 0, 0, 0], "attributes": {"truncated": True}},
        )
        said["categories"][0]["keypoints"] = ["nose", "tail"]
        text_at(tmp_path / "annotations" / "instances_train2017.json", said)
        other = coco(images=[{"id": 7, "file_name": "two.jpg", "width": 64, "height": 48}])
        text_at(tmp_path / "annotations" / "instances_val2017.json", other)
        text_at(tmp_path / "annotations" / "captions_val2017.json", other)
        items = read(tmp_path)
        assert [item for item in items if isinstance(item, Fault)] == []
        one, two = (item for item in items if isinstance(item, Sample))
        assert (one.splits, two.splits) == (frozenset({"train"}), frozenset({"val"}))
        assert one.size == SIZE
        first, crowd, points = one.annotations
        assert (first.name, first.box_px, first.area) == ("cat", CAT, 560.0)
        np.testing.assert_array_equal(
            np.argwhere(raster(first.mask, SIZE))[[0, -1]], [[12, 10], [39, 29]]
        )
        assert crowd.is_crowd
        assert raster(crowd.mask, SIZE).sum() == 20
        assert points.keypoints == (("nose", 11.0, 13.0, 2), ("tail", 0.0, 0.0, 0))
        assert points.truncated
        assert any("passed over" in item.text for item in items if isinstance(item, Note))

    @pytest.mark.parametrize(
        ("one", "says"),
        [
            ({"category_id": 5}, "image one.jpg, annotation 1: its category_id 5 is no category's"),
            ({"category_id": [3]}, "annotation 1: its category_id [3] is no category's"),
            ({"category_id": None}, "annotation 1: has no category_id"),
            ({"bbox": None}, "annotation 1: has no 'bbox'"),
            ({"bbox": [1, 2, 3]}, "its bbox is [1, 2, 3], not x, y, width, height"),
            ({"bbox": [1, 2, 3, "x"]}, "not x, y, width, height"),
            ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "a polygon of it has an odd count"),
            ({"segmentation": {"size": [1, 2]}}, "its segmentation cannot be read: 'counts'"),
            ({"image_id": 8}, "image 8: is not among the images, but 1 annotations are of it"),
            ({"image_id": None}, "annotations, element 1: has no 'image_id'"),
        ],
    )
    def test_bad_annotations(self, tmp_path, one, says):
        image_at(tmp_path / "one.jpg")
        path = text_at(tmp_path / "coco.json", coco(one))
        (fault,) = faults_of(tmp_path)
        assert fault.startswith(f"{path}: ")
        assert says in fault

    def test_ids_may_be_text(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        said = coco({"category_id": "3", "image_id": "7"}, {"id": 2})
        said["categories"][0]["id"] = "3"
        text_at(tmp_path / "coco.json", said)
        assert [one.name for one in only(tmp_path).annotations] == ["cat", "cat"]

    def test_lists_that_are_none(self, tmp_path):
        path = text_at(tmp_path / "coco.json", coco() | {"images": {"7": "one.jpg"}})
        assert faults_of(tmp_path) == [f"{path}: its images are no list"]

    def test_images_without_a_file_or_with_one_id(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        images = [
            {"id": 1, "file_name": "one.jpg"},
            {"id": 2, "file_name": "gone.jpg"},
            {"id": 3, "file_name": "a.jpg"},
            {"id": 3, "file_name": "b.jpg"},
            {"id": 4},
        ]
        text_at(tmp_path / "coco.json", coco({"image_id": 1}, images=images))
        said = " ".join(faults_of(tmp_path))
        assert "image 2: names the image gone.jpg, which is not there" in said
        assert "image 3: its id is that of several images: a.jpg, b.jpg" in said
        assert "image 4: names no image" in said
        assert len(of_kind(tmp_path, Sample)) == 1

    def test_a_file_that_ends_too_early_is_named_and_the_other_is_read(self, tmp_path):
        for name in ("one", "two"):
            image_at(tmp_path / f"{name}.jpg")
        text_at(tmp_path / "instances_train.json", coco())
        other = json.dumps(coco(images=[{"id": 7, "file_name": "two.jpg"}]), indent=1)
        broken = text_at(tmp_path / "instances_val.json", other[:-120])
        assert only_sample(tmp_path).image.name == "one.jpg"
        assert faults_of(tmp_path)[0].startswith(f"{broken}: is not JSON: line ")

    def test_a_path_of_another_machine(self, tmp_path):
        image_at(tmp_path / "images" / "one.jpg")
        images = [{"id": 7, "file_name": "/home/me/data/one.jpg"}]
        path = text_at(tmp_path / "coco.json", coco(images=images))
        items = read(tmp_path)
        assert items[0].image == tmp_path / "images" / "one.jpg"
        (note,) = (item for item in items if isinstance(item, Note))
        assert note.path == path
        assert note.text.startswith("names its image by a path of another machine")

    def test_two_images_of_one_name_are_told_apart_by_their_folders(self, tmp_path):
        for folder in "ab":
            image_at(tmp_path / "images" / folder / "one.jpg")
        images = [{"id": 1, "file_name": "b/one.jpg"}, {"id": 2, "file_name": "a\\one.jpg"}]
        text_at(tmp_path / "coco.json", coco({"image_id": 1}, images=images))
        found = {s.image.parent.name: len(s.annotations) for s in of_kind(tmp_path, Sample)}
        assert found == {"b": 1, "a": 0}

    def test_the_file_itself_may_be_named(self, tmp_path):
        image_at(tmp_path / "images" / "one.jpg")
        text_at(tmp_path / "other.json", coco(images=[]))
        path = text_at(tmp_path / "labels.json", coco())
        assert only(path).annotations[0].box_px == CAT


class TestTables:
    HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"

    def test_tfods(self, tmp_path):
        image_at(tmp_path / "images" / "one two.jpg")
        image_at(tmp_path / "images" / "b.jpg")
        lines = "one two.jpg,64,48,cat,10,12,30,40\nb.jpg,64,48,cat,1,2,3,4\n"
        text_at(
            tmp_path / "train_labels.csv",
            self.HEADER + lines + 'one two.jpg,64,48,"dog, big",0,0,64,48\n',
        )
        b, one = of_kind(tmp_path, Sample)
        assert b.splits == frozenset({"train"})
        assert [a.name for a in one.annotations] == ["cat", "dog, big"]
        assert one.annotations[0].box_px == CAT
        assert one.annotations[1].where == "line 4 (dog, big)"

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("one.jpg,64,48,,1,2,3,4", "line 2: has no class"),
            ("one.jpg,64,48,cat,1,2,3,", "line 2: has no ymax"),
            ("one.jpg,64,48,cat,1", "line 2: has no ymin"),
            ("one.jpg,64,48,cat,a,2,3,4", "line 2: xmin is 'a': that is not a number"),
            ('one.jpg,64,48,cat,"1,5",2,3,4', "it has a comma where a point belongs"),
            (",64,48,cat,1,2,3,4", "line 2: names no image"),
            ("gone.jpg,64,48,cat,1,2,3,4", "line 2: names the image gone.jpg, which is not there"),
        ],
    )
    def test_bad_lines(self, tmp_path, line, says):
        image_at(tmp_path / "one.jpg")
        good = "one.jpg,64,48,dog,1,2,3,4\n"
        path = text_at(tmp_path / "labels.csv", f"{self.HEADER}{line}\n{good}")
        (fault,) = faults_of(tmp_path)
        assert fault.startswith(f"{path}: line 2: ")
        assert says in fault
        assert [a.name for a in only_sample(tmp_path).annotations] == ["dog"]

    def test_a_column_of_numbers_before_the_others_is_no_group(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        rows = "0,one.jpg,64,48,cat,10,12,30,40\n1,one.jpg,64,48,cat,1,2,3,4\n"
        text_at(tmp_path / "labels.csv", f",{self.HEADER}{rows}")
        sample = only(tmp_path)
        assert (len(sample.annotations), sample.group) == (2, "")

    def test_a_quote_that_is_never_closed(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        rows = 'one.jpg,64,48,cat,1,2,3,4\none.jpg,64,48,"cat,1,2,3,4\n' * 2
        path = text_at(tmp_path / "labels.csv", self.HEADER + rows.replace('"', "", 1))
        said = "cannot be read as CSV from line 5 on: a quote is opened and never closed"
        assert faults_of(tmp_path) == [f"{path}: {said}"]

    def test_several_sizes_of_one_image(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        lines = "one.jpg,64,48,cat,1,2,3,4\none.jpg,65,48,cat,1,2,3,4\n"
        text_at(tmp_path / "labels.csv", self.HEADER + lines)
        assert "give it several sizes: 64x48, 65x48" in faults_of(tmp_path)[0]

    def test_semicolons_and_latin_1(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        text = self.HEADER.replace(",", ";") + "one.jpg;64;48;chât;10;12;30;40\n"
        (tmp_path / "labels.csv").write_bytes(text.encode("latin-1"))
        assert only(tmp_path).annotations[0].name == "chât"
        assert "read as Latin-1" in of_kind(tmp_path, Note)[0].text

    def test_lisas(self, tmp_path):
        title = (
            "Filename;Annotation tag;Upper left corner X;Upper left corner Y;Lower right corner X;"
            "Lower right corner Y;Occluded,On another road;Origin file;Origin frame number;"
            "Origin track;Origin track frame number\n"
        )
        lines = "".join(
            f"frames/stop_{n}.avi_image{n}.png;stop;10;12;30;40;0,0;drive{n // 2}.avi;{n};t.avi;1\n"
            for n in range(3)
        )
        for n in range(3):
            image_at(tmp_path / "frames" / f"stop_{n}.avi_image{n}.png")
        text_at(tmp_path / "allAnnotations.csv", title + lines)
        samples = of_kind(tmp_path, Sample)
        assert [s.group for s in samples] == ["drive0.avi", "drive0.avi", "drive1.avi"]
        assert samples[0].annotations[0].name == "stop"
        assert samples[0].annotations[0].box_px == CAT
        # As LISA comes: the same lines once more beside the frames.
        part = text_at(tmp_path / "frames" / "frameAnnotations.csv", title + lines)
        assert of_kind(tmp_path, Sample) == samples
        assert of_kind(tmp_path, Fault) == []
        (note,) = of_kind(tmp_path, Note)
        assert note.path == part
        (tmp_path / "allAnnotations.csv").unlink()
        assert len(of_kind(tmp_path, Sample)) == 3


class TestYolo:
    LINE = "0 0.3125 0.541666667 0.3125 0.583333333\n"

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for split in ("train", "val"):
            image_at(tmp_path / "images" / split / f"{split}.jpg")
            text_at(tmp_path / "labels" / split / f"{split}.txt", self.LINE)
        yaml = "path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n"
        text_at(tmp_path / "data.yaml", yaml + "  1: dog\n")
        return tmp_path

    def test_ultralytics(self, folder):
        train, val = of_kind(folder, Sample)
        assert (train.splits, val.splits) == (frozenset({"train"}), frozenset({"val"}))
        assert train.annotations[0].name == "cat"
        np.testing.assert_allclose(train.annotations[0].box_px, CAT, atol=1e-3)
        assert faults_of(folder) == []

    def test_an_outline_a_background_and_a_list(self, folder):
        text_at(folder / "labels/train/train.txt", "1 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.5\n")
        image_at(folder / "images" / "train" / "nothing.jpg")
        (folder / "data.yaml").write_text("train: train.txt\nval: images/val\nnames: [cat, dog]\n")
        text_at(folder / "train.txt", "./images/train/train.jpg\n/x/images/train/nothing.jpg\n")
        nothing, train, _ = of_kind(folder, Sample)
        assert nothing.annotations == ()
        assert nothing.splits == train.splits == frozenset({"train"})
        (dog,) = train.annotations
        assert (dog.name, dog.box_px) == ("dog", (12, 16, 24, 48))
        assert raster(dog.mask, SIZE).sum() == 12 * 32

    def test_keypoints(self, folder):
        with (folder / "data.yaml").open("a") as file:
            file.write("kpt_shape: [2, 3]\n")
        text_at(folder / "labels/train/train.txt", self.LINE.strip() + " 0.5 0.5 2 0 0 0\n")
        train = of_kind(folder, Sample)[0]
        assert train.annotations[0].keypoints == (("1", 32, 24, 2), ("2", 0, 0, 0))

    def test_darknet(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        text_at(tmp_path / "one.txt", self.LINE)
        text_at(tmp_path / "classes.txt", "chat\nchien\n")
        assert only(tmp_path).annotations[0].name == "chat"
        (tmp_path / "classes.txt").unlink()
        assert only(tmp_path).annotations[0].name == "0"
        assert "names no classes" in of_kind(tmp_path, Note)[0].text

    def test_darknets_own_splits(self, tmp_path):
        for stem in ("one", "two"):
            image_at(tmp_path / "data" / "obj" / f"{stem}.jpg")
            text_at(tmp_path / "data" / "obj" / f"{stem}.txt", self.LINE)
        text_at(tmp_path / "data" / "obj.names", "chat\n")
        lists = "classes = 1\ntrain = data/train.txt\nvalid = /home/me/data/test.txt\n"
        text_at(tmp_path / "data" / "obj.data", lists + "names = data/obj.names\nbackup = x\n")
        text_at(tmp_path / "data" / "train.txt", "data/obj/one.jpg\n")
        text_at(tmp_path / "data" / "test.txt", "/home/me/data/obj/two.jpg\n")
        one, two = of_kind(tmp_path, Sample)
        assert (one.splits, two.splits) == (frozenset({"train"}), frozenset({"valid"}))
        assert two.annotations[0].name == "chat"
        (tmp_path / "data" / "obj.names").write_text("")
        with pytest.raises(BadDataError, match=r"obj.names is empty"):
            read(tmp_path)

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("0 0.5 0.5 0.1", "has 4 values; there are 5 for a box"),
            ("0 0.5 0.5 0.1 0.1 0.9", "has 6 values"),
            ("0 0.5 0.5 0.1 0.1 0.9", "(a sixth, the score, is for predictions)"),
            ("0 48 36 30 30", "its values (48 36 30 30) are pixels, not parts of the image"),
            ("0 8 8 40 8 40 40", "are pixels, not parts of the image"),
            ("0,0.5,0.5,0.1,0.1", "has commas between its values; blanks belong there"),
            ("x" * 900, f"value 1 is '{'x' * 60}...': that is not a number"),
            ("2 0.5 0.5 0.1 0.1", "its class is 2; data.yaml has 0 to 1"),
            ("-1 0.5 0.5 0.1 0.1", "its class is '-1', not a number from 0"),
            ("cat 0.5 0.5 0.1 0.1", "value 1 is 'cat': that is not a number"),
            ("0 0,5 0.5 0.1 0.1", "it has a comma where a point belongs"),
        ],
    )
    def test_bad_lines(self, folder, line, says):
        path = text_at(folder / "labels/train/train.txt", f"{self.LINE}{line}\n")
        (fault,) = faults_of(folder)
        assert fault.startswith(f"{path}: line 2: ")
        assert says in fault

    def test_a_name_for_two_numbers_and_pictures_that_no_split_has(self, folder):
        (folder / "data.yaml").write_text("train: images/train\nnames: [cat, cat]\n")
        assert [(note.path, note.text, note.code) for note in of_kind(folder, Note)] == [
            (folder / "data.yaml", "names 'cat' as 0 and as 1: one class", "class-near-duplicate"),
            (
                folder / "images/val/val.jpg",
                "is in no folder that data.yaml names, and is left out",
                "split-neither",
            ),
        ]

    def test_labels_without_images_and_images_that_are_none(self, folder):
        text_at(folder / "labels/train/gone.txt", self.LINE)
        (folder / "images/train/train.jpg").write_bytes(b"")
        said = " ".join(faults_of(folder))
        assert "gone.txt: labels an image gone.*, which is not there" in said
        assert f"{folder / 'images/train/train.jpg'}: is empty (0 bytes)" in said

    def test_a_yaml_that_is_none(self, folder):
        (folder / "data.yaml").write_text("names: [cat\nnc: 2")
        with pytest.raises(BadDataError, match=r"data.yaml is not YAML: "):
            read(folder)
        (folder / "data.yaml").write_text("train: images/train\nval: nowhere\nnc: 3\nnames: [cat]")
        texts = [note.text for note in of_kind(folder, Note)]
        assert "says val: nowhere, which is not there" in texts
        assert "says nc: 3, but names 1 classes" in texts
