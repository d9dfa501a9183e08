"""Real blood cells with the real faults of their labels, by the command line as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import tfod
from tests.dataset.reading import of_kind
from tfod_toolkit.dataset import Fault, Sample

#: All that is wrong with this copy.
FAULTS = {
    "BloodImage_00338.xml": ("object 13 (RBC)", "xmin and xmax are both 504"),
    "BloodImage_00343.xml": ("object 4 (RBC)", "xmin and xmax are both 181"),
}


@pytest.fixture
def bccd(shared_data: Path) -> Path:
    return shared_data / "bccd"


def test_the_report_names_the_faults_and_nothing_that_is_none(bccd):
    done = tfod("dataset", "check", bccd)
    assert done.returncode == 65
    faults = [
        f"  {bccd}/Annotations/{name}: {where}: its box has no area: {says}"
        for name, (where, says) in FAULTS.items()
    ]
    pictures = bccd / "JPEGImages"
    assert done.stdout.splitlines() == [
        f"{bccd}: 364 images with 4,888 annotations of 3 classes (read as voc; training: trainval; "
        "testing: test)",
        "error: boxes without an area (box-empty): 2",
        *faults,
        "info: pictures that are nearly the same (image-near-duplicate): 1",
        f"  {pictures}/BloodImage_00038.jpg: is nearly the same picture as "
        f"{pictures}/BloodImage_00037.jpg",
        "2 errors, 0 warnings, 1 info",
    ]
    assert done.stderr.splitlines() == [
        f"error: 2 findings of severity error in {bccd}",
        "hint: correct them; --fix OUT repairs what is safe to repair into a new dataset",
    ]


def test_the_same_as_json_without_a_look_at_the_pictures(bccd):
    done = tfod("dataset", "check", bccd, "--json", "--look", "listed")
    assert done.returncode == 65
    said = json.loads(done.stdout)
    assert said["classes"] == {"Platelets": 361, "RBC": 4155, "WBC": 372}
    assert (said["images"], said["annotations"]) == (364, 4888)
    assert said["counts"] == {"error": 2, "warning": 0, "info": 0}
    assert said["kinds"] == {"box-empty": 2}
    assert said["findings"] == [
        {
            "severity": "error",
            "kind": "box-empty",
            "file": f"{bccd}/Annotations/{name}",
            "where": where,
            "message": f"its box has no area: {says}",
        }
        for name, (where, says) in FAULTS.items()
    ]


def test_repaired_it_has_no_fault_and_nothing_else_is_changed(bccd, tmp_path):
    fixed = tmp_path / "fixed"
    done = tfod("dataset", "check", bccd, "--fix", fixed)
    assert done.returncode == 0, done.stderr
    *_, count, first, second, left_out, made, all_ = done.stdout.splitlines()
    assert count == "2 annotations were repaired:"
    for line, (name, (where, _)) in zip((first, second), FAULTS.items(), strict=True):
        dropped = f"{where}: dropped, for its box has no area in the image"
        assert line == f"  {bccd}/Annotations/{name}: {dropped}"
    assert left_out == "left out: 0"
    assert made == f"{fixed}: 364 images with 4,886 annotations, as voc"
    assert all_ == f"all 2 errors are repaired in {fixed}"
    again = tfod("dataset", "check", fixed)
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == "0 errors, 0 warnings, 1 info"
    assert of_kind(fixed, Fault) == []
    before, after = (
        {
            s.image.name: (s.splits, [(a.name, a.box_px, a.difficult, a.truncated) for a in found])
            for s in of_kind(folder, Sample)
            for found in ([a for a in s.annotations if a.box_px[1] < a.box_px[3]],)
        }
        for folder in (bccd, fixed)
    )
    assert before == after
    for name in before:
        images = [folder / "JPEGImages" / name for folder in (bccd, fixed)]
        assert images[0].read_bytes() == images[1].read_bytes()
