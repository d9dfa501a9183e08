"""What labelling tools write of their own: LabelMe, Label Studio and CVAT."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from tests.dataset.reading import faults_of, of_kind, only, only_sample
from tests.dataset.sources import CAT, SIZE, image_at, text_at
from tfod_toolkit.dataset import Note
from tfod_toolkit.dataset.masks import encode_png, raster


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

    def test_what_is_not_its_own_is_passed_over_but_what_is_broken_is_named(self, tmp_path):
        self.write(tmp_path, self.shape())
        text_at(tmp_path / "package.json", {"name": "frontend"})
        path = text_at(tmp_path / "two.json", {"shapes": {}, "imagePath": "two.jpg"})
        image_at(tmp_path / "two.jpg")
        assert faults_of(tmp_path) == [
            f"{path}: is JSON but not LabelMe's: it has no list of shapes"
        ]
        assert [(note.path.name, note.text) for note in of_kind(tmp_path, Note)] == [
            ("package.json", "is JSON but not LabelMe's, and is passed over")
        ]

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
        point = {**unsized, "value": {"x": 1, "y": 1, "width": 0.2, "keypointlabels": ["nose"]}}
        point |= {"original_width": 64}
        tasks = [
            self.task(brush, unsized, self.result(), point),
            self.task(image="s3://bucket/gone.jpg", id=5),
        ]
        path = text_at(tmp_path / "x.json", tasks)
        assert faults_of(tmp_path) == [
            f"{path}: task 4, result 1: is a brush mask, which is not read",
            f"{path}: task 4, result 2: does not say the image's size (original_width)",
            f"{path}: task 4, result 4: is a keypoint, which has no area",
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
