"""Plots as PNG files, drawn by matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tfod_toolkit.evaluation.curves import CONFIDENCES, RECALLS, Curve

if TYPE_CHECKING:
    from tfod_toolkit.evaluation.confusion import Confusion
    from tfod_toolkit.evaluation.evaluator import Evaluation

Figure: TypeAlias = Any
Axes: TypeAlias = Any

#: Colours that people with any kind of colour vision tell apart (Paul Tol's "bright").
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
#: Curves of more classes than this are not told apart by colour, and only the mean is named.
MOST_NAMED = 12
#: A matrix of more classes than this is drawn without its numbers.
MOST_NUMBERED = 15


def new_plot(title: str, x: str, y: str, size: tuple[float, float] = (8.4, 4.8)) -> Axes:
    """Axes of a new figure (``axes.figure``), in the toolkit's style."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def as_png(axes: Axes) -> bytes:
    """The figure of ``axes`` as a PNG."""
    buffer = io.BytesIO()
    axes.figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def precision_recall_plot(evaluation: Evaluation) -> bytes:
    """Precision over recall at IoU 0.5, of each class and their mean."""
    axes = new_plot("Precision and recall at IoU 0.5", "recall", "precision")
    for name, curve, style in _lines(evaluation):
        if curve.precision_at_recall is not None:
            ap50 = float(curve.precision_at_recall.mean())
            label = f"{name}  {ap50:.3f}" if name else None
            axes.plot(RECALLS, curve.precision_at_recall, label=label, **style)
    return _finished(axes, "AP50")


def f1_plot(evaluation: Evaluation) -> bytes:
    """F1 at IoU 0.5 over the confidence asked for, of each class and of all together."""
    axes = new_plot("F1 by confidence, at IoU 0.5", "confidence", "F1")
    for name, curve, style in _lines(evaluation):
        if curve.best_f1 is not None:
            at = f" at {curve.best_confidence:.2f}" if curve.best_confidence is not None else ""
            label = f"{name}  {curve.best_f1:.3f}{at}" if name else None
            axes.plot(CONFIDENCES, curve.f1, label=label, **style)
    return _finished(axes, "best F1")


def confusion_plot(confusion: Confusion, names: Sequence[str]) -> bytes:
    """The confusion matrix, shaded by share of its row.

    Args:
        confusion: the matrix.
        names: of its classes.
    """
    labels, count = [*names, "background"], len(names) + 1
    side = min(14.0, 2.6 + 0.62 * count)
    axes = new_plot(
        f"Confusion at IoU 0.5, confidence {confusion.min_score:g}",
        "taken for",
        "object",
        (side + 0.6, side),
    )
    matrix = confusion.matrix
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    small = 9 if count <= MOST_NUMBERED else 6
    axes.set_xticks(range(count), labels, rotation=40, ha="right", fontsize=small)
    axes.set_yticks(range(count), labels, fontsize=small)
    if count <= MOST_NUMBERED:
        for (row, column), number in np.ndenumerate(matrix):
            colour = "white" if shares[row, column] > 0.55 else "#30343b"
            if number:
                axes.text(column, row, f"{number:,}", ha="center", va="center", color=colour)
    return as_png(axes)


def _lines(evaluation: Evaluation) -> list[tuple[str, Curve, dict[str, Any]]]:
    """Name (empty: not named), curve and style of each line, the one of all classes last."""
    names = evaluation.label_map.names
    few = len(names) <= MOST_NAMED
    lines: list[tuple[str, Curve, dict[str, Any]]] = []
    for place, (class_id, curve) in enumerate(evaluation.curves.items()):
        colour = COLOURS[place % len(COLOURS)] if few else "#c3c9d1"
        dashes = "--" if few and place >= len(COLOURS) else "-"
        style = {"color": colour, "linewidth": 1.5 if few else 0.6, "linestyle": dashes}
        lines.append((names[class_id] if few else "", curve, style))
    if len(names) > 1:
        lines.append(("all", evaluation.together, {"color": "#30343b", "linewidth": 2.6}))
    return lines


def _finished(axes: Axes, legend: str) -> bytes:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            title=legend, frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1)
        )
    return as_png(axes)
