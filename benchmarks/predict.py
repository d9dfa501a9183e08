"""Pictures a second and start-up of `tfod predict` beside the original toolkit's loop.

The loop: the SavedModel, one picture at a time, TFOD's drawing, a JSON of what was found. Both look
at 200 photographs of blood cells with the same SSD MobileNet V2 320; rates are from the first
picture to the last, start-up is to the first.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.programs import PROJECT, median_ratio, timed, toolkit, work_folder

PICTURES, PAIRS = 200, int(os.environ.get("TFOD_PAIRS", "3"))

#: What the original's predict.py does, with the one repair that numpy 2 needs.
ORIGINAL = """
import json, sys
import tfod_toolkit.odapi
import numpy as np, tensorflow as tf
from PIL import Image
from object_detection.utils import label_map_util, visualization_utils
model, out, *paths = sys.argv[1:]
detect = tf.saved_model.load(model + "/saved_model")
names = label_map_util.create_category_index_from_labelmap(model + "/classes.pbtxt")
found = []
for path in paths:
    image = np.array(Image.open(path))
    outputs = detect(tf.convert_to_tensor(image)[tf.newaxis, ...])
    count = int(outputs.pop("num_detections")[0])
    kept = {name: value[0, :count].numpy() for name, value in outputs.items()
            if name in ("detection_boxes", "detection_classes", "detection_scores")}
    drawn = visualization_utils.visualize_boxes_and_labels_on_image_array(
        image.copy(), kept["detection_boxes"], kept["detection_classes"].astype(np.int64),
        kept["detection_scores"], names, use_normalized_coordinates=True,
        max_boxes_to_draw=200, min_score_thresh=0.5, agnostic_mode=False)
    Image.fromarray(drawn).save(out + "/" + path.split("/")[-1], quality=95)
    sure = kept["detection_scores"] >= 0.5
    size = np.array([image.shape[0], image.shape[1]] * 2)
    found.append({"boxes": (kept["detection_boxes"][sure] * size).tolist(),
                  "scores": kept["detection_scores"][sure].tolist(),
                  "classes": kept["detection_classes"][sure].tolist()})
    print(path, flush=True)
json.dump(found, open(out + "/found.json", "w"))
"""


def lines_of(command: Sequence[str]) -> tuple[float, float]:
    """Seconds to a program's first line, and lines a second from there to its last."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT
    )
    assert process.stdout is not None
    times = [time.monotonic() for line in process.stdout if line.startswith("/")]
    _, errors = process.communicate()
    if process.returncode or len(times) < PICTURES:
        sys.exit(f"{command[:4]} failed with {process.returncode}:\n{errors[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(f"  {seconds:.1f} s of processors, {after.ru_maxrss / 1024:.0f} MB at most", flush=True)
    return times[0] - began, (len(times) - 1) / (times[-1] - times[0])


def model_for(folder: Path) -> Path:
    """An SSD MobileNet V2 320 that knows blood cells a little, trained once."""
    run = folder / "run"
    if not (run / "exported_model").is_dir():
        source = PROJECT.parent / "shared" / "data" / "bccd"
        timed(toolkit("dataset", "build", source, folder / "records", "--allow-bad"))
        config = PROJECT / "configs" / "ssd_mobilenet_v2_320.config"
        words = ["--config", config, "--records", folder / "records", "--run", run]
        timed(toolkit("train", *words, "--steps", 300, "--batch-size", 8))
    return run / "exported_model"


def pictures() -> list[str]:
    """200 photographs."""
    folder = PROJECT.parent / "shared" / "data" / "bccd" / "JPEGImages"
    return [str(path) for path in sorted(folder.glob("*.jpg"))[:PICTURES]]


def apart(ours: Path, theirs: Path) -> tuple[float, float, int]:
    """How far two lists of detections are apart: pixels, score, and how many have no partner."""
    import numpy as np

    pixels = score = 0.0
    missing = 0
    mine, others = (json.loads(path.read_text()) for path in (ours, theirs))
    for entry, other in zip(mine, others, strict=True):
        left = list(entry["detections"])
        for box, value, kind in zip(other["boxes"], other["scores"], other["classes"], strict=True):
            same = [found for found in left if found["class_id"] == int(kind)]
            best = min(
                same,
                key=lambda f, box=box: np.abs(np.subtract(f["box_px"], box)).max(),
                default=None,
            )
            if best is None:
                missing += 1
                continue
            left.remove(best)
            pixels = max(pixels, float(np.abs(np.subtract(best["box_px"], box)).max()))
            score = max(score, abs(best["score"] - value))
        missing += len(left)
    return pixels, score, missing


def main() -> None:
    """Print rates, start-up and their ratios, and how far the detections are apart."""
    folder = work_folder("predict")
    model, paths = model_for(folder), pictures()
    theirs_out = folder / "theirs"
    theirs_out.mkdir(exist_ok=True)
    timed(toolkit("predict", model, *paths[:8], "--out", folder / "o", "--runtime", "openvino"))
    rates: dict[str, list[float]] = {}
    starts: dict[str, list[float]] = {}
    commands = {
        "original": [sys.executable, "-c", ORIGINAL, str(model), str(theirs_out), *paths],
        "tensorflow": toolkit(
            "predict", model, *paths, "--out", folder / "tf", "--runtime", "tensorflow"
        ),
        "openvino": toolkit(
            "predict", model, *paths, "--out", folder / "ov", "--runtime", "openvino"
        ),
    }
    for _ in range(PAIRS):
        for name, command in commands.items():
            start, rate = lines_of(command)
            starts.setdefault(name, []).append(start)
            rates.setdefault(name, []).append(rate)
            print(f"  {name}: {rate:.1f} pictures a second, first after {start:.1f} s", flush=True)
    for name in ("tensorflow", "openvino"):
        ratio = median_ratio(rates[name], rates["original"])
        start = median_ratio(starts[name], starts["original"])
        print(f"  {name} to original: rate {ratio:.2f}, start {start:.2f}")
    for name, values in rates.items():
        print(f"  {name}: median {statistics.median(values):.1f} a second")
    for name in ("tf", "ov"):
        pixels, score, missing = apart(folder / name / "detections.json", theirs_out / "found.json")
        print(
            f"  {name}: boxes {pixels:.2f} px, scores {score:.4f} apart, {missing} without partner"
        )


if __name__ == "__main__":
    main()
