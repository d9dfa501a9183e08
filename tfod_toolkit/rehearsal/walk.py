"""The whole way, step by step: provision, train far away, watch, bring home, predict."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.cloud.stack.settings import CHECKOUT
from tfod_toolkit.errors import BadDataError, UnavailableError, writing
from tfod_toolkit.rehearsal import docker, provision
from tfod_toolkit.rehearsal.aws import Aws, started
from tfod_toolkit.rehearsal.capacity import Delays
from tfod_toolkit.rehearsal.emulator import Settings
from tfod_toolkit.rehearsal.faults import Fault, happen
from tfod_toolkit.rehearsal.runtime import Image, free_port
from tfod_toolkit.rehearsal.verbs import FailedError, Verbs
from tfod_toolkit.rehearsal.zoo import MODEL

RUN = "rehearsal"
CONFIG = CHECKOUT.parent / "configs" / "ssd_mobilenet_v2_160.config"
#: What docker/Dockerfile says of the stack's images, and what `make image` calls them.
IMAGES_THERE = {
    "tfod": Image(
        ("tfod", "container"), {"TFOD_INPUTS": f"{provision.WORKDIR}/records"}, "tfod:cpu"
    ),
    "backup": Image(("tfod", "sidecar"), {}, "tfod-backup:latest"),
}
#: Checkpoints come so often, in minutes, so that an interruption has something to lose.
CHECKPOINT_MINUTES = "0.1"
#: Where the containers see what stands in for the internet.
_MIRROR = "/srv/zoo"
#: What suits so small a training.
_CONTAINERS_ENVIRONMENT = {
    "TFOD_ZOO_MIRROR": _MIRROR,
    "TFOD_CHECKPOINT_MINUTES": CHECKPOINT_MINUTES,
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
#: Steps and pictures that take a minute on two cores.
STEPS, BATCH, IMAGES, SIZE = 20, 2, 24, "160x120"
#: So few steps that a usual one would only throw the new weights about.
LEARNING_RATE = 0.005
#: Boxes a picture that are drawn, of the many that such a model gives.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be rehearsed.

    Attributes:
        folder: of all that it leaves.
        faults: what goes wrong.
        steps: of the training.
        notice: seconds from a spot warning to the instance's end.
        max_minutes: after which it is given up.
        terraform: whether terraform makes the stack, or else it is made by hand; ``None``: where
            there is a terraform, and its provider can be had.
        docker: whether containers run in docker, or as processes; ``None``: in docker where it
            answers and has the images.
        say: told what is done.
    """

    folder: Path
    faults: Sequence[Fault] = ()
    steps: int = STEPS
    notice: float = 120.0
    max_minutes: float = 30.0
    terraform: bool | None = None
    docker: bool | None = None
    say: Callable[[str], object] = print


@dataclass(slots=True)
class Walk:
    """A rehearsal under way.

    Attributes:
        seconds: what each step took.
    """

    plan: Plan
    aws: Aws
    verbs: Verbs
    configs: Path
    seconds: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def environment(self) -> dict[str, str]:
        """What a user of this AWS sets."""
        return environment(self.aws, self.plan.folder, self.configs)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step, with its time."""
        self.plan.say(f"\n== {name}")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began
        self.plan.say(f"== {name}: {self.seconds[name]:.1f} s")

    def all_of_it(self) -> None:
        """Walk from the stack to pictures with boxes.

        Raises:
            TfodError: a step failed.
        """
        self.make_ready()
        self.train()
        self.bring_home()

    def make_ready(self) -> None:
        """Make what a run needs: the stack, a dataset, a model to begin with."""
        folder = self.plan.folder
        # A model of the zoo's shape is made beside the first steps, which wait for others mostly.
        zoo = self.verbs.start("tfod_toolkit.rehearsal.zoo", folder / "mirror", CONFIG, quiet=True)
        try:
            self.provision()
            self.prepare()
            with self.step("a model of the zoo's shape"):
                self.verbs.end(zoo, "the stand-in for a zoo model")
        finally:
            assert zoo.stdin is not None
            zoo.stdin.close()

    def provision(self) -> None:
        """Make the stack, and write its outputs."""
        with self.step("provision the stack"):
            files = self._terraform()
            if files is None:
                self.plan.say("by hand, without terraform: only what a run needs")
                provision.by_hand(self.aws, self.plan.folder)
                return
            self.verbs.run("stack", "--dir", files, "apply", "--yes")
            self.verbs.run("stack", "--dir", files, "outputs", "--out", self.configs)

    def _terraform(self) -> Path | None:
        """Terraform's files, ready to be applied; nothing where the stack is made by hand."""
        if self.plan.terraform is False:
            return None
        if self.plan.terraform is None and not provision.has_terraform():
            self.plan.say("there is no terraform here")
            return None
        files = provision.copy_of_stack(self.plan.folder)
        try:
            self.verbs.run("stack", "--dir", files, "init", quiet=self.plan.terraform is None)
        except FailedError:
            if self.plan.terraform:
                raise
            self.plan.say("terraform cannot have its AWS provider here: --terraform says why")
            return None
        return files

    def prepare(self) -> None:
        """Make the sample dataset, and what the run is told."""
        folder = self.plan.folder
        with self.step("a sample dataset"):
            scenes = folder / "scenes"
            self.verbs.run("dataset", "sample", scenes, "--images", IMAGES, "--size", SIZE)
            self.verbs.run("dataset", "build", scenes, folder / "records")
            told = {
                "batch_size": BATCH,
                "train_steps": self.plan.steps,
                "learning_rate": LEARNING_RATE,
            }
            with writing(folder / "hparams.json"):
                (folder / "hparams.json").write_text(json.dumps(told) + "\n")

    def train(self) -> None:
        """Start the run, follow it to its end, look at its TensorBoard, break what is to break."""
        folder, port = self.plan.folder, free_port()
        for fault in self.plan.faults:
            if fault.after is None:
                self.plan.say(f"fault: {fault.text}")
                self.aws.break_something(fault.words)
        seen: list[str] = []
        beside = [threading.Thread(target=self._see_tensorboard, args=(port, seen))]
        beside += [
            threading.Thread(target=happen, args=(self.aws, each, self._over.wait, self.plan.say))
            for each in self.plan.faults
            if each.after is not None
        ]
        with self.step("train on the stack, and follow it"):
            for thread in beside:
                thread.start()
            try:
                self.verbs.run(
                    "runtask", "--records", folder / "records", "--model", MODEL,
                    "--hparams", folder / "hparams.json", "--name", RUN,
                    "--tensorboard-port", port, "--max-wait", 1, "--max-hours", 1,
                )  # fmt: skip
            finally:
                self._over.set()
                for thread in beside:
                    thread.join()
        if not seen:
            raise UnavailableError(
                "TensorBoard was not seen through the tunnel", "the log above says what it said"
            )

    def _see_tensorboard(self, port: int, seen: list[str]) -> None:
        """Ask for TensorBoard's page until it comes."""
        while not self._over.wait(0.5):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                    page = answer.read()
                if b"TensorBoard" in page:
                    self.plan.say(f"TensorBoard through the tunnel: {len(page):,} bytes")
                    seen.append("page")
                    return

    def bring_home(self) -> None:
        """Fetch the model, and predict with it."""
        folder = self.plan.folder
        with self.step("what is in S3, and what it cost"):
            self._check_backup()
            self.verbs.run("tasks")
            self.verbs.run("cost", RUN)
        with self.step("fetch the model"):
            self.verbs.run("fetch", RUN, folder / "fetched")
        with self.step("predict"):
            images = sorted((folder / "scenes" / "JPEGImages").glob("*.jpg"))[:4]
            model = folder / "fetched" / "exported_model"
            found = folder / "found"
            best = ("--min-confidence", 0.01, "--max-detections", SHOWN)
            self.verbs.run("predict", model, *images, "--out", found, *best)

    def _check_backup(self) -> None:
        """Refuse a backup that lacks a checkpoint of the last step, or the exported model."""
        outputs = {k: v["value"] for k, v in json.loads(self.configs.read_text()).items()}
        bucket, prefix = outputs["artifacts_bucket"], f"{outputs['project']}/{RUN}/"
        pages = self.aws.client("s3").get_paginator("list_objects_v2")
        sizes: dict[str, int] = {
            each["Key"].removeprefix(prefix): each["Size"]
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for each in page.get("Contents", ())
        }
        needed = ("training/checkpoint", "exported_model/saved_model/saved_model.pb")
        missing = [name for name in needed if name not in sizes]
        if missing:
            raise BadDataError(f"s3://{bucket}/{prefix} lacks {', '.join(missing)}")
        self.plan.say(f"s3://{bucket}/{prefix}: {len(sizes)} objects, "
                      f"{sum(sizes.values()) / 1e6:,.1f} MB")  # fmt: skip


def environment(aws: Aws, folder: Path, configs: Path) -> dict[str, str]:
    """What a process needs to use this AWS and nothing of another."""
    return {
        **aws.variables,
        "TFOD_STACK": str(configs),
        "TFOD_ZOO_MIRROR": str(folder / "mirror"),
        "TFOD_ZOO_CACHE": str(folder / "zoo"),
        "TFOD_ZOO_LOCK": str(folder / "zoo.lock"),
        **provision.terraform_environment(folder),
    }


@contextmanager
def begun(plan: Plan) -> Iterator[Walk]:
    """Start an AWS for a rehearsal; it ends with the block.

    Raises:
        UnavailableError: it does not start.
        CannotWriteError: the folder.
    """
    folder = plan.folder.absolute()
    with writing(folder):
        for name in ("terraform", "terraform-data", "records", "scenes", "found", "fetched", "aws",
                     "mirror", "zoo"):  # fmt: skip
            shutil.rmtree(folder / name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "zoo.lock").unlink(missing_ok=True)
    settings = Settings(
        work=folder / "aws",
        delays=Delays(notice=plan.notice),
        images=IMAGES_THERE,
        environment=_CONTAINERS_ENVIRONMENT,
        mounts={_MIRROR: os.fspath(folder / "mirror")},
        docker=_in_docker(plan),
    )
    with started(settings) as aws:
        configs = folder / "configs.json"
        until = time.monotonic() + plan.max_minutes * 60
        verbs = Verbs(environment(aws, folder, configs), until)
        yield Walk(_at(plan, folder), aws, verbs, configs)


def _at(plan: Plan, folder: Path) -> Plan:
    from dataclasses import replace

    return replace(plan, folder=folder)


def _in_docker(plan: Plan) -> bool:
    """Whether the containers run in docker.

    Raises:
        ConfigError: they shall, and cannot.
    """
    images = [image.local for image in IMAGES_THERE.values()]
    lacking = docker.lacks(images) if plan.docker is not False else None
    if plan.docker and lacking:
        raise lacking
    found = plan.docker is not False and lacking is None
    how = f"in docker, from {' and '.join(images)}" if found else "as processes"
    plan.say(f"containers run {how}")
    return found
