"""``tfod dataset`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import tfod
from tests.dataset.voc_dataset import Voc, voc_object, voc_xml
from tfod_toolkit.cli.dataset import command
from tfod_toolkit.errors import BadDataError


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    dataset = Voc(tmp_path / "voc")
    for number in range(6):
        dataset.add(f"image{number}", voc_object("cat"), voc_object("dog", (0, 0, 9, 9)))
    return dataset


def test_a_sample_is_built(tmp_path):
    made = tfod("dataset", "sample", tmp_path / "scenes", "--images", 5, "--size", "96x96")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"{tmp_path / 'scenes'}: 5 pictures with ")
    built = tfod("dataset", "build", tmp_path / "scenes", tmp_path / "records", "--masks")
    assert built.returncode == 0, built.stderr
    assert "(read as voc; training: training; testing: testing)" in built.stdout
    assert (tmp_path / "records" / "training.record").is_file()


def test_faults_are_named_and_the_exit_code_tells(voc, tmp_path):
    bad = voc.annotation("image3")
    bad.write_text(voc_xml("image3.jpg", voc_object("cat", (5, 5, 5, 9)), voc_object("dog")))
    words = ("dataset", "build", voc.folder, tmp_path / "records")
    result = tfod(*words)
    assert result.returncode == 65
    said = f"left out: {bad}: object 1 (cat): its box has no area: xmin and xmax are both 5"
    assert said in result.stderr.splitlines()
    assert "error: 1 thing was left out" in result.stderr
    assert "hint: correct them and try again, or accept it with --allow-bad" in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "records" / "training.record").is_file()
    assert tfod(*words, "--allow-bad").returncode == 0


def test_the_table_and_its_json(voc, tmp_path):
    result = run("build", voc.folder, tmp_path / "records", "--testing-fraction", 0.5)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["class", "training", "testing"] in rows
    assert ["cat", "3", "3"] in rows
    assert ["images", "3", "3"] in rows
    result = run("build", voc.folder, tmp_path / "records", "--json")
    assert json.loads(result.stdout) == json.loads(
        (tmp_path / "records" / "dataset.json").read_text()
    )


def test_options_reach_the_build(voc, tmp_path):
    voc.list("mine", "image0")
    voc.list("val", "image1", "image2")
    voc.list("train", "image3", "image4", "image5")
    result = run(
        "build",
        voc.folder,
        tmp_path / "records",
        "--classes=dog,cat",
        "--training-split=val",
        "--testing-split=train",
        "--shards=2",
    )
    assert result.exit_code == 0, result.output
    info = json.loads((tmp_path / "records" / "dataset.json").read_text())
    assert info["classes"] == {"1": "dog", "2": "cat"}
    assert info["split"] == "training: val; testing: train"
    assert info["splits"]["training"]["images"] == 2
    assert len(info["splits"]["training"]["files"]) == 2


def test_notes_are_gathered(voc, tmp_path):
    for number in range(5):
        data = voc.image(f"image{number}").read_bytes()
        voc.image(f"image{number}").unlink()
        voc.image(f"image{number}", ".jpeg").write_bytes(data)
    result = run("build", voc.folder, tmp_path / "records")
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    assert any(
        "(and 2 more): names its image under another suffix than the file has" in line
        for line in notes
    )


def test_what_is_no_dataset(tmp_path):
    result = tfod("dataset", "build", tmp_path / "absent", tmp_path / "records")
    assert result.returncode == 66
    assert f"error: the folder {tmp_path / 'absent'} is not there" in result.stderr
    assert "hint: name a folder of annotated images (PASCAL VOC" in result.stderr


def with_little_room(*words):
    """Run ``tfod`` with files of 2,000 bytes at most: the file system's limit for the disk's."""
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from tfod_toolkit.cli import main; main()"
    )
    command = [sys.executable, "-c", limited, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk(voc, tmp_path):
    result = with_little_room("dataset", "build", voc.folder, tmp_path / "records")
    assert result.returncode == 73, result.stderr
    assert "error: cannot write " in result.stderr
    assert "hint: free some space" in result.stderr


def test_a_disk_that_takes_half_of_a_sample_s_picture(tmp_path):
    """Pillow itself would not notice."""
    result = with_little_room("dataset", "sample", tmp_path / "scenes", "--images", 2)
    assert result.returncode == 73, result.stderr
    assert "error: cannot write " in result.stderr
    assert not list(tmp_path.rglob("*.jpg"))
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--difficulty", "brutal"), "'brutal' is none of easy, normal, hard, nor a number"),
        (("--size", "320"), "'320' is not a size such as 320x240"),
    ],
)
def test_words_that_cannot_be(tmp_path, words, says):
    result = run("sample", tmp_path / "scenes", *words)
    assert result.exit_code == 2
    assert says in result.output


def test_difficulties_have_names(tmp_path):
    words = ("sample", tmp_path / "scenes", "--images", 1, "--size", "96x96", "--difficulty")
    assert run(*words, "hard").exit_code == 0
    assert json.loads((tmp_path / "scenes" / "sample.json").read_text())["difficulty"] == 0.9
    assert run(*words, "0.25").exit_code == 0
    assert json.loads((tmp_path / "scenes" / "sample.json").read_text())["difficulty"] == 0.25


def test_left_out_counts_are_right_in_number(voc, tmp_path):
    for number in range(2):
        voc.annotation(f"image{number}").write_text("<")
    result = run("build", voc.folder, tmp_path / "records")
    assert isinstance(result.exception, BadDataError)
    assert result.exception.message.startswith("2 things were left out")


def test_check_as_it_is_typed(voc, tmp_path):
    assert run("check", voc.folder, "--look", "headers").exit_code == 0
    voc.annotation("image3").write_text(voc_xml("image3.jpg", voc_object("cat", (9, 5, 5, 9))))
    result = tfod("dataset", "check", voc.folder, "--fix", tmp_path / "fixed", "--to", "coco")
    assert result.returncode == 0, result.stderr
    assert "error: boxes whose sides are swapped (box-inverted): 1" in result.stdout
    assert f"{voc.annotation('image3')}: object 1 (cat): swapped its sides" in result.stdout
    said = result.stdout.splitlines()
    assert "1 annotation was repaired:" in said
    assert said[-1] == f"the error is repaired in {tmp_path / 'fixed'}"
    assert "Traceback" not in result.stderr
    assert tfod("dataset", "check", tmp_path / "fixed").returncode == 0
    assert tfod("dataset", "check", voc.folder, "--fail-on", "never").returncode == 0
    said = json.loads(run("check", voc.folder, "--json", "--fail-on", "never").stdout)
    assert said["kinds"]["box-inverted"] == 1
    warned = run("check", tmp_path / "fixed", "--fail-on", "warning")
    assert isinstance(warned.exception, BadDataError)
    assert warned.exception.hint == "correct these files and check again"


def test_new_datasets_as_they_are_typed(voc, tmp_path):
    for words, says in (
        (("export", voc.folder, tmp_path / "yolo", "--to", "yolo"), "as yolo"),
        (("merge", voc.folder, tmp_path / "yolo", tmp_path / "both"), "12 images with 24"),
        (
            ("split", voc.folder, tmp_path / "cut", "--parts", "train=0.5,test=0.5"),
            "as voc (test 3, train 3)",
        ),
        (("split", voc.folder, tmp_path / "folds", "--folds", "3"), "(fold1 2, fold2 2, fold3 2)"),
        (
            ("remap", voc.folder, tmp_path / "pets", "--map", "cat,dog=pet"),
            "6 images with 12 annotations",
        ),
    ):
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert says in result.stdout
    both = run("build", tmp_path / "both", tmp_path / "records", "--testing-fraction", 0)
    assert ["cat", "12"] in [line.split() for line in both.stdout.splitlines()]


def test_nothing_of_a_merged_dataset_is_lost(voc, tmp_path):
    """Whatever each called its splits."""
    voc.list("train", "image0", "image1")
    voc.list("val", "image2")
    voc.list("test", "image3", "image4", "image5")
    other = Voc(tmp_path / "other")
    for number in range(4):
        other.add(f"scene{number}", voc_object("ball"))
    other.list("training", "scene0", "scene1", "scene2")
    other.list("testing", "scene3")
    assert run("merge", voc.folder, other.folder, tmp_path / "all").exit_code == 0
    result = run("build", tmp_path / "all", tmp_path / "records")
    assert result.exit_code == 0, result.output
    assert "training: training + train + val; testing: testing + test)" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["images", "6", "4"] in rows
    assert ["ball", "3", "1"] in rows
    assert "left out" not in result.stderr


def test_what_a_split_loses_is_said_last(voc, tmp_path):
    voc.list("train", "image0", "image1")
    voc.list("test", "image2", "image3")
    voc.add("image4", voc_object("bird"))
    result = run("build", voc.folder, tmp_path / "records")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-1].startswith(
        f"warning: {voc.folder}: 2 of 6 images, among them all with 'bird', are left out, for "
        "they are in no split (training: train; testing: test): --training-split"
    )
    assert "warning: splits that are left out (split-lost): 1" in run("check", voc.folder).stdout


def test_an_explicit_draw_comes_before_the_splits(voc, tmp_path):
    voc.list("train", "image0", "image1", "image2", "image3", "image4")
    voc.list("test", "image5")
    words = ("build", voc.folder, tmp_path / "records")
    assert "training: train; testing: test)" in run(*words).stdout
    result = run(*words, "--testing-fraction", 0.5)
    assert result.exit_code == 0, result.output
    assert ["images", "3", "3"] in [line.split() for line in result.stdout.splitlines()]
    how = "50% drawn for testing by seed 0; its own splits test, train are passed over"
    assert f"{how})" in result.stdout
    assert json.loads((tmp_path / "records" / "dataset.json").read_text())["split"] == how
    assert "groups kept together; its own splits" in run(*words, "--group-by", "folder").stdout
    result = tfod("dataset", *words, "--testing-fraction", 0.5, "--folds", 2)
    assert result.returncode == 2, result.stderr
    assert "error: --folds and --testing-fraction are two ways" in result.stderr


def test_a_repair_that_is_not_whole(voc, tmp_path):
    """Something is left out, something stays; the exit code says so, unless it is not to."""
    for number in (1, 2):
        box = voc_object("cat", (5, 5, 5, 9))
        voc.annotation(f"image{number}").write_text(voc_xml(f"image{number}.jpg", box))
    words = ("check", voc.folder, "--fix")
    result = run(*words, tmp_path / "whole")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"all 2 errors are repaired in {tmp_path / 'whole'}"
    assert "2 annotations were repaired:" in result.stdout.splitlines()
    assert "repairs" in json.loads(run(*words, tmp_path / "json", "--json").stdout)

    voc.image("image3").write_bytes(b"")
    result = run(*words, tmp_path / "less")
    assert isinstance(result.exception, BadDataError)
    assert result.exception.message == f"of what is wrong in {voc.folder}, 1 thing was left out"
    assert "are repaired" not in result.stdout
    assert run(*words, tmp_path / "never", "--fail-on", "never").exit_code == 0

    voc.list("train", "image0", "image4")
    voc.list("test", "image4", "image5")
    result = tfod("dataset", *words, tmp_path / "leak")
    assert result.returncode == 65
    assert result.stderr.splitlines()[-2:] == [
        f"error: of what is wrong in {voc.folder}, 1 thing was left out and 1 could not be "
        "repaired (leak-exact)",
        f"hint: the rest is in {tmp_path / 'leak'}; correct these in {voc.folder} and try again",
    ]


def test_annotations_without_their_images(voc):
    """Are not wrong: the images are somewhere else."""
    where = "hint: name the folder of the images with --images DIR, or the dataset's root folder"
    folder = voc.folder / "Annotations"
    for words in ((), ("--fix", voc.folder / "fixed")):
        result = tfod("dataset", "check", folder, *words)
        assert result.returncode == 65
        assert result.stderr.splitlines()[-1] == where
    assert run("check", folder, "--images", voc.folder / "JPEGImages").exit_code == 0
    voc.image("image3").unlink()
    (voc.folder / "JPEGImages").rename(voc.folder / "Annotations" / "pictures")
    result = run("check", folder)
    assert isinstance(result.exception, BadDataError)
    assert result.exception.hint.startswith("correct these files and check again")
