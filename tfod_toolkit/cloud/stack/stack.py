"""A stack, from nothing to something and back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.cloud.stack.account import Account, Quota
from tfod_toolkit.cloud.stack.plans import Plan
from tfod_toolkit.cloud.stack.program import Message, Program
from tfod_toolkit.cloud.stack.settings import Settings
from tfod_toolkit.errors import ConfigError, MissingInputError, UsageError, writing

QUOTA_PAGE = "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{}?region={}"


@dataclass(frozen=True, slots=True)
class Status:
    """What a stack is doing.

    Attributes:
        applied: whether there is one.
        tasks: how many run or wait.
        groups: auto-scaling group -> (instances, wanted instances).
        images: image -> its digest's reference; ``None`` where none was pushed.
        warnings: what stands in the way of training.
    """

    applied: bool
    tasks: int
    groups: Mapping[str, tuple[int, int]]
    images: Mapping[str, str | None]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan that waits for a yes.

    Attributes:
        file: of terraform's plan.
        plan: what it says.
        needed: whether there is anything to do.
    """

    file: Path
    plan: Plan
    needed: bool


class Stack:
    """A stack by its settings.

    Args:
        settings: which one.
        say: gets each message of terraform's as it comes.

    Raises:
        ConfigError: terraform is missing or too old.
    """

    def __init__(self, settings: Settings, say: Callable[[Message], None] | None = None) -> None:
        self.settings = settings
        words = (say,) if say else ()
        self._program = Program(settings.folder, settings.project, *words)
        self._resources: dict[str, list[dict[str, Any]]] | None = None

    def account(self) -> Account:
        """The account that the stack is in, after AWS has said that we may speak for it.

        Raises:
            DeniedError: no credentials, expired or refused ones.
            UnavailableError: AWS does not answer.
        """
        account = Account(self.settings.region, self.settings.profile)
        account.identity()
        return account

    def initialise(self, state: str | None = None) -> None:
        """Get what terraform needs, and choose where the state is kept.

        Args:
            state: ``s3://BUCKET/PREFIX``, ``local``, or nothing to leave it where it is.
        """
        override = self.settings.folder / "backend_override.tf"
        if state is not None:
            text = self._backend(state)
            with writing(override):
                if text:
                    override.write_text(text)
                else:
                    override.unlink(missing_ok=True)
        self._program.initialise()

    def _backend(self, state: str) -> str:
        if state == "local":
            return ""
        bucket, _, prefix = state.removeprefix("s3://").partition("/")
        if not state.startswith("s3://") or not bucket:
            raise UsageError(f"{state} is no place for a state", "s3://BUCKET/PREFIX, or local")
        account = self.account()
        region = account.require_bucket(bucket)  # which need not be the stack's
        prefix = prefix.strip("/") or "tfod"
        named = self.settings.profile
        profile = f'    profile              = "{named}"\n' if named else ""
        return (
            "# Written by `tfod stack init --state`.\n"
            'terraform {\n  backend "s3" {\n'
            f'    bucket               = "{bucket}"\n'
            '    key                  = "terraform.tfstate"\n'
            f'    workspace_key_prefix = "{prefix}"\n'
            f'    region               = "{region}"\n'
            f"{profile}"
            "    use_lockfile         = true\n    encrypt              = true\n  }\n}\n"
        )

    @contextmanager
    def proposal(self, *, destroy: bool = False) -> Iterator[Proposal]:
        """A plan, kept while the block lasts."""
        self._ensure_initialised()
        with tempfile.TemporaryDirectory(prefix="tfod-stack-") as folder:
            file = Path(folder) / "plan"
            needed = self._program.make_plan(file, self.settings.variable_files, destroy=destroy)
            yield Proposal(file, Plan.of(self._program.read_plan(file)), needed)

    def full_text(self, proposal: Proposal) -> str:
        """A plan as terraform shows it."""
        return self._program.show_plan(proposal.file)

    def apply(self, proposal: Proposal) -> None:
        """Do what was proposed.

        Raises:
            ConfigError: AWS would refuse a part of it; nothing was done.
        """
        self._resources = None
        if proposal.plan.faults:
            raise ConfigError(
                "AWS would refuse this: " + "; ".join(proposal.plan.faults),
                "correct the files of terraform; nothing was done",
            )
        self._program.carry_out(proposal.file)

    @contextmanager
    def taking_over(self, found: Mapping[str, str]) -> Iterator[None]:
        """Let plans take what AWS has already for the stack's, while the block lasts.

        Args:
            found: terraform's address -> terraform's id of what is there.
        """
        # The condition keeps another stack of the same folder from taking it.
        project = json.dumps(self.settings.project)
        text = "".join(
            f"import {{\n  for_each = terraform.workspace == {project} ? "
            f"toset([{json.dumps(name)}]) : toset([])\n  to = {address}\n  id = each.value\n}}\n"
            for address, name in found.items()
        )
        file = self.settings.folder / f"adopted_{self.settings.project}.tf"
        try:
            with writing(file):
                file.write_text(text)
            yield
        finally:
            file.unlink(missing_ok=True)

    def outputs(self) -> dict[str, Any]:
        """The outputs, as ``terraform output -json`` and so ``configs.json`` has them.

        Raises:
            MissingInputError: the stack was never applied, or is gone.
        """
        self._ensure_initialised()
        outputs = self._program.read_outputs()
        if not outputs:
            raise MissingInputError(
                f"there is no stack called {self.settings.project}",
                "provision it: make apply, or tfod stack apply",
            )
        return outputs

    def check_free_to_go(
        self, account: Account, *, force: bool = False, empty_buckets: bool = False
    ) -> None:
        """Refuse what a destroy should not take along, before anything is gone.

        Args:
            account: that the stack is in.
            force: though tasks run.
            empty_buckets: though the stack's own buckets hold something.

        Raises:
            UsageError: a task runs, or a bucket of the stack's own is not empty.
        """
        tasks, full = self._tasks(account), self._full_buckets(account)
        if tasks and not force:
            raise UsageError(
                f"the stack {self.settings.project} is at work: {', '.join(map(_name, tasks))}",
                "stop it first, with tfod stop RUN, or destroy with --force and lose what is not "
                "in S3 yet",
            )
        if full and not empty_buckets:
            raise UsageError(
                f"the bucket {' and the bucket '.join(full)} is not empty",
                "fetch what you want to keep; --empty-buckets then deletes the rest for good",
            )

    def clear_away(self, account: Account) -> None:
        """Remove what would stop a destroy half-way: tasks, objects, registered hosts."""
        account.stop(self.settings.project, self._tasks(account))
        for bucket in self._full_buckets(account):
            account.empty(bucket)
        account.release_hosts(self.settings.project)
        groups = [each["name"] for each in self.known_resources().get("aws_autoscaling_group", [])]
        if groups:
            account.unprotect(groups)

    def _tasks(self, account: Account) -> list[dict[str, Any]]:
        there = "aws_ecs_cluster" in self.known_resources()
        return account.tasks(self.settings.project) if there else []

    def _full_buckets(self, account: Account) -> list[str]:
        own = self.known_resources().get("aws_s3_bucket", [])
        kept = [str(each["bucket"]) for each in own if not each.get("force_destroy")]
        return [bucket for bucket in kept if not account.is_empty(bucket)]

    def known_resources(self) -> dict[str, list[dict[str, Any]]]:
        """What the state holds: type -> the values of each resource."""
        if self._resources is None:
            self._ensure_initialised()
            self._resources = self._program.read_state()
        return self._resources

    def status(self, account: Account) -> Status:
        """What the stack is doing, and what stands in its way."""
        outputs = {name: each["value"] for name, each in self._program.read_outputs().items()}
        if not outputs:
            return Status(False, 0, {}, {}, ())
        warnings = [quota_warning(quota, account.region) for quota in self.short_quotas(account)]
        missing = [name for name, image in outputs["images"].items() if not image]
        if missing:
            warnings.append(
                f"no image was pushed for {', '.join(sorted(missing))}: make push, then make apply"
            )
        return Status(
            True,
            len(account.tasks(outputs["cluster_name"])),
            account.instances(list(outputs["autoscaling_groups"].values())),
            outputs["images"],
            tuple(warnings),
        )

    def short_quotas(self, account: Account, plan: Plan | None = None) -> list[Quota]:
        """The quotas that do not allow for a single instance of the stack's."""
        if plan is not None:
            types = [each.name for each in plan.costs.types]
        else:
            types = self._program.read_outputs().get("instance_types", {}).get("value", [])
        smallest: dict[str, int] = {}
        for name in types:
            vcpus = _vcpus(name)
            letter = name[0]
            smallest[letter] = min(vcpus, smallest.get(letter, vcpus))
        return [quota for quota in account.quotas(smallest) if quota.vcpus < quota.needed]

    def _ensure_initialised(self) -> None:
        data = os.environ.get("TF_DATA_DIR") or ".terraform"
        if not (self.settings.folder / data).is_dir():
            self._program.initialise()


def quota_warning(quota: Quota, region: str) -> str:
    """A quota that is too small, and where to ask for more."""
    return (
        f"the quota {quota.name!r} ({quota.code}) is {quota.vcpus:g} vCPUs in {region}, and the "
        f"smallest instance needs {quota.needed}: no {quota.kind} instance can start; ask for more "
        f"at {QUOTA_PAGE.format(quota.code, region)}"
    )


def _name(task: Mapping[str, Any]) -> str:
    group = str(task.get("group") or "")
    name = group.removeprefix("tfod:") if group.startswith("tfod:") else ""
    return name or str(task["taskArn"]).rpartition("/")[2]


def _vcpus(name: str) -> int:
    """The vCPUs of an instance type of AWS's usual sizes: an xlarge has four."""
    size = name.partition(".")[2]
    if size == "metal":
        return 96
    factor = size.removesuffix("xlarge")
    return 4 * int(factor) if factor.isdigit() else 4
