"""An evaluation as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.scenes import LABELS, Scripted, example, random_scenes
from tfod_toolkit.errors import CannotWriteError
from tfod_toolkit.evaluation import (
    METRICS,
    Evaluation,
    EvaluationSettings,
    evaluate,
    write_evaluation,
)
from tfod_toolkit.evaluation.gallery import SIDE
from tfod_toolkit.evaluation.output import detections_in_coco_format


class Recorded:
    """Draws nothing and remembers what it was asked to draw."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __call__(self, image, boxes_px, labels, scores, class_ids):
        self.calls.append((image.shape, boxes_px, labels, scores, class_ids))
        return image


def scenes(**settings) -> Evaluation:
    examples, detect = random_scenes(11, 30)
    return evaluate(detect, examples, LABELS, settings=EvaluationSettings(**settings))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path, Recorded]:
    folder, draw, evaluation = tmp_path_factory.mktemp("evaluation"), Recorded(), scenes()
    write_evaluation(evaluation, folder, draw=draw)
    return evaluation, folder, draw


def test_metrics_json_has_flat_keys(written) -> None:
    evaluation, folder, _ = written
    found = json.loads((folder / "metrics.json").read_text())
    assert {name: found[name] for name in METRICS} == {
        name: evaluation.metrics[name] for name in METRICS
    }
    assert set(found["per_class"]) == {"brick", "ball", "cylinder"}
    assert found["per_class"]["ball"]["AP"] == evaluation.per_class["ball"]["AP"]
    assert found["images"] == 30
    assert found["ground_truths"] == sum(int((~p.objects.crowd).sum()) for p in evaluation.pictures)
    assert found["confusion"]["classes"] == ["brick", "ball", "cylinder", "background"]
    assert np.array(found["confusion"]["matrix"]).shape == (4, 4)


def test_what_cannot_be_measured_is_null(tmp_path: Path) -> None:
    evaluation = evaluate(Scripted({}), [example()], LABELS)
    write_evaluation(evaluation, tmp_path, draw=Recorded())
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["AP"] is None
    assert found["per_class"]["brick"]["AP50"] is None
    assert "NaN" not in (tmp_path / "curves.json").read_text()
    rows = list(csv.DictReader((tmp_path / "per_class.csv").open()))
    assert rows[0]["AP"] == ""


def test_the_table_by_class(written) -> None:
    evaluation, folder, _ = written
    rows = list(csv.DictReader((folder / "per_class.csv").open()))
    assert [row["class"] for row in rows] == ["brick", "ball", "cylinder"]
    assert float(rows[1]["AP"]) == pytest.approx(evaluation.per_class["ball"]["AP"], abs=1e-6)
    assert int(rows[1]["ground_truths"]) == evaluation.per_class["ball"]["ground_truths"]


@pytest.mark.parametrize("name", ["precision_recall", "f1_confidence", "confusion_matrix"])
def test_plots_are_pictures(written, name: str) -> None:
    _, folder, _ = written
    with Image.open(folder / "plots" / f"{name}.png") as plot:
        assert min(plot.size) > 300
        assert len(np.unique(np.asarray(plot.convert("L")))) > 20


def test_detections_are_cocos_results(written) -> None:
    evaluation, folder, _ = written
    found = json.loads((folder / "detections.json").read_text())
    assert len(found) == sum(len(picture.found.scores) for picture in evaluation.pictures)
    picture = next(picture for picture in evaluation.pictures if len(picture.found.scores))
    ymin, xmin, ymax, xmax = picture.found.boxes_px[0].tolist()
    assert found[0]["image_id"] == picture.source_id
    assert found[0]["bbox"] == pytest.approx([xmin, ymin, xmax - xmin, ymax - ymin], abs=0.01)
    assert found[0]["category_id"] in (1, 2, 3)


def test_image_ids_that_are_numbers_stay_numbers_and_masks_go_along() -> None:
    from pycocotools import mask

    answer = (np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([2]), np.array([0.75]))
    detect = Scripted({0: answer}, {0: {"detection_masks": np.ones((1, 5, 5))}})
    evaluation = evaluate(detect, [example(name="397133")], LABELS)
    (result,) = detections_in_coco_format(evaluation)
    assert result["image_id"] == 397133
    assert mask.area(result["segmentation"]) == 20 * 30
    assert json.dumps(result)


def test_detections_go_where_the_config_says(tmp_path: Path) -> None:
    evaluation = scenes(export_path=str(tmp_path / "there" / "detections.json"))
    write_evaluation(evaluation, tmp_path / "evaluation", detections=False)
    assert json.loads((tmp_path / "there" / "detections.json").read_text())
    assert not (tmp_path / "evaluation" / "detections.json").exists()
    assert not (tmp_path / "evaluation" / "gallery").exists()


def test_the_gallery_shows_the_worst_and_the_best(written) -> None:
    _, folder, _ = written
    shown = json.loads((folder / "gallery" / "gallery.json").read_text())
    assert [entry["file"] for entry in shown[:2]] == ["worst-01.jpg", "worst-02.jpg"]
    assert [entry["kind"] for entry in shown] == ["worst"] * 5 + ["best"] * 5
    worst, best = ([e["cost"] for e in shown if e["kind"] == k] for k in ("worst", "best"))
    assert worst == sorted(worst, reverse=True)
    assert best == sorted(best)
    assert min(worst) >= max(best)
    assert len({entry["picture"] for entry in shown}) == 10
    for entry in shown:
        with Image.open(folder / "gallery" / entry["file"]) as picture:
            assert picture.size[0] <= 2 * SIDE + 8
            assert max(picture.size[0] / 2, picture.size[1]) >= SIDE


def test_the_gallery_draws_truth_beside_what_is_sure(written) -> None:
    _, _, draw = written
    assert len(draw.calls) == 20
    for (shape, truth, labels, scores, ids), (_, _, _, sure, _) in zip(
        draw.calls[::2], draw.calls[1::2], strict=True
    ):
        assert max(shape) == SIDE
        assert scores is None
        assert len(truth) == len(ids)
        assert labels == [LABELS.names[number] for number in ids.tolist()]
        assert (sure >= 0.5).all()
        assert sure.tolist() == sorted(sure.tolist(), reverse=True)


def test_boxes_are_scaled_with_the_picture(tmp_path: Path) -> None:
    answer = (np.array([[0.25, 0.5, 0.75, 1.0]]), np.array([2]), np.array([0.9]))
    draw = Recorded()
    one = example([[0.25, 0.5, 0.75, 1.0]], [2], size=(40, 60))
    write_evaluation(evaluate(Scripted({0: answer}), [one], LABELS), tmp_path, draw=draw)
    assert draw.calls[0][0] == (320, 480, 3)
    for call in draw.calls:
        assert call[1][0].tolist() == pytest.approx([80, 240, 240, 480])


def test_settings_of_the_gallery(tmp_path: Path) -> None:
    settings = {"show_names": False, "show_scores": False, "max_boxes": 1, "gallery": 3}
    draw = Recorded()
    write_evaluation(scenes(min_score=0.0, **settings), tmp_path, draw=draw)
    assert len(draw.calls) == 6
    for _, boxes, labels, scores, _ in draw.calls[1::2]:
        assert scores is None
        assert len(boxes) <= 1
        assert set(labels) <= {""}


def test_writing_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    write_evaluation(scenes(gallery=8), tmp_path, draw=Recorded())
    write_evaluation(scenes(gallery=2), tmp_path, draw=Recorded())
    names = sorted(path.name for path in (tmp_path / "gallery").iterdir())
    assert names == ["best-01.jpg", "gallery.json", "worst-01.jpg"]
    assert not list(tmp_path.rglob("*.new"))


def test_examples_that_pass_once_have_no_gallery(tmp_path: Path) -> None:
    examples, detect = random_scenes(11, 6)
    evaluation = evaluate(detect, iter(examples), LABELS)
    write_evaluation(evaluation, tmp_path, draw=Recorded())
    assert json.loads((tmp_path / "gallery" / "gallery.json").read_text()) == []


def test_no_folder_can_be_made_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(CannotWriteError, match="taken") as caught:
        write_evaluation(scenes(), tmp_path / "taken")
    assert caught.value.hint


def test_many_classes_are_drawn_without_names(tmp_path: Path) -> None:
    from tfod_toolkit.dataset import LabelMap

    many = LabelMap.of([f"class {number}" for number in range(1, 41)])
    examples, detect = random_scenes(3, 20, classes=40)
    evaluation = evaluate(detect, examples, many)
    write_evaluation(evaluation, tmp_path)
    with Image.open(tmp_path / "plots" / "confusion_matrix.png") as plot:
        assert plot.size[0] < 2000
