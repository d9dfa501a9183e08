"""The terraform program, through python-terraform; what is odd about either is dealt with here.

- python-terraform's ``destroy`` passes ``-force``, which terraform no longer has.
- A plan with changes returns 2, which is success.
- An empty dictionary of variables becomes ``-var-file`` of an empty file, which terraform refuses
  beside a saved plan.
- Output is either kept to the end or not seen at all: here terraform speaks JSON, line by line,
  each line is handed on as it comes, and errors become :class:`TfodError`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, IsNotFlagged, Terraform

from tfod_toolkit.cloud.stack.diagnostics import Diagnostic, raised
from tfod_toolkit.errors import ConfigError, Interrupted, UnavailableError

#: The S3 backend's lock file came with 1.10.
OLDEST = (1, 10)
INSTALL = "install terraform 1.10 or newer: https://developer.hashicorp.com/terraform/install"

Message = Mapping[str, Any]


def _silent(message: Message) -> None:
    pass


class Program(Terraform):
    """terraform in a folder and a workspace.

    Args:
        folder: of terraform's files.
        workspace: whose state is meant; made when it is first written.
        say: gets each message of terraform's as it comes.
    """

    def __init__(
        self, folder: Path, workspace: str, say: Callable[[Message], None] = _silent
    ) -> None:
        super().__init__(working_dir=str(folder), terraform_bin_path=find_program())
        self.folder = folder
        self._say = say
        self._environment = os.environ | {
            "TF_WORKSPACE": workspace,
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }

    def read_state_file(self, file_path: str | None = None) -> None:
        """Nothing: the state is terraform's affair, and may be far away and large."""

    def cmd(self, cmd: str, *args: str, **options: Any) -> tuple[int, str, str]:
        """Run terraform to its end, handing on what it says.

        Raises:
            Interrupted: a signal came; terraform has ended in its own way and written its state.
        """
        words = self.generate_cmd_string(cmd, *args, **options)
        # Workspaces are made by the first plan; init asks about one that is not there yet.
        hidden = {"TF_WORKSPACE"} if cmd == "init" else set()
        lines: list[str] = []
        with tempfile.TemporaryFile("w+") as complaints:
            process = subprocess.Popen(
                words,
                cwd=self.folder,
                env={key: each for key, each in self._environment.items() if key not in hidden},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
                text=True,
            )
            with _forwarded_signals(process) as received:
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line)
                    if (message := _message(line)) is not None:
                        self._say(message)
                code = process.wait()
            complaints.seek(0)
            errors = complaints.read()
        self.temp_var_files.clean_up()
        if received:
            raise Interrupted(
                f"terraform {cmd} was interrupted, and has written down what it did",
                "the same command goes on from there",
            )
        return code, "".join(lines), errors

    def initialise(self, **options: Any) -> None:
        """``terraform init``; an existing state follows to another backend."""
        mirror = os.environ.get("TFOD_TERRAFORM_PLUGINS")
        code, out, errors = self.init(
            reconfigure=IsNotFlagged,
            migrate_state=IsFlagged,
            force_copy=IsFlagged,
            no_color=IsFlagged,
            plugin_dir=mirror or None,
            var=None,
            var_file=None,
            target=None,
            **options,
        )
        self._check("init", code, out, errors)

    def make_plan(self, file: Path, variable_files: list[Path], *, destroy: bool = False) -> bool:
        """Plan into ``file``; whether there is anything to do."""
        code, out, errors = self.plan(
            json=IsFlagged,
            no_color=None,
            out=file,
            destroy=IsFlagged if destroy else None,
            var=None,
            var_file=[str(each) for each in variable_files],
        )
        self._check("plan", 0 if code == 2 else code, out, errors)
        return code == 2

    def read_plan(self, file: Path) -> dict[str, Any]:
        """A plan as JSON."""
        code, out, errors = self.show_cmd(str(file), json=IsFlagged, no_color=IsFlagged)
        self._check("show", code, out, errors)
        plan: dict[str, Any] = json.loads(out)
        return plan

    def show_plan(self, file: Path) -> str:
        """A plan as terraform shows it to people."""
        code, out, errors = self.show_cmd(str(file), no_color=IsFlagged)
        self._check("show", code, out, errors)
        return out

    def carry_out(self, file: Path) -> None:
        """Do what a plan says."""
        code, out, errors = self.apply(str(file), json=IsFlagged, no_color=None, var=None)
        self._check("apply", code, out, errors)

    def read_outputs(self) -> dict[str, Any]:
        """The outputs of the last apply, as ``terraform output -json`` has them."""
        code, out, errors = self.output_cmd(json=IsFlagged, no_color=IsFlagged)
        self._check("output", code, out, errors)
        outputs: dict[str, Any] = json.loads(out)
        return outputs

    def read_state(self) -> dict[str, list[dict[str, Any]]]:
        """What the state holds: type -> the values of each resource."""
        code, out, errors = self.show_cmd(json=IsFlagged, no_color=IsFlagged)
        self._check("show", code, out, errors)
        found: dict[str, list[dict[str, Any]]] = {}
        root = json.loads(out).get("values", {}).get("root_module", {})
        for resource in root.get("resources", []):
            if resource["mode"] == "managed":
                found.setdefault(resource["type"], []).append(resource["values"])
        return found

    def _check(self, cmd: str, code: int, out: str, errors: str) -> None:
        if code != 0:
            raise raised(cmd, list(_diagnostics(out)), errors, self.folder)


def find_program() -> str:
    """The path of a terraform that is new enough.

    Raises:
        ConfigError: there is none, or it is too old.
        UnavailableError: it does not run.
    """
    program = shutil.which("terraform")
    if program is None:
        raise ConfigError("terraform is not on the PATH", INSTALL)
    environment = os.environ | {"CHECKPOINT_DISABLE": "1"}
    try:
        done = subprocess.run(
            [program, "version", "-json"],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{program} does not run: {error}", INSTALL) from error
    # Terraforms before 0.13 answer in words.
    match = re.search(r'(?:"terraform_version": "|Terraform v)(\d+)\.(\d+)([^"\s]*)', done.stdout)
    if match is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UnavailableError(
            f"{program} does not say its version{': ' + said[0] if said else ''}", INSTALL
        )
    if (int(match[1]), int(match[2])) < OLDEST:
        raise ConfigError(
            f"terraform {match[1]}.{match[2]}{match[3]} at {program} is too old", INSTALL
        )
    return program


@contextmanager
def _forwarded_signals(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on as SIGINT, on which terraform ends what it is about, and stops."""
    received: list[int] = []

    def forward(number: int, _frame: object) -> None:
        received.append(number)
        process.send_signal(signal.SIGINT)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, forward)
    except ValueError:  # not in the main thread, where no signal arrives
        pass
    try:
        yield received
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def _message(line: str) -> Message | None:
    """A line of terraform's JSON; nothing for a line of text."""
    if not line.startswith('{"@level"'):
        return None
    message: Message = json.loads(line)
    return message


def _diagnostics(out: str) -> Iterator[Diagnostic]:
    for line in out.splitlines():
        message = _message(line)
        if message and message.get("type") == "diagnostic" and message["@level"] == "error":
            yield Diagnostic.of(message["diagnostic"])
