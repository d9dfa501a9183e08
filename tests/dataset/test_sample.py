"""The sample dataset: the same for a seed, true to its annotations, and no colour tells a class."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.dataset.building import built
from tests.dataset.voc_dataset import Voc
from tfod_toolkit.dataset import decode_image, read_examples
from tfod_toolkit.dataset.sample import DIFFICULTIES, SampleSettings, make_sample
from tfod_toolkit.dataset.sample.pictures import make_picture
from tfod_toolkit.dataset.sample.shapes import CLASSES, clutter_shape, target_shape
from tfod_toolkit.dataset.sample.solids import Box, Ellipsoid, Frustum, Placed, Solid, turned
from tfod_toolkit.errors import CannotWriteError, UsageError

SIZE = (160, 120)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "scenes"
    make_sample(folder, SampleSettings(12, seed=4, size=SIZE))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(sample, tmp_path):
    make_sample(tmp_path / "again", SampleSettings(12, seed=4, size=SIZE))
    assert files(tmp_path / "again") == files(sample)
    make_sample(tmp_path / "other", SampleSettings(12, seed=5, size=SIZE))
    assert files(tmp_path / "other") != files(sample)


def test_more_pictures_begin_with_the_same(sample, tmp_path):
    make_sample(tmp_path / "more", SampleSettings(15, seed=4, size=SIZE))
    more, fewer = files(tmp_path / "more"), files(sample)
    pictures = [name for name in fewer if name.startswith(("JPEGImages", "Annotations"))]
    assert len(pictures) == 24
    assert all(more[name] == fewer[name] for name in pictures)


def test_the_layout_is_vocs(sample):
    assert sorted(path.name for path in sample.iterdir()) == [
        "Annotations",
        "ImageSets",
        "JPEGImages",
        "SegmentationObject",
        "sample.json",
    ]
    lists = sample / "ImageSets/Main"
    training = (lists / "training.txt").read_text().split()
    testing = (lists / "testing.txt").read_text().split()
    assert sorted(training + testing) == [f"scene_{number:06d}" for number in range(12)]
    assert len(testing) == 2
    with Image.open(sample / "JPEGImages/scene_000000.jpg") as image:
        assert (image.size, image.mode, image.format) == (SIZE, "RGB", "JPEG")
    made = json.loads((sample / "sample.json").read_text())
    assert (made["images"], made["seed"], made["size"]) == (12, 4, list(SIZE))


def test_boxes_hold_what_the_masks_show(sample):
    for path in sorted((sample / "Annotations").iterdir()):
        root = ET.parse(path).getroot()
        with Image.open(sample / "SegmentationObject" / f"{path.stem}.png") as image:
            masks = np.asarray(image)
        objects = root.findall("object")
        assert 1 <= len(objects) <= 3
        assert set(np.unique(masks)) == set(range(len(objects) + 1))
        for number, element in enumerate(objects, start=1):
            rows, columns = np.nonzero(masks == number)
            box = [int(element.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin")]
            box += [int(element.findtext(f"bndbox/{tag}")) for tag in ("xmax", "ymax")]
            assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert element.findtext("name") in CLASSES


def test_it_is_built_with_its_masks_and_without_a_fault(sample):
    out, report = built(Voc(sample), masks=True)
    assert report.faults == ()
    assert report.how == "training: training; testing: testing"
    for example in read_examples([out / "training.record", out / "testing.record"]):
        for box, png in zip(example.boxes, example.masks, strict=True):
            rows, columns = np.nonzero(decode_image(png, "mask")[..., 0])
            expected = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            np.testing.assert_allclose(box * [120, 160, 120, 160], expected, atol=1e-3)


def test_every_class_is_as_frequent_and_as_coloured():
    counts: Counter[str] = Counter()
    colours: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    for number in range(160):
        shown = make_picture(9, number, (96, 96), DIFFICULTIES["normal"])
        for index, instance in enumerate(shown.instances, start=1):
            counts[instance.name] += 1
            pixels = shown.image[shown.labels == index] / 255
            colours[instance.name].append(pixels.mean(0))
    assert min(counts.values()) > 0.7 * max(counts.values()), counts
    everything = np.concatenate(list(colours.values()))
    for found in colours.values():
        error = everything.std(0) / np.sqrt(len(found))
        assert (np.abs(np.mean(found, axis=0) - everything.mean(0)) < 4 * error).all()


def test_clutter_is_never_of_the_proportions_of_a_class():
    rng = np.random.default_rng(0)
    for number in range(400):
        solid = clutter_shape(rng, number / 400).solid(1.0)
        if isinstance(solid, Box):
            sides = sorted(solid.halves)
            assert sides[0] / sides[2] < 0.15
        elif isinstance(solid, Ellipsoid):
            assert min(solid.radii) / max(solid.radii) < 0.5
        else:
            ratio = solid.half / solid.lower
            assert solid.upper < 0.3 * solid.lower or ratio < 0.15 or ratio > 8
    for name in CLASSES:
        solid = target_shape(rng, name, 1.0).solid(1.0)
        lengths = sorted(solid.support(axis) for axis in np.eye(3, dtype=np.float32))
        assert lengths[0] / lengths[2] > 0.3


def test_harder_is_harder():
    def summary(difficulty: float) -> tuple[float, float]:
        shown = [make_picture(2, number, (96, 96), difficulty) for number in range(30)]
        sides = [min(i.box[2] - i.box[0], i.box[3] - i.box[1]) for p in shown for i in p.instances]
        detail = [np.abs(np.diff(p.image.astype(float), axis=1)).mean() for p in shown]
        return float(np.median(sides)), float(np.mean(detail))

    easy, hard = summary(DIFFICULTIES["easy"]), summary(DIFFICULTIES["hard"])
    assert easy[0] > 1.3 * hard[0]


SOLIDS: list[Solid] = [
    Ellipsoid((1, 1, 1)),
    Ellipsoid((1, 0.3, 0.7)),
    Box((1, 0.5, 0.3)),
    Frustum(0.8, 0.5, 0.5),
    Frustum(0.8, 0.6, 0.1),
    Frustum(0.5, 1.0, 0.0),
]


@pytest.mark.parametrize("solid", SOLIDS)
def test_rays_meet_solids_where_they_are(solid):
    """By brute force: the first of many points along a ray that is inside."""
    rng = np.random.default_rng(5)
    away = rng.normal(size=(3, 300))
    origin = (4 * away / np.linalg.norm(away, axis=0)).astype(np.float32)
    direction = (rng.uniform(-0.8, 0.8, (3, 300)) - origin).astype(np.float32)
    found = solid.distances(origin, direction)
    steps = np.linspace(0, 1.6, 4001)
    points = origin[:, None, :] + direction[:, None, :] * steps[None, :, None]
    within = inside(solid, points)
    first = np.where(within.any(0), steps[within.argmax(0)], np.inf)
    agree = np.isfinite(found) == np.isfinite(first)
    assert agree.mean() > 0.985  # a ray may graze between two points
    both = np.isfinite(found) & np.isfinite(first)
    assert np.abs(found[both] - first[both]).max() < 2e-3


def inside(solid: Solid, points: np.ndarray) -> np.ndarray:
    x, y, z = points
    if isinstance(solid, Box):
        return (np.abs(points) <= np.array(solid.halves)[:, None, None]).all(0)
    if isinstance(solid, Ellipsoid):
        return ((points / np.array(solid.radii)[:, None, None]) ** 2).sum(0) <= 1
    radius = (solid.lower + solid.upper) / 2 + (solid.upper - solid.lower) / 2 * y / solid.half
    return (np.abs(y) <= solid.half) & (np.hypot(x, z) <= radius)


@pytest.mark.parametrize("solid", SOLIDS)
def test_normals_look_towards_the_light_they_were_met_from(solid):
    rng = np.random.default_rng(6)
    placed = Placed(solid, np.array([1, 2, 3], np.float32), turned(0.3, 0.4, 0.5))
    origin = (placed.centre[:, None] + 4 * rng.normal(size=(3, 200))).astype(np.float32)
    direction = placed.centre[:, None] - origin
    t = placed.distances(origin, direction)
    met = np.isfinite(t) & (t > 0.01)
    points = origin[:, met] + direction[:, met] * t[met]
    normals = placed.normals(placed.inward(points))
    np.testing.assert_allclose((normals**2).sum(0), 1, atol=1e-3)
    assert ((normals * direction[:, met]).sum(0) < 0).mean() > 0.98


def test_what_was_sampled_is_replaced_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    make_sample(out, SampleSettings(4, size=(96, 96)))
    (out / "notes.txt").write_text("mine")
    make_sample(out, SampleSettings(2, size=(96, 96)))
    assert len(list((out / "JPEGImages").iterdir())) == 2
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="holds something that is no sample dataset"):
        make_sample(tmp_path, SampleSettings(1))
    with pytest.raises(UsageError, match=r"thesis.tex is a file"):
        make_sample(tmp_path / "thesis.tex", SampleSettings(1))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(CannotWriteError, match=r"cannot write .*out: No space left on device"):
        make_sample(tmp_path / "out", SampleSettings(2, size=(96, 96)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"images": 0}, "--images is 0; it must be at least 1"),
        ({"images": 1, "seed": -1}, "--seed is -1; it must not be negative"),
        ({"images": 1, "difficulty": 1.5}, "--difficulty is 1.5; it must be from 0 to 1"),
        ({"images": 1, "testing": 1}, "--testing is 1; it must be from 0 to less than 1"),
        ({"images": 1, "size": (50, 400)}, "--size is 50x400; each side must be from 96 to 2048"),
    ],
)
def test_settings_without_sense(settings, says):
    with pytest.raises(UsageError) as caught:
        SampleSettings(**settings)
    assert says in caught.value.message


@pytest.mark.parametrize(("testing", "count"), [(0, 0), (0.2, 20), (0.5, 50), (0.33, 33)])
def test_the_part_for_testing(testing, count):
    settings = SampleSettings(100, testing=testing)
    assert [settings.split(number) for number in range(100)].count("testing") == count
