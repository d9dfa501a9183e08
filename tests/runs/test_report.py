"""``report.html``: complete, self-contained, and made of whatever is there."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.evaluation.scenes import LABELS, random_scenes
from tfod_toolkit.errors import BadDataError, CannotWriteError
from tfod_toolkit.evaluation import evaluate, write_evaluation
from tfod_toolkit.prediction.drawing import draw_boxes
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.runs.report import write_report

CONFIG = """
model { ssd { num_classes: 3 feature_extractor { type: "ssd_mobilenet_v2_fpn_keras" } } }
train_config { batch_size: 8 num_steps: 300
  data_augmentation_options { random_horizontal_flip {} }
  optimizer { adam_optimizer {} } }
train_input_reader { tf_record_input_reader { input_path: "RECORDS/training.record" } }
"""


class Page(HTMLParser):
    """What a page refers to, says, and whether its elements are closed."""

    VOID = frozenset({"meta", "img", "input", "br", "path", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.said: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_endtag(self, tag) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        if self.open[-1:] not in (["style"], ["script"]) and data.strip():
            self.said.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.said)


def make_run(root: Path, *, layout: str = "together", classes: str = "brick") -> RunFolder:
    """The folder of a finished run, without the training."""
    folder = RunFolder.at(root)
    if layout == "split":
        folder = RunFolder.split(root, root.parent / "exported")
    folder.training.mkdir(parents=True)
    records = root.parent / f"{root.name}-records"
    records.mkdir()
    split = {"images": 400, "annotations": 1234, "by_class": {classes: 1000, "ball": 234}}
    counts = {"source": "my/pictures", "splits": {"training": split}, "left_out": ["a.jpg"]}
    (records / "dataset.json").write_text(json.dumps(counts))
    folder.config.write_text(CONFIG.replace("RECORDS", str(records)))
    (folder.training / "metrics.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "step": n,
                    "loss": 1 / n,
                    "losses": {"localization_loss": 0.4 / n, "classification_loss": 0.6 / n},
                    "learning_rate": 0.001,
                    "images_per_second": 40.0,
                    "host_memory_mb": 2048.0,
                }
            )
            + "\n"
            for n in range(1, 301)
        )
    )
    (folder.training / "evaluations.jsonl").write_text(
        "".join(json.dumps({"step": n, "AP": n / 1000, "AP50": n / 500}) + "\n" for n in (150, 300))
    )
    manifest = {
        "verb": "train",
        "arguments": {
            **{"config": "a.config", "seed": 0, "batch_size": None, "fresh": True},
            **{"device": ["GPU:0", "GPU:1"], "deterministic": False},
        },
        "versions": {"tensorflow-cpu": "2.21.0"},
        "git_commit": "0123abc",
        "start": "2026-07-01T10:00:00+00:00",
        "end": "2026-07-01T10:05:12+00:00",
        "status": "finished",
        "exit_reason": "all steps taken",
        "best_step": 150,
        "dataset_fingerprint": "f1" * 32,
    }
    folder.manifest.write_text(json.dumps(manifest))
    examples, detect = random_scenes(11, 24)
    names = dict(LABELS.names) | {1: classes}
    labels = type(LABELS)(names)
    write_evaluation(evaluate(detect, examples, labels), folder.evaluation, draw=draw_boxes)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = make_run(tmp_path_factory.mktemp("runs") / "first-run")
    assert write_report(folder.root) == folder.report
    return folder


@pytest.fixture(scope="module")
def page(run: RunFolder) -> Page:
    return Page(run.report.read_text(encoding="utf-8"))


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert page.tags.count("h1") == 1


def test_the_page_refers_to_nothing_outside_itself(run: RunFolder, page: Page) -> None:
    assert page.links
    assert all(link.startswith("data:image/") for link in page.links)
    text = run.report.read_text(encoding="utf-8")
    text = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|fetch\(|src=\"[^\"]", text)


def test_the_page_shows_everything(run: RunFolder, page: Page) -> None:
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    for name in ("AP", "AP50", "AP75", "ARmedium"):
        assert f"{metrics[name]:.3f}" in page.text
    for text in (
        *("first-run", "finished", "5 min 12 s", "ssd_mobilenet_v2_fpn_keras"),
        *("brick", "ball", "cylinder", "background"),
        *("Precision and recall", "F1 by confidence", "Loss", "Learning rate", "localization loss"),
        *(
            "The worst",
            "The best",
            "left out",
            "my/pictures",
            "400 pictures, 1,234 objects: brick 1,000",
            "adam",
            "random horizontal flip",
        ),
        *("400 pictures, 1,234 objects: brick 1,000",),
        *(
            "tfod train --config a.config --seed 0 --fresh --device GPU:0 GPU:1",
            "2.21.0",
            "0123abc",
            "all steps taken",
        ),
        *("40.0 images a second", "2.0 GB at most", "f1f1", "num_steps: 300"),
    ):
        assert text in page.text, text
    shown = json.loads((run.evaluation / "gallery" / "gallery.json").read_text())
    assert page.tags.count("img") == len(shown) == 10
    for entry in shown:
        assert entry["picture"] in page.text


def test_the_page_suits_any_screen(run: RunFolder) -> None:
    text = run.report.read_text(encoding="utf-8")
    for part in (
        "prefers-color-scheme:dark",
        "@media print",
        "width=device-width",
        "max-width:560",
    ):
        assert part in text


def test_plots_of_the_training_are_files(run: RunFolder) -> None:
    for name in ("loss", "learning_rate", "average_precision"):
        with Image.open(run.root / "plots" / f"{name}.png") as plot:
            assert min(plot.size) > 300


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", classes="<script>alert('x')</script>")
    text = write_report(folder).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert Page(text).open == []


def test_a_run_whose_folders_were_named_one_by_one(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "training", layout="split")
    assert write_report(folder.root) == tmp_path / "training" / "report.html"
    assert "AP at IoU 0.50" in folder.report.read_text(encoding="utf-8")


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "run" / "training").mkdir(parents=True)
    text = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert Page(text).open == []
    assert "<svg" not in text


def test_a_run_without_objects_in_its_test_pictures(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder.evaluation / "metrics.json"
    metrics = json.loads(path.read_text())
    numbers = {name: None if isinstance(v, float) else v for name, v in metrics.items()}
    numbers["per_class"] = {
        name: dict.fromkeys(values, None) | {"ground_truths": 0, "detections": 0}
        for name, values in metrics["per_class"].items()
    }
    path.write_text(json.dumps(numbers))
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "A dash: there is no such object" in page.text


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder.evaluation / "metrics.json").write_text('{"AP": 0.')
    with pytest.raises(BadDataError, match=r"metrics\.json is damaged") as caught:
        write_report(folder)
    assert "tfod evaluate" in str(caught.value.hint)


def test_a_picture_that_was_taken_away_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder.evaluation / "gallery" / "worst-02.jpg").unlink()
    with pytest.raises(BadDataError, match=r"worst-02\.jpg is not there"):
        write_report(folder)


def test_a_config_that_is_no_config_costs_only_its_facts(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    folder.config.write_text("model { nothing of the kind }")
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "nothing of the kind" in page.text
    assert "adam" not in page.text


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    folder.report.mkdir()
    with pytest.raises(CannotWriteError, match=r"report\.html"):
        write_report(folder)
