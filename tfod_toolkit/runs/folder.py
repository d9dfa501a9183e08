"""A run's folder: where everything a run makes lies, and who may write there."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import UsageError, writing


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places of one run.

    Attributes:
        root: the manifest, the pipeline config as run, and the report.
        training: checkpoints, ``best/``, TensorBoard events, ``metrics.jsonl``.
        evaluation: metrics, tables and plots of the best checkpoint.
        exported_model: the exported model.
    """

    root: Path
    training: Path
    evaluation: Path
    exported_model: Path

    @classmethod
    def at(cls, root: Path) -> RunFolder:
        """The layout of a run that has a folder of its own."""
        return cls(root, root / "training", root / "evaluation", root / "exported_model")

    @classmethod
    def split(cls, training: Path, exported_model: Path) -> RunFolder:
        """The layout where the training and export folders were named one by one.

        Where they have no common parent of their own, the manifest, evaluation and report lie in
        the training folder.
        """
        if (training.name, exported_model.name) == ("training", "exported_model") and (
            training.parent.resolve() == exported_model.parent.resolve()
        ):
            return cls.at(training.parent)
        return cls(training, training, training / "evaluation", exported_model)

    @property
    def config(self) -> Path:
        """The pipeline config as run."""
        return self.root / "pipeline.config"

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.root / "run.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def best(self) -> Path:
        """The best checkpoint, whole."""
        return self.training / "best"

    @property
    def has_checkpoints(self) -> bool:
        """Whether a run has left anything here to go on from."""
        return any(
            next(folder.glob("ckpt-*.index"), None) is not None
            for folder in (self.training, self.best)
        )

    def clear(self) -> None:
        """Remove what a run has made here, and nothing else."""
        made = [self.config, self.manifest, self.report, self.root / "plots", self.root / "gallery"]
        made += [
            self.root / "pipeline.sources.json",
            self.evaluation,
            self.exported_model,
            self.best,
        ]
        made += [self.training / name for name in ("train", "eval", "checkpoint")]
        made += [*self.training.glob("ckpt-*"), *self.training.glob("*.jsonl")]
        with writing(self.root):
            for path in made:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: one process at a time trains in it.

        Raises:
            UsageError: another process holds it.
            CannotWriteError: the folder cannot be made.
        """
        with writing(self.root):
            for folder in (self.root, self.training):
                folder.mkdir(parents=True, exist_ok=True)
            lock = (self.root / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"another process is training in {self.root}",
                    "wait for it, stop it, or name another folder with --run",
                ) from None
            yield
