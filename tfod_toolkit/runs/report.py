"""``report.html``: a run on one page that a person can read and send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tfod_toolkit import __version__
from tfod_toolkit.errors import BadDataError
from tfod_toolkit.evaluation.output import GALLERY, GALLERY_FILE, put
from tfod_toolkit.runs.charts import ALL, Chart, line_chart
from tfod_toolkit.runs.facts import facts, model_name, ran_for
from tfod_toolkit.runs.folder import RunFolder
from tfod_toolkit.runs.history import History, Line
from tfod_toolkit.runs.manifest import RUNNING

TEMPLATE = "report.html.j2"
PLOTS = "plots"

#: Classes whose curves are told apart by colour; of more, only the mean is named.
MOST_NAMED = 12
#: Classes that a confusion matrix is shown for.
MOST_CONFUSED = 40

_NUMBERS = {
    "AP": "AP",
    "AP50": "AP at IoU 0.50",
    "AP75": "AP at IoU 0.75",
    "APsmall": "AP of small objects",
    "APmedium": "AP of medium objects",
    "APlarge": "AP of large objects",
    "AR1": "AR with 1 detection",
    "AR10": "AR with 10 detections",
    "AR100": "AR with 100 detections",
    "ARsmall": "AR of small objects",
    "ARmedium": "AR of medium objects",
    "ARlarge": "AR of large objects",
}


def write_report(run: RunFolder | Path) -> Path:
    """Write the report of a run, and the plots of its training under ``plots/``.

    What the run has not made yet is left out.

    Args:
        run: the run's folder.

    Returns:
        The page: one file that refers to nothing outside itself.

    Raises:
        BadDataError: a file of the run is damaged.
        CannotWriteError: no space or permission.
    """
    folder = run if isinstance(run, RunFolder) else _layout(run)
    history = History.read(folder.training)
    for name, png in _plots(history, _best_step(folder)).items():
        put(folder.root / PLOTS / name, png)
    page = _template().render(_context(folder, history))
    put(folder.report, page.encode("utf-8"))
    return folder.report


def _layout(root: Path) -> RunFolder:
    if (root / "training").is_dir():
        return RunFolder.at(root)
    return RunFolder.split(root, root / "exported_model")


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(TEMPLATE)


def _context(folder: RunFolder, history: History) -> dict[str, Any]:
    manifest = read_json(folder.manifest) or {}
    metrics = read_json(folder.evaluation / "metrics.json") or {}
    shown = read_json(folder.evaluation / GALLERY / GALLERY_FILE) or []
    pictures = [_picture(folder.evaluation / GALLERY, entry) for entry in shown]
    name = folder.root.resolve().name
    return {
        "title": name,
        # A run under way writes its report last.
        "status": "" if manifest.get("status") == RUNNING else manifest.get("status", ""),
        "subtitle": _subtitle(folder, manifest),
        "tiles": _tiles(metrics, manifest, history),
        "numbers": [
            {"name": text, "value": three(metrics[name])}
            for name, text in _NUMBERS.items()
            if name in metrics
        ],
        "any_absent": any(metrics.get(name, 0) is None for name in _NUMBERS),
        "classes": _classes(metrics),
        "quality": _quality(read_json(folder.evaluation / "curves.json") or {}, metrics),
        "confusion": _confusion(metrics.get("confusion")),
        "min_score": f"{(metrics.get('confusion') or {}).get('min_score', 0.5):g}",
        "worst": [p for p in pictures if p["kind"] == "worst"],
        "best": [p for p in pictures if p["kind"] == "best"],
        "training": _training(history, _best_step(folder)),
        "facts": facts(folder, manifest, history),
        "version": __version__,
        "written": datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC"),
    }


def read_json(path: Path) -> Any:
    """What a JSON file holds; ``None`` where there is none.

    Raises:
        BadDataError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadDataError(
            f"{path} is damaged: {error}", "evaluate the run again with `tfod evaluate`"
        ) from error


def three(value: float | None) -> str:
    """A metric with three digits; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def _best_step(folder: RunFolder) -> int | None:
    step = (read_json(folder.manifest) or {}).get("best_step")
    return step if isinstance(step, int) else None


def _subtitle(folder: RunFolder, manifest: Mapping[str, Any]) -> str:
    parts = [model_name(folder.config), ran_for(manifest)]
    start = manifest.get("start")
    if start:
        parts.append(datetime.fromisoformat(start).strftime("%d %B %Y, %H:%M UTC"))
    return " · ".join(part for part in parts if part)


def _tiles(
    metrics: Mapping[str, Any], manifest: Mapping[str, Any], history: History
) -> list[dict[str, str]]:
    tiles = []
    for name, text in (("AP50", "AP50"), ("AP", "AP"), ("AR100", "AR100")):
        if name in metrics:
            tiles.append((three(metrics[name]), text))
    if metrics.get("best_F1") is not None:
        at = metrics.get("best_confidence")
        text = "best F1" + (f", at confidence {at:.2f}" if at is not None else "")
        tiles.append((three(metrics["best_F1"]), text))
    if history.steps:
        text = "steps"
        if manifest.get("best_step") not in (None, history.steps[-1]):
            text = f"steps, the best at {manifest['best_step']:,}"
        tiles.append((f"{history.steps[-1]:,}", text))
    if "images" in metrics:
        tiles.append((f"{metrics['images']:,}", f"pictures, {metrics['ground_truths']:,} objects"))
    return [{"value": value, "name": name} for value, name in tiles]


def _classes(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "objects": f"{numbers['ground_truths']:,}",
            "share": None if numbers["AP"] is None else round(100 * numbers["AP"], 1),
            "ap": three(numbers["AP"]),
            "ap50": three(numbers["AP50"]),
            "ap75": three(numbers["AP75"]),
            "ar": three(numbers["AR100"]),
            "f1": three(numbers["best_F1"]),
            "confidence": three(numbers["best_confidence"]),
        }
        for name, numbers in metrics.get("per_class", {}).items()
    ]


def _quality(curves: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Chart]:
    """Precision by recall and F1 by confidence, of each class and of all."""
    if not curves:
        return []
    ap50 = {name: numbers["AP50"] for name, numbers in metrics.get("per_class", {}).items()}
    kinds = (
        ("Precision and recall", "recall", "recalls", "precision_at_recall"),
        ("F1 by confidence", "confidence", "confidences", "f1"),
    )
    charts = []
    for title, x_label, x, y in kinds:
        lines = [Line(name, tuple(curves[x]), tuple(v)) for name, v in curves[y].items() if v]
        if y == "f1":
            lines = [line for line in lines if ap50.get(line.name) is not None]
        if curves["all"][y] and len(lines) > 1:
            lines.append(Line(ALL, tuple(curves[x]), tuple(curves["all"][y])))
        charts.append(
            line_chart(
                title,
                lines,
                x_label=x_label,
                x_range=(0.0, 1.0),
                y_range=(0.0, 1.02),
                unnamed=len(lines) > MOST_NAMED + 1,
                note="A detection is right from IoU 0.5.",
            )
        )
    return [chart for chart in charts if chart]


def _confusion(confusion: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not confusion or len(confusion["classes"]) > MOST_CONFUSED + 1:
        return None
    names = confusion["classes"]
    rows = []
    for name, counts in zip(names, confusion["matrix"], strict=True):
        total = max(1, sum(counts))
        cells = [
            {"count": n, "text": f"{n:,}" if n else "", "share": round(n / total, 3)}
            for n in counts
        ]
        rows.append({"name": name, "cells": cells})
    note = (
        "Rows are what an object is, columns what it was taken for, from confidence "
        f"{confusion['min_score']:g} and IoU {confusion['iou']:g}. The last column counts objects "
        "that were missed, the last row detections where there is no object."
    )
    return {"names": names, "rows": rows, "note": note}


def _picture(folder: Path, entry: Mapping[str, Any]) -> dict[str, str]:
    import base64

    said = f"{entry['right']} of {entry['objects']} found"
    if entry["false"]:
        said += f", {entry['false']} false"
    try:
        data = base64.b64encode((folder / entry["file"]).read_bytes()).decode("ascii")
    except FileNotFoundError as error:
        raise BadDataError(
            f"{folder / entry['file']} is not there, though {GALLERY_FILE} names it",
            "evaluate the run again with `tfod evaluate`",
        ) from error
    return {"kind": entry["kind"], "picture": entry["picture"], "said": said, "data": data}


def _losses(history: History) -> list[Line]:
    """The total loss and its parts, smoothed."""
    parts = [name for name in history.numbers if name.startswith("losses/")]
    parts = [name for name in parts if not name.endswith("/total_loss")]
    lines = [history.line("loss", "total")]
    if len(parts) > 1:
        lines += [history.line(p, p.removeprefix("losses/").replace("_", " ")) for p in parts]
    return [line for line in lines if line]


def _precisions(history: History) -> list[Line]:
    lines = [history.evaluated(name) for name in ("AP", "AP50", "AR100")]
    return [line for line in lines if line]


def _training(history: History, best: int | None) -> list[Chart]:
    """Loss, AP and learning rate over steps."""
    rate = history.exact("learning_rate", "learning rate")
    speed = history.line("images_per_second", "images a second")
    charts = [
        line_chart(
            "Loss",
            _losses(history),
            band=history.band("loss"),
            note="Smoothed; the shade is the range of the single steps' total.",
        ),
        line_chart(
            "Average precision and recall on the test pictures",
            _precisions(history),
            y_range=(0.0, 1.02),
            dots=True,
            mark=best,
            note="The dashed line is the best checkpoint." if best is not None else "",
        ),
        line_chart("Learning rate", [rate] if rate else []),
        line_chart("Speed", [speed] if speed else []),
    ]
    return [chart for chart in charts if chart]


def _plots(history: History, best: int | None) -> dict[str, bytes]:
    """The same curves as PNG files, by name."""
    from tfod_toolkit.evaluation.plots import COLOURS, as_png, new_plot

    rate = history.exact("learning_rate", "learning rate")
    kinds = {
        "loss.png": ("Loss", _losses(history), ""),
        "learning_rate.png": ("Learning rate", [rate] if rate else [], ""),
        "average_precision.png": ("On the test pictures", _precisions(history), "o"),
    }
    plots = {}
    for file, (title, lines, marker) in kinds.items():
        if not lines:
            continue
        axes = new_plot(title, "step", "")
        for line, colour in zip(lines, COLOURS * len(lines), strict=False):
            axes.plot(line.x, line.y, label=line.name, color=colour, marker=marker or None)
        band = history.band("loss") if file == "loss.png" else None
        if band:
            axes.fill_between(band.x, band.low, band.high, color=COLOURS[0], alpha=0.15, lw=0)
        if marker and best is not None:
            axes.axvline(best, color="#7a818c", linestyle="--", linewidth=1)
        axes.set_ylim(bottom=0, top=1.02 if marker else None)
        if len(lines) > 1:
            axes.legend(frameon=False, fontsize=9)
        plots[file] = as_png(axes)
    return plots
