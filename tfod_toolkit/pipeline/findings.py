"""What a check finds: one thing, in one line, with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a config, or may be.

    Attributes:
        severity: ``error`` (it cannot run), ``warning`` (it will, but hardly as meant) or ``note``.
        field: the dotted path of the field that it is about, or "".
        message: what is wrong, in one line.
        hint: what to do about it.
        set_by: where the field was set, as far as it was: ``FILE:LINE``, ``--set ...``.
    """

    severity: str
    field: str
    message: str
    hint: str | None = None
    set_by: str | None = None

    @property
    def fatal(self) -> bool:
        """Whether the config cannot run."""
        return self.severity == ERROR

    def lines(self) -> Iterator[str]:
        """It as text."""
        yield f"{self.severity}: {self.message}"
        if self.set_by:
            yield f"  set by: {self.set_by}"
        if self.hint:
            yield f"  hint: {self.hint}"


def error(field: str, message: str, hint: str | None = None) -> Finding:
    """A finding that keeps the config from running."""
    return Finding(ERROR, field, message, hint)


def warning(field: str, message: str, hint: str | None = None) -> Finding:
    """A finding that lets the config run, but hardly as meant."""
    return Finding(WARNING, field, message, hint)


def note(field: str, message: str, hint: str | None = None) -> Finding:
    """A finding that is good to know."""
    return Finding(NOTE, field, message, hint)
