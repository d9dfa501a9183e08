"""What is wrong with a config, found before anything is built: one line and a remedy each."""

from __future__ import annotations

from dataclasses import dataclass

from tfod_toolkit.pipeline.protos import Proto


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        severity: ``error`` (it cannot run), ``warning`` (it will, but not as meant) or ``note``.
        field: the dotted path of the field that it is about, or "".
        message: what is wrong, in one line.
        hint: what to do about it.
    """

    severity: str
    field: str
    message: str
    hint: str | None = None

    @property
    def fatal(self) -> bool:
        """Whether the config cannot run."""
        return self.severity == "error"


def check_config(config: Proto) -> tuple[Finding, ...]:
    """What is wrong with a resolved config."""
    if not config.train_config.num_steps:
        return (
            Finding(
                "error",
                "train_config.num_steps",
                "train_config.num_steps is not set, which means for ever",
                "say how many: --steps 2000",
            ),
        )
    return ()
