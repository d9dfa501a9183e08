"""AWS on loopback: moto's server, what it lacks, and hosts whose containers really run.

usage: python -m tfod_toolkit.rehearsal.emulator PORT_FILE [SETTINGS]

Writes its port to a file when it serves, and runs until its standard input is closed, which
happens when whoever started it goes. SETTINGS is JSON: ``work``, the folder of the tasks' volumes;
``region``; ``delays`` (:class:`~tfod_toolkit.rehearsal.capacity.Delays`); ``images``
(:class:`~tfod_toolkit.rehearsal.runtime.Image`) by the end of their repository's name;
``environment``, variables that every container is given beside its own; ``mounts``, folders that it
sees, by their paths there; ``docker``, whether containers run in docker or as processes. Without
SETTINGS there are no hosts, and ECS is moto's.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfod_toolkit.rehearsal import gaps, refusals, states
from tfod_toolkit.rehearsal.agent import Agent
from tfod_toolkit.rehearsal.capacity import Capacity, Delays
from tfod_toolkit.rehearsal.docker import Docker
from tfod_toolkit.rehearsal.ecs import Ecs
from tfod_toolkit.rehearsal.events import Events
from tfod_toolkit.rehearsal.front import App, Front
from tfod_toolkit.rehearsal.process import Processes
from tfod_toolkit.rehearsal.runtime import Image, Runtime
from tfod_toolkit.rehearsal.ssm import SessionManager, moto_calls

if TYPE_CHECKING:
    from tfod_toolkit.rehearsal.records import Container, Host, Task

ACCOUNT = "123456789012"
#: What an image that was never pushed is called: terraform/task.tf.
_NEVER_PUSHED = "0" * 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What an emulator is started with."""

    work: Path
    region: str = "eu-west-1"
    delays: Delays = field(default_factory=Delays)
    images: Mapping[str, Image] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    docker: bool = False

    @classmethod
    def of_json(cls, text: str) -> Settings:
        """From the command's word."""
        told = json.loads(text)
        return cls(
            Path(told["work"]),
            told.get("region", "eu-west-1"),
            Delays(**told.get("delays", {})),
            {name: Image(**image) for name, image in told.get("images", {}).items()},
            told.get("environment", {}),
            told.get("mounts", {}),
            told.get("docker", False),
        )


class Account:
    """An account's ECS, with hosts: puts itself into moto."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.ecs = Ecs(ACCOUNT, settings.region)
        self.events = Events(ACCOUNT, settings.region)
        self.capacity = Capacity(self.ecs, settings.delays, self._agent, self.events.publish)
        self.sessions = SessionManager(self._port)
        self._docker = Docker(settings.mounts) if settings.docker else None
        self.endpoint = ""
        self.front: Front | None = None

    def install(self) -> None:
        """Answer in moto's place, from now on."""
        from moto.autoscaling.responses import AutoScalingResponse
        from moto.ssm.responses import SimpleSystemManagerResponse

        self.ecs.install()
        refusals.install()
        self.sessions.start()
        for name, call in moto_calls(self.sessions).items():
            gaps.put(SimpleSystemManagerResponse, name, call)
        self.events.install()
        states.install(self.ecs)
        self.ecs.watchers += [self.events.task_changed, self._task_changed]
        capacity = self.capacity

        def describe_scaling_activities(self: Any) -> Any:
            from moto.core.responses import ActionResult

            told = capacity.activities(str(self._get_param("AutoScalingGroupName")))
            most = int(self._get_param("MaxRecords") or 100)
            return ActionResult({"Activities": told[:most]})

        gaps.put(AutoScalingResponse, "describe_scaling_activities", describe_scaling_activities)
        capacity.start()

    def image(self, reference: str) -> Image | None:
        """What an image holds: those of the settings were pushed, and no others."""
        name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
        return None if _NEVER_PUSHED in reference else self._settings.images.get(name)

    def environment(self, task: Task, container: Container) -> Mapping[str, str]:
        """What ECS's agent gives every container, and where this AWS is."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": (
                f"{self.endpoint}/rehearsal/credentials/{task.identity}"
            ),
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.endpoint}/rehearsal/v4/{container.runtime}",
            "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": self._settings.region,
            **self._settings.environment,
        }

    def metadata(self, container: str) -> dict[str, Any] | None:
        """ECS's metadata of the task that a container belongs to."""
        with self.ecs.changed:
            for task in self.ecs.tasks.values():
                if any(each.runtime == container for each in task.containers):
                    return {"TaskARN": task.arn, "Cluster": task.cluster, "Family": task.family}
        return None

    def state(self) -> dict[str, Any]:
        """What runs, and where."""
        with self.ecs.changed:
            return {
                "hosts": [host.describe() for host in self.ecs.hosts.values()],
                "tasks": [task.describe() for task in self.ecs.tasks.values()],
            }

    def break_something(self, fault: dict[str, Any]) -> None:
        """Carry out a fault: spot, host-vanishes, no-capacity, s3-errors."""
        kind = fault["kind"]
        if kind == "no-capacity":
            self.capacity.dry = set(fault.get("providers") or ["spot"])
        elif kind == "s3-errors":
            assert self.front is not None
            self.front.s3_errors = float(fault["share"])
        else:
            act = self.capacity.warn if kind == "spot" else self.capacity.vanish
            for host in self._busy():
                threading.Thread(target=act, args=(host,), daemon=True).start()

    def _busy(self) -> list[Host]:
        with self.ecs.changed:
            return [
                host
                for host in self.ecs.hosts.values()
                if host.tasks and host.connected and host.status == "ACTIVE"
            ]

    def stop(self) -> None:
        """End everything that runs."""
        self.capacity.stop()
        if self._docker:
            self._docker.close()

    def _port(self, target: str, port: int) -> tuple[str, int] | None:
        """Where a port of a container (``ecs:CLUSTER_TASK_RUNTIME``) or of a host is here."""
        with self.ecs.changed:
            for task in self.ecs.tasks.values():
                if task.host is None or not task.host.connected:
                    continue
                for container in task.containers:
                    if container.status != "RUNNING":
                        continue
                    inside = container.ports.get(port)
                    if inside and task.execute and target.endswith(f"_{container.runtime}"):
                        return "127.0.0.1", inside
                    on_host = task.host.instance == target
                    if on_host and port in container.ports.values():
                        return "127.0.0.1", port
            hosts = [host for host in self.ecs.hosts.values() if host.connected]
            known = any(host.instance == target for host in hosts)
        return ("127.0.0.1", port) if known else None

    def _task_changed(self, task: Task) -> None:
        """End the sessions into a task that is over, beside whoever holds its records."""
        if not task.lives:
            threading.Thread(target=self._end_sessions, args=(task,), daemon=True).start()

    def _end_sessions(self, task: Task) -> None:
        for target in set(self.sessions.sessions.values()):
            if any(target.endswith(f"_{each.runtime}") for each in task.containers):
                self.sessions.end_target(target)

    def _agent(self, task: Task) -> Agent:
        return Agent(self.ecs, task, self._runtime(task), self, self._settings.delays.pull)

    def _runtime(self, task: Task) -> Runtime:
        if self._docker:
            return self._docker.runtime(task)
        return Processes(self._folder(task), self._settings.mounts)

    def _folder(self, task: Task) -> Path:
        """A new folder for a task's volumes; of the same path for each attempt at a run.

        In a container the paths are always the same, and what a training writes down holds some.
        """
        name = re.sub(r"[^A-Za-z0-9_-]", "-", task.group)
        others = [each for each in self.ecs.tasks.values() if each is not task]
        if any(each.group == task.group and each.host for each in others):
            name = task.identity
        folder = self._settings.work / "tasks" / name
        if folder.exists():
            gone = self._settings.work / "gone" / task.identity
            gone.parent.mkdir(exist_ok=True)
            folder.rename(gone)
            threading.Thread(target=shutil.rmtree, args=(gone, True), daemon=True).start()
        return folder


def serve(app: App) -> Any:
    """Serve on a port of loopback that is free, in a thread; the server."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(words: list[str]) -> None:
    """Serve, and write the port to the file that was named."""
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    # Not every request; nor every failure of a state machine, with all of its definition.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    gaps.fill()
    app: App = DomainDispatcherApplication(create_backend_app)
    account = None
    if len(words) > 1:
        account = Account(Settings.of_json(words[1]))
        account.install()
        front = Front(app, account.metadata, account.state, account.break_something)
        account.front, app = front, front
    server = serve(app)
    if account:
        account.endpoint = f"http://127.0.0.1:{server.server_port}"
    port_file = Path(words[0])
    beside = port_file.with_suffix(".new")
    beside.write_text(str(server.server_port))
    beside.rename(port_file)
    sys.stdin.read()
    if account:
        account.stop()
    # Threads of moto's state machines may wait for years.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
