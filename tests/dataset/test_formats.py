"""Each format as its tools write it, recognised by itself, and what is wrong in it named."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.reading import of_kind, only, read
from tests.dataset.voc_dataset import Voc, encoded, picture, voc_object
from tfod_toolkit.dataset import Fault, Note, Sample
from tfod_toolkit.dataset.formats.json_stream import JsonStream
from tfod_toolkit.dataset.formats.parts import Unreadable
from tfod_toolkit.dataset.masks import encode_png, raster
from tfod_toolkit.errors import BadDataError, MissingInputError, UsageError

SIZE = (64, 48)
CAT = (12.0, 10.0, 40.0, 30.0)  # ymin, xmin, ymax, xmax


def image_at(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(size, seed=len(path.name))))
    return path


def text_at(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def faults_of(folder: Path, format_: str = "auto") -> list[str]:
    return [str(fault) for fault in of_kind(folder, Fault, format_)]


def coco(*annotations: dict, images: list | None = None, **more: object) -> dict:
    image = {"id": 7, "file_name": "one.jpg", "width": 64, "height": 48}
    base = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 12, 20, 28]}
    return {
        "info": {"year": 2020},
        "images": [image] if images is None else images,
        "annotations": [base | one for one in annotations or ({},)],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        **more,
    }


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


def only_sample(folder: Path) -> Sample:
    (sample,) = of_kind(folder, Sample)
    return sample


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

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("0 0.5 0.5 0.1", "has 4 values; there are 5 for a box"),
            ("0 0.5 0.5 0.1 0.1 0.9", "has 6 values"),
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


class TestLabelMe:
    def shape(self, label="cat", points=((10, 12), (30, 40)), kind="rectangle", **more):
        return {"label": label, "points": points, "shape_type": kind, "flags": {}, **more}

    def write(self, folder: Path, *shapes: dict, **more: object) -> Path:
        image_at(folder / "one.jpg")
        said = {"version": "5.2.1", "flags": {}, "shapes": shapes, "imagePath": "one.jpg"}
        said |= {"imageData": None, "imageHeight": 48, "imageWidth": 64}
        return text_at(folder / "one.json", said | more)

    def test_every_shape_with_an_area(self, tmp_path):
        part = np.zeros((28, 20), bool)
        part[5:9, 2:4] = True
        png = base64.b64encode(encode_png(part)).decode()
        self.write(
            tmp_path,
            self.shape(),
            self.shape("dog", [[16, 12], [48, 12], [48, 24], [16, 24]], "polygon"),
            self.shape("sun", [[32, 24], [42, 24]], "circle"),
            self.shape("mask", kind="mask", mask=png),
            self.shape("pair", [[0, 0], [4, 0], [4, 4], [0, 4]], "polygon", group_id=1),
            self.shape("pair", [[10, 10], [14, 10], [14, 14], [10, 14]], "polygon", group_id=1),
            self.shape("hard", flags={"difficult": True}),
        )
        cat, dog, sun, mask, pair, hard = only(tmp_path).annotations
        assert (cat.box_px, cat.mask) == (CAT, None)
        assert dog.box_px == (12, 16, 24, 48)
        assert raster(dog.mask, SIZE).sum() == 12 * 32
        np.testing.assert_allclose(sun.box_px, (14, 22, 34, 42), atol=0.1)
        assert raster(mask.mask, SIZE).sum() == 8
        assert raster(mask.mask, SIZE)[17, 12]
        assert pair.box_px == (0, 0, 14, 14)
        assert raster(pair.mask, SIZE).sum() == 32
        assert hard.difficult

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ({"kind": "point", "points": [[1, 2]]}, "is a point of 1 points, which has no area"),
            ({"kind": "linestrip"}, "is a linestrip of 2 points, which has no area"),
            ({"label": " "}, "has no label"),
            ({"points": [[1]]}, "its points are no pairs of numbers"),
            ({"kind": "mask", "mask": "!!"}, "its mask cannot be read"),
        ],
    )
    def test_bad_shapes(self, tmp_path, shape, says):
        path = self.write(tmp_path, self.shape(**shape), self.shape())
        (fault,) = faults_of(tmp_path)
        assert fault.startswith(f"{path}: shape 1")
        assert says in fault
        assert len(only_sample(tmp_path).annotations) == 1

    def test_images_that_are_not_where_they_should_be(self, tmp_path):
        self.write(tmp_path, self.shape(), imagePath="..\\pictures\\other.jpg")
        assert only(tmp_path).image == tmp_path / "one.jpg"
        (tmp_path / "one.jpg").rename(tmp_path / "two.jpg")
        path = self.write(tmp_path / "in", self.shape(), imagePath="gone.jpg", imageData="aGk=")
        (tmp_path / "in" / "one.jpg").unlink()
        said = faults_of(tmp_path)
        assert f"{path}: names the image gone.jpg, which is not there (its imageData" in " ".join(
            said
        )


class TestLabelStudio:
    def result(self, kind="rectanglelabels", label="cat", **value):
        place = {"x": 15.625, "y": 25.0, "width": 31.25, "height": 58.3333333, "rotation": 0}
        return {
            "original_width": 64,
            "original_height": 48,
            "type": kind,
            "value": {**place, **value, kind: [label]},
        }

    def task(self, *results: dict, image="/data/upload/1/0a1b2c3d-one.jpg", **more):
        done = {"id": 1, "was_cancelled": False, "result": results}
        return {"id": 4, "annotations": [done], "data": {"image": image}, **more}

    def test_a_full_export(self, tmp_path):
        image_at(tmp_path / "images" / "one.jpg")
        points = [[25, 25], [75, 25], [75, 50], [25, 50]]
        outline = {**self.result("polygonlabels", "dog"), "value": {"points": points}}
        outline["value"]["polygonlabels"] = ["dog"]
        turned = self.result(label="turned", x=50, y=50, width=12.5, height=12.5, rotation=90)
        choice = {"type": "choices", "value": {"choices": ["day"]}}
        text_at(tmp_path / "x.json", [self.task(self.result(), outline, turned, choice)])
        cat, dog, turned_box = only(tmp_path).annotations
        assert cat.name == "cat"
        np.testing.assert_allclose(cat.box_px, CAT, atol=1e-3)
        assert dog.box_px == (12, 16, 24, 48)
        np.testing.assert_allclose(turned_box.box_px, (24, 26, 32, 32), atol=1e-3)

    def test_a_region_with_two_labels_and_what_has_no_size(self, tmp_path):
        image_at(tmp_path / "images" / "one.jpg")
        region = self.result()
        region["value"]["rectanglelabels"] = ["cat", "pet"]
        relation = {"type": "relation", "from_id": "a", "to_id": "b"}
        text_at(tmp_path / "x.json", [self.task(relation, region)])
        sample = only(tmp_path)
        assert sample.size == SIZE
        assert [one.name for one in sample.annotations] == ["cat", "pet"]
        assert sample.annotations[0].box_px == sample.annotations[1].box_px

    def test_a_minimal_export_and_local_files(self, tmp_path):
        image_at(tmp_path / "images" / "one two.jpg")
        value = {"x": 0, "y": 0, "width": 50, "height": 50, "rectanglelabels": ["cat"]}
        value |= {"original_width": 64, "original_height": 48}
        image = "/data/local-files/?d=images/one%20two.jpg"
        said = [{"image": image, "id": 1, "label": [value], "annotator": 1, "lead_time": 3.0}]
        text_at(tmp_path / "min.json", said)
        assert only(tmp_path).annotations[0].box_px == (0, 0, 24, 32)

    def test_what_is_wrong_is_named_by_task(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        brush = {**self.result("brushlabels"), "value": {"rle": [1], "brushlabels": ["x"]}}
        unsized = self.result()
        del unsized["original_width"]
        tasks = [
            self.task(brush, unsized, self.result()),
            self.task(image="s3://bucket/gone.jpg", id=5),
        ]
        path = text_at(tmp_path / "x.json", tasks)
        assert faults_of(tmp_path) == [
            f"{path}: task 4, result 1: is a brush mask, which is not read",
            f"{path}: task 4, result 2: does not say the image's size (original_width)",
            f"{path}: task 5: names the image s3://bucket/gone.jpg, which is not there",
        ]
        assert len(only_sample(tmp_path).annotations) == 1

    def test_tasks_that_nobody_did(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        image_at(tmp_path / "two.jpg")
        todo = {"id": 9, "annotations": [], "data": {"image": "two.jpg"}}
        text_at(tmp_path / "x.json", [self.task(self.result()), todo])
        assert only(tmp_path).image.name == "one.jpg"


class TestCvat:
    def write(self, folder: Path, *shapes: str, end: str = "</annotations>") -> Path:
        image_at(folder / "images" / "one.jpg")
        image = '<image id="0" name="sub/one.jpg" subset="Validation" width="64" height="48">'
        head = "<version>1.1</version><meta><task><id>1</id></task></meta>"
        inner = "".join(shapes)
        return text_at(
            folder / "annotations.xml", f"<annotations>{head}{image}{inner}</image>{end}"
        )

    def test_every_shape_with_an_area(self, tmp_path):
        self.write(
            tmp_path,
            '<box label="cat" occluded="0" xtl="10" ytl="12" xbr="30" ybr="40">'
            '<attribute name="difficult">true</attribute></box>',
            '<polygon label="dog" points="16.0,12.0;48.0,12.0;48.0,24.0;16.0,24.0"/>',
            '<mask label="m" rle="2,3,1,4,2" left="5" top="6" width="4" height="3"/>',
            '<box label="turned" xtl="20" ytl="20" xbr="40" ybr="30" rotation="90.0"/>',
            '<tag label="day"/>',
        )
        sample = only(tmp_path)
        assert sample.splits == frozenset({"validation"})
        cat, dog, mask, turned = sample.annotations
        assert (cat.name, cat.box_px, cat.difficult) == ("cat", CAT, True)
        assert dog.box_px == (12, 16, 24, 48)
        assert mask.box_px == (6, 5, 9, 9)
        rows = raster(mask.mask, SIZE)[6:9, 5:9].astype(int)
        np.testing.assert_array_equal(rows.ravel(), [0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0])
        np.testing.assert_allclose(turned.box_px, (15, 25, 35, 35))

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ('<points label="p" points="1,2"/>', "is a points, which has no area"),
            ('<box label="p" xtl="1"/>', "has no ytl"),
            ('<box xtl="1" ytl="1" xbr="2" ybr="2"/>', "has no label"),
            ('<polygon label="p" points="1,2;3,4"/>', "its points are not three pairs"),
            (
                '<mask label="m" rle="1" left="0" top="0" width="4" height="3"/>',
                "its runs are 1 pixels long; its box has 12",
            ),
        ],
    )
    def test_bad_shapes(self, tmp_path, shape, says):
        path = self.write(tmp_path, shape)
        (fault,) = faults_of(tmp_path)
        assert fault.startswith(f"{path}: image 0 (sub/one.jpg), ")
        assert says in fault

    def test_a_file_cut_short_and_a_video(self, tmp_path):
        path = self.write(tmp_path, end="")
        assert faults_of(tmp_path)[0].startswith(f"{path}: is not XML from there on: no element")
        text_at(path, "<annotations><track id='0' label='car'><box frame='0'/></track>")
        assert "export it as 'CVAT for images'" in faults_of(tmp_path)[0]


class TestRecognition:
    def test_a_wrong_format_says_what_it_looks_like(self, tmp_path):
        Voc(tmp_path).add("one")
        with pytest.raises(MissingInputError) as caught:
            read(tmp_path, "coco")
        assert caught.value.message.endswith(
            f"it looks like PASCAL VOC ({tmp_path / 'Annotations/one.xml'})"
        )
        assert "--format voc" in caught.value.hint

    def test_mixed_formats_are_not_guessed_at(self, tmp_path):
        Voc(tmp_path).add("one")
        text_at(tmp_path / "coco.json", coco())
        with pytest.raises(UsageError) as caught:
            read(tmp_path)
        assert "several formats: PASCAL VOC (" in caught.value.message
        assert f"and COCO ({tmp_path / 'coco.json'})" in caught.value.message
        assert "--format voc or --format coco" in caught.value.hint
        assert of_kind(tmp_path, Sample, "voc")[0].annotations[0].name == "cat"

    def test_nothing_known(self, tmp_path):
        image_at(tmp_path / "one.jpg")
        text_at(tmp_path / "notes.json", {"a": 1})
        with pytest.raises(MissingInputError) as caught:
            read(tmp_path)
        assert "its files are 1 .jpg, 1 .json" in caught.value.message

    def test_names_with_spaces_accents_and_other_scripts(self, tmp_path):
        for stem in ("ein Bild", "été", "写真"):
            Voc(tmp_path).add(stem)
        found = of_kind(tmp_path, Sample)
        assert {s.image.stem for s in found} == {"ein Bild", "été", "写真"}

    def test_accents_that_are_written_in_two_ways(self, tmp_path):
        voc = Voc(tmp_path)
        voc.add("e\u0301te\u0301")
        xml = "<annotation><filename>\u00e9t\u00e9.jpg</filename>" + voc_object() + "</annotation>"
        voc.annotation("e\u0301te\u0301").write_text(xml)
        assert len(of_kind(tmp_path, Sample)) == 1

    def test_links_that_loop(self, tmp_path):
        Voc(tmp_path).add("one")
        (tmp_path / "JPEGImages" / "again").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to(tmp_path / "self")
        assert only(tmp_path).annotations[0].name == "cat"

    def test_pipes_are_not_waited_for(self, tmp_path):
        Voc(tmp_path).add("one")
        Voc(tmp_path).add("two")
        (tmp_path / "JPEGImages" / "two.jpg").unlink()
        os.mkfifo(tmp_path / "JPEGImages" / "two.jpg")
        assert only_sample(tmp_path).image.name == "one.jpg"
        (fault,) = of_kind(tmp_path, Fault)
        assert fault.reason == "names the image two.jpg, which is not there"

    def test_a_name_that_is_no_text(self, tmp_path):
        Voc(tmp_path).add("one")
        (tmp_path / "JPEGImages").joinpath("b\udcffd.jpg").write_bytes(b"x")
        (fault,) = of_kind(tmp_path, Fault)
        assert fault.reason == "its name is not UTF-8 text: rename it"


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_stream_of_json_reads_what_json_reads(tmp_path, chunk):
    said = {"a": [1, 2.5e3, {"b": ["x" * 20, None, True]}], "ü": '\u1234 \\ " [', "c": {}, "d": []}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(said, indent=2, ensure_ascii=False), encoding="utf-8")
    found = {}
    with JsonStream(path, chunk) as stream:
        for key in stream.members():
            if stream.first() == "[":
                found[key] = [element for element, _ in stream.elements()]
            else:
                found[key] = stream.value()
    assert found == said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": [1, 2', "is not JSON: line 1: expecting ']', the file ends"),
        ('{"a": [1,\n 2 3]}', "is not JSON: line 2: expecting ']', found '3'"),
        ('{"a": [1,\n nonsense]}', "is not JSON: line 2: expecting value"),
        ("{a: 1}", "expecting a key in double quotes"),
        ("", "expecting '{', the file ends"),
    ],
)
def test_a_stream_of_what_is_no_json(tmp_path, text, says):
    path = text_at(tmp_path / "x.json", text)
    with pytest.raises(Unreadable) as caught, JsonStream(path) as stream:
        for _ in stream.members():
            stream.skip()
    assert says in str(caught.value)
