"""What terraform's errors mean to somebody who wants a stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import (
    ConfigError,
    DeniedError,
    MissingInputError,
    TfodError,
    UnavailableError,
)

#: How AWS refuses the signature of a machine whose clock is wrong; and that its own says.
CLOCK = (
    r"Signature (?:expired|not yet current): \S+ is (?:now earlier|still later) than \S+ \((\S+)"
)
SET_CLOCK = "set the clock: AWS takes no request that is more than 5 minutes off"
LOG_IN = "log in, for instance: aws sso login, or aws configure; AWS_PROFILE names a profile"
GO_ON = "when that is put right, the same command goes on where this one stopped"
#: More than these say the same thing.
SHOWN = 5
_ALREADY_THERE = (
    r"AlreadyExists|already exists|AlreadyOwnedByYou|AlreadyAssociated|"
    r"InvalidSubnet\.Conflict|InvalidGroup\.Duplicate|InvalidPermission\.Duplicate"
)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One of terraform's errors.

    Attributes:
        summary: its headline.
        detail: what else it says.
        address: the resource that it is about, or "".
    """

    summary: str
    detail: str
    address: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Diagnostic:
        """From terraform's JSON."""
        return cls(
            str(found.get("summary", "")),
            str(found.get("detail", "")),
            str(found.get("address", "")),
        )

    @property
    def text(self) -> str:
        """All of it, in one line."""
        return " ".join(f"{self.summary}: {self.detail}".split())


class AlreadyThereError(UnavailableError):
    """Something to be made is there already.

    Attributes:
        addresses: terraform's names of what is there.
    """

    def __init__(self, message: str, hint: str | None, addresses: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.addresses = tuple(addresses)


Explanation = Callable[[Diagnostic, Path], TfodError]


def raised(cmd: str, found: Sequence[Diagnostic], errors: str, folder: Path) -> TfodError:
    """The one error that a failed command comes to.

    Args:
        cmd: terraform's command.
        found: its errors, where it told them in JSON.
        errors: what it wrote to its standard error.
        folder: of terraform's files.
    """
    diagnostics = list(found) or [_from_text(errors)]
    there = [each.address for each in found if re.search(_ALREADY_THERE, each.text)]
    if there:
        return AlreadyThereError(
            f"there already: {', '.join(there)}", "the same command takes it over", there
        )
    first = explained(diagnostics[0], folder)
    others = [explained(each, folder).message for each in diagnostics[1:SHOWN]]
    message = "\n".join(dict.fromkeys([first.message, *others]))
    if len(diagnostics) > SHOWN:
        message += f"\nand {len(diagnostics) - SHOWN} more"
    kind = type(first)
    return kind(f"terraform {cmd}: {message}", first.hint)


def explained(diagnostic: Diagnostic, folder: Path) -> TfodError:
    """An error with what to do about it."""
    for pattern, explanation in EXPLANATIONS:
        if re.search(pattern, diagnostic.text):
            return explanation(diagnostic, folder)
    where = f"{diagnostic.address}: " if diagnostic.address else ""
    return UnavailableError(f"{where}{diagnostic.text}", GO_ON)


def _from_text(errors: str) -> Diagnostic:
    """An error of a command that knows no JSON: its box of lines, without the box."""
    lines = [line.strip(" │╷╵\t") for line in errors.splitlines()]
    lines = [line for line in lines if line]
    start = next((n for n, line in enumerate(lines) if line.startswith("Error:")), 0)
    headline = lines[start].removeprefix("Error:").strip() if lines else "it failed"
    return Diagnostic(headline, " ".join(lines[start + 1 : start + 12]))


def _locked(diagnostic: Diagnostic, folder: Path) -> TfodError:
    facts = dict(re.findall(r"^\s*(ID|Who|Created):\s*(.+?)\s*$", diagnostic.detail, re.MULTILINE))
    if not facts:
        facts = dict(re.findall(r"\b(ID|Who|Created):\s*(\S+)", diagnostic.detail))
    return UnavailableError(
        f"the stack's state is locked by {facts.get('Who', 'somebody')} since "
        f"{facts.get('Created', 'an unknown time')}",
        "wait until they are done; if they are gone for good, with TF_WORKSPACE set to the "
        "project: "
        f"terraform -chdir={folder} force-unlock {facts.get('ID', 'ID')}",
    )


def _denied(diagnostic: Diagnostic, folder: Path) -> TfodError:
    del folder
    match = re.search(r"not authorized to perform:? (\S+)", diagnostic.text)
    what = match[1] if match else "what terraform needs"
    return DeniedError(
        f"{diagnostic.address or 'the stack'}: these credentials may not do {what}: "
        f"{_shortened(diagnostic.text)}",
        f"ask an administrator for {what}, or for somebody to apply the stack for you; {GO_ON}",
    )


def _said(kind: type[TfodError], text: str | None, hint: str) -> Explanation:
    """An explanation with a text of its own, or with terraform's detail."""

    def explanation(diagnostic: Diagnostic, folder: Path) -> TfodError:
        del folder
        said = text or _first_sentences(diagnostic)
        where = f"{diagnostic.address}: " if diagnostic.address else ""
        return kind(f"{where}{said}", hint)

    return explanation


def _first_sentences(diagnostic: Diagnostic) -> str:
    detail = diagnostic.detail.split("\n\nThis was checked by")[0]
    return " ".join((detail or diagnostic.summary).split())


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."


#: pattern in summary and detail -> what it means; the first that is found
EXPLANATIONS: list[tuple[str, Explanation]] = [
    (r"Error acquiring the state lock", _locked),
    (r"Invalid value for variable", _said(ConfigError, None, "correct it in config.tfvars")),
    (
        r"postcondition failed|precondition failed",
        _said(ConfigError, None, "correct it in config.tfvars"),
    ),
    (
        r"ExpiredToken|token.{0,40}expired|RequestExpired",
        _said(DeniedError, "the AWS credentials have expired", LOG_IN),
    ),
    (
        r"No valid credential sources|failed to refresh cached credentials|no EC2 IMDS role",
        _said(DeniedError, "there are no AWS credentials", LOG_IN),
    ),
    (
        r"failed to get shared config profile",
        _said(DeniedError, None, "name one of ~/.aws/config as profile in config.tfvars"),
    ),
    (CLOCK, _said(ConfigError, "this machine's clock is wrong", SET_CLOCK)),
    (
        r"InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClientException",
        _said(DeniedError, "these AWS credentials are refused", LOG_IN),
    ),
    (r"AccessDenied|UnauthorizedOperation|not authorized to perform", _denied),
    (
        r"BucketNotEmpty",
        _said(
            ConfigError,
            "the bucket is not empty",
            "fetch what you want to keep, then: tfod stack destroy --empty-buckets",
        ),
    ),
    (
        r"LimitExceeded",
        _said(ConfigError, None, f"ask for more in the console's Service Quotas; {GO_ON}"),
    ),
    (
        r"[Ff]ailed to query available provider packages|Failed to install provider|"
        r"could not connect to registry",
        _said(
            UnavailableError,
            "the AWS provider cannot be fetched",
            "check the network; where there is a mirror of providers on disk, name it in "
            "TFOD_TERRAFORM_PLUGINS",
        ),
    ),
    (
        r"Saved plan is stale",
        _said(UnavailableError, "somebody changed the stack meanwhile", "plan again"),
    ),
    (
        r"Unsupported Terraform Core version",
        _said(ConfigError, None, "install a newer terraform"),
    ),
    (
        r"Failed to (load|read) (state|variables file)|Given variables file .* does not exist",
        _said(MissingInputError, None, "check the file's name and content"),
    ),
]
