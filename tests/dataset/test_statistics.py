"""Counts of a dataset, and the page that shows them."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import PROJECT
from tests.dataset.voc_dataset import Voc, voc_object
from tfod_toolkit.cli.dataset import command
from tfod_toolkit.dataset.index import Source, indexed
from tfod_toolkit.dataset.splits import SplitSettings
from tfod_toolkit.dataset.statistics import CELLS, KEPT_BOXES, Statistics, gather
from tfod_toolkit.errors import ConfigError


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    """Two images for training and one for testing, of 64x48, one of them empty."""
    dataset = Voc(tmp_path / "voc")
    dataset.add("one", voc_object("cat", (0, 0, 32, 24)), voc_object("dog", (48, 36, 64, 48)))
    dataset.add("two", voc_object("cat", (0, 0, 64, 12), "<difficult>1</difficult>"))
    dataset.add("none", xml="<annotation><filename>none.jpg</filename></annotation>")
    dataset.list("train", "one", "none")
    dataset.list("test", "two")
    return dataset


def test_counts(voc):
    with indexed(Source(voc.folder)) as index:
        found, how = gather(index, SplitSettings())
    assert how == "training: train; testing: test"
    assert (found.images, found.empty["training"]) == ({"training": 2, "testing": 1}, 1)
    assert found.classes == {"training": {"cat": 1, "dog": 1}, "testing": {"cat": 1}}
    assert found.names == ["cat", "dog"]
    assert found.sizes == {(64, 48): 3}
    assert found.per_image == {0: 1, 1: 1, 2: 1}
    assert sum(found.box_sizes) == sum(found.ratios) == sum(found.heat) == 3
    assert found.coco_sizes == [3, 0, 0]
    assert found.flags["difficult"] == 1
    middles = {(n // CELLS, n % CELLS) for n, count in enumerate(found.heat) if count}
    assert middles == {(8, 8), (28, 28), (4, 16)}


def test_boxes_that_make_no_sense_are_counted_apart(voc):
    voc.add("two", voc_object("cat", (30, 0, 10, 12)), voc_object("cat"))
    with indexed(Source(voc.folder)) as index:
        found, _ = gather(index, SplitSettings())
    assert (found.faulty, sum(found.heat)) == (1, 3)


def test_as_it_is_typed(voc):
    result = run("stats", voc.folder)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    for row in (
        ["class", "testing", "training", "images"],
        ["class", "training", "testing", "images"],
    ):
        if row in rows:
            break
    else:
        pytest.fail(result.stdout)
    assert ["images", "2", "1"] in rows
    said = json.loads(run("stats", voc.folder, "--json").stdout)
    assert said["annotations"]["testing"] == {"cat": 1}
    assert said["sizes"] == [{"width": 64, "height": 48, "images": 3}]


def test_how_many_boxes_the_anchors_of_a_config_match(voc):
    voc.add("thin", voc_object("cat", (0, 0, 64, 2)))
    config = PROJECT / "configs" / "ssd_mobilenet_v2_320.config"
    said = json.loads(run("stats", voc.folder, "--json", "--config", config).stdout)
    assert said["anchors"]["cat"] == {"boxes": 3, "matched": 2}
    result = run(
        "stats", voc.folder, "--config", PROJECT / "configs/centernet_resnet50_v1_fpn_512.config"
    )
    assert isinstance(result.exception, ConfigError)
    assert "has a model without anchors" in result.exception.message


def test_a_few_boxes_stand_for_very_many():
    many, one = Statistics(), Statistics()
    one.boxes = [("cat", 0.5, 0.5, 9, 9)] * (KEPT_BOXES // 2)
    for _ in range(5):
        many.add(one)
    assert KEPT_BOXES // 4 < len(many.boxes) <= KEPT_BOXES


def test_the_page_holds_everything(voc, tmp_path):
    voc.add("odd", voc_object("&lt;b&gt; &amp; 'q'", (1, 1, 9, 9)))
    out = tmp_path / "pages" / "page.html"
    result = run("view", voc.folder, "--out", out, "--testing-split", "test")
    assert result.exit_code == 0, result.output
    page = out.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    pictures = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 4
    assert base64.b64decode(pictures[0]).startswith(b"\xff\xd8\xff")
    assert page.count("<rect ") == 4
    assert "&lt;b&gt; &amp; &#39;q&#39;" in page
    assert "<b> & 'q'" not in page


def test_every_class_is_among_few_pictures(tmp_path):
    dataset = Voc(tmp_path / "voc")
    for number in range(30):
        dataset.add(f"image{number}", voc_object("rare" if number == 17 else "common"))
    out = tmp_path / "page.html"
    assert run("view", dataset.folder, "--out", out, "--pictures", 3).stdout == (
        f"{out}: 3 pictures of 30\n"
    )
    assert 'data-class="rare"><title>' in out.read_text()
