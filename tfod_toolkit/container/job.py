"""The original toolkit's job: seven words, of which the last two may be left out or empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfod_toolkit.errors import UsageError

POSITIONS = 'MODELS TRAINING EXPORT RECORDS "ZOO MODEL" [OVERRIDE] [HPARAMS]'
NEEDED = ("models", "training", "export", "records", "zoo model")
FEWEST, MOST = 5, 7


@dataclass(frozen=True, slots=True)
class Job:
    """One training.

    Attributes:
        models: the folder that zoo models are kept in.
        training: where checkpoints, metrics and the run's manifest go.
        export: where the exported model goes.
        records: a folder of records, or the s3:// URL of one.
        model: a zoo model's name.
        override: a fragment of a config, a path or URL; empty: none.
        hparams: hyperparameters, likewise.
    """

    models: Path
    training: Path
    export: Path
    records: str
    model: str
    override: str = ""
    hparams: str = ""

    @classmethod
    def of_words(cls, words: Sequence[str], verbs: Sequence[str] = ()) -> Job:
        """The job that some words describe.

        Args:
            words: the positions.
            verbs: what could have stood first in their place, for the message.

        Raises:
            UsageError: they are too few or too many, or one that is needed is empty.
        """
        if not FEWEST <= len(words) <= MOST:
            begin = f", and {words[0]!r} is no verb of tfod" if len(words) == 1 else ""
            verb = f"; or a verb of tfod: {', '.join(verbs)}" if verbs else ""
            raise UsageError(
                f"the job takes {FEWEST} to {MOST} words, not {len(words)}{begin}",
                f"{POSITIONS}{verb}",
            )
        for name, word in zip(NEEDED, words, strict=False):
            if not word.strip():
                raise UsageError(f"the word for {name} is empty", POSITIONS)
        models, training, export, records, model, *more = words
        return cls(Path(models), Path(training), Path(export), records, model, *more)

    def train_words(self, records: Path, override: str, hparams: str) -> list[str]:
        """The words of ``tfod train``, with the inputs where they are on this machine."""
        words = ["--training-dir", str(self.training), "--export-dir", str(self.export)]
        words += ["--records", str(records), "--model", self.model]
        words += ["--override", override] if override else []
        words += ["--hparams", hparams] if hparams else []
        return ["train", *words]
