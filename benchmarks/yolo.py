"""Pictures a second of `tfod predict` beside Ultralytics' YOLO11n, at the same input size.

Both look at 200 photographs at 320 pixels, draw on them and list what is found; rates are from the
first picture to the last. YOLO11n has no weights here: that changes what it finds, not its speed
(it finds nothing, so it draws and lists nothing: what follows the network costs it less).

python -m benchmarks yolo    (TFOD_YOLO_PYTHON: an interpreter with ultralytics;
                             TFOD_YOLO=openvino: its OpenVINO form too, where it has openvino)
"""

from __future__ import annotations

import os
import statistics
import sys

from benchmarks.predict import PAIRS, lines_of, model_for, pictures
from benchmarks.programs import median_ratio, timed, toolkit, work_folder

YOLO = """
import json, sys
from pathlib import Path
from ultralytics import YOLO
import torch
torch.set_num_threads(len(__import__("os").sched_getaffinity(0)))
form, folder, *paths = sys.argv[1:]
model = YOLO("yolo11n.yaml", task="detect")
if form == "openvino":
    made = Path(folder) / "yolo11n_openvino_model"
    if not made.exists():
        model.save(Path(folder) / "yolo11n.pt")
        YOLO(Path(folder) / "yolo11n.pt").export(format="openvino", imgsz=320, dynamic=False)
    model = YOLO(made, task="detect")
out = Path(folder) / form
out.mkdir(exist_ok=True)
found = []
listed = out / "paths.txt"  # a Python list would be one batch of all
listed.write_text("\\n".join(paths))
for result in model.predict(str(listed), imgsz=320, stream=True, verbose=False):
    result.save(str(out / Path(result.path).name))
    found.append(result.to_json())
    print(result.path, flush=True)
(out / "found.json").write_text(json.dumps(found))
"""


def main() -> None:
    """Print rates and ratios."""
    python = os.environ.get("TFOD_YOLO_PYTHON")
    if not python:
        sys.exit("name an interpreter that has ultralytics in TFOD_YOLO_PYTHON")
    folder, yolo = work_folder("predict"), work_folder("yolo")
    model, paths = model_for(folder), pictures()
    timed(toolkit("predict", model, *paths[:8], "--out", folder / "o", "--runtime", "openvino"))
    forms = ["torch", "openvino"] if "openvino" in os.environ.get("TFOD_YOLO", "") else ["torch"]
    commands = {form: [python, "-c", YOLO, form, str(yolo), *paths] for form in forms}
    ours = toolkit("predict", model, *paths, "--out", folder / "ov", "--runtime", "openvino")
    rates: dict[str, list[float]] = {}
    for _ in range(PAIRS):
        for name, command in {**commands, "tfod": ours}.items():
            start, rate = lines_of(command)
            rates.setdefault(name, []).append(rate)
            print(f"  {name}: {rate:.1f} pictures a second, first after {start:.1f} s", flush=True)
    for form in forms:
        print(f"  tfod to YOLO11n ({form}): {median_ratio(rates['tfod'], rates[form]):.2f}")
    for name, values in rates.items():
        print(f"  {name}: median {statistics.median(values):.1f} a second")


if __name__ == "__main__":
    main()
