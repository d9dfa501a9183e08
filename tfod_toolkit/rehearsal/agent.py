"""The container agent of one task: its containers start, run and end as ECS's agent has them.

They start when what they depend on has started, completed or succeeded. The task stops when an
essential container exits, or when it is asked to: the containers in the reverse order, one after
another, each with SIGTERM and, after its ``stopTimeout``, SIGKILL.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tfod_toolkit.rehearsal.ecs import Ecs
from tfod_toolkit.rehearsal.logs import LogStream
from tfod_toolkit.rehearsal.records import ESSENTIAL, NOT_STARTED, Container, Task
from tfod_toolkit.rehearsal.runtime import Image, Running, Runtime, free_port

#: Seconds from SIGTERM to SIGKILL where the definition does not say.
STOP_TIMEOUT = 30.0


class Surroundings(Protocol):
    """What the agent finds where it runs."""

    def image(self, reference: str) -> Image | None:
        """What an image holds; ``None`` where its registry has none of that name."""

    def environment(self, task: Task, container: Container) -> Mapping[str, str]:
        """What every container is given: where AWS is, and who it is there."""


@dataclass(slots=True)
class _Running:
    """A container that was started, and since when."""

    itself: Running
    since: float
    done: threading.Event


class Agent:
    """Runs one task on its host, in threads of its own.

    Args:
        ecs: where the task is kept.
        task: placed already.
        runtime: runs the task's containers.
        surroundings: images and environment.
        pull_seconds: how long the images take to come.
    """

    def __init__(
        self,
        ecs: Ecs,
        task: Task,
        runtime: Runtime,
        surroundings: Surroundings,
        pull_seconds: float,
    ) -> None:
        self._ecs, self._task, self._runtime = ecs, task, runtime
        self._surroundings, self._pull_seconds = surroundings, pull_seconds
        self._running: dict[str, _Running] = {}
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"task {task.identity}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def vanish(self) -> None:
        """The host is gone: everything is dead at once, and nobody says so."""
        self._gone.set()
        for running in list(self._running.values()):
            running.itself.kill()

    def _run(self) -> None:
        task = self._task
        if self._pulled():
            self._until_end()
            for running in list(self._running.values()):
                running.done.wait()
            self._runtime.end()
        with self._ecs.changed:
            if self._gone.is_set():
                return  # ECS finds out by itself
            self._ecs.ended(task)

    def _pulled(self) -> bool:
        """Have the images; False where the task cannot start."""
        task = self._task
        with self._ecs.changed:
            task.mark("pullStarted")
            self._ecs.note(task)
        if self._gone.wait(self._pull_seconds):
            return False
        with self._ecs.changed:
            for container in task.containers:
                reference = str(container.definition.get("image", ""))
                if self._surroundings.image(reference) is None:
                    container.reason = (
                        f"CannotPullContainerError: pull image manifest has been retried 5 time(s):"
                        f" failed to resolve ref {reference}: not found"
                    )
            task.mark("pullStopped")
            faults = [each.reason for each in task.containers if each.reason]
            if faults:
                task.stop(NOT_STARTED, faults[0])
            self._ecs.note(task)
        return not faults

    def _until_end(self) -> None:
        task = self._task
        with self._ecs.changed:
            while task.wanted == "RUNNING" and not self._gone.is_set():
                self._start_ready()
                self._see_whether_it_runs()
                if task.wanted == "RUNNING":
                    self._ecs.changed.wait(1.0)
        if not self._gone.is_set():
            self._stop_in_order()

    def _start_ready(self) -> None:
        """Start what may start; end the task where something never will."""
        for container in self._task.containers:
            if container.status != "PENDING":
                continue
            met = [self._met(name, how) for name, how in container.dependencies.items()]
            if False in met:
                container.reason = (
                    "dependency graph: failed to resolve container ordering dependency "
                    f"{container.dependencies} for target [{container.name}] as dependency did "
                    "not exit successfully."
                )
                container.status = "STOPPED"
                self._task.stop(NOT_STARTED, "Task failed to start")
                return
            if all(met):
                self._start(container)

    def _met(self, name: str, condition: str) -> bool | None:
        """Whether a condition is met; None where it may still be."""
        other = self._task.container(name)
        if condition == "START":
            return other.status != "PENDING" or None
        if other.status != "STOPPED":
            return None
        return True if condition == "COMPLETE" else other.exit_code == 0

    def _see_whether_it_runs(self) -> None:
        """A task runs when each of its containers does, or did."""
        task = self._task
        if task.status == "PENDING" and all(each.status != "PENDING" for each in task.containers):
            task.status = "RUNNING"
            task.mark("started")
            self._ecs.note(task)

    def _start(self, container: Container) -> None:
        task, definition = self._task, container.definition
        image = self._surroundings.image(str(definition["image"]))
        assert image is not None
        ports = {int(each["containerPort"]): free_port()
                 for each in definition.get("portMappings") or ()}  # fmt: skip
        container.ports, container.runtime = (
            ports,
            f"{uuid.uuid4().hex}-{uuid.uuid4().int % 10**10}",
        )
        variables = self._surroundings.environment(task, container)
        try:
            stream = self._log(container)
        except KeyError as error:
            container.reason = (
                "CannotStartContainerError: Error response from daemon: failed to initialize "
                f"logging driver: ResourceNotFoundException: no log group {error}"
            )
            task.stop(NOT_STARTED, "Task failed to start")
            return
        started = self._runtime.start(container, image, ports, variables)
        running = _Running(started, time.monotonic(), threading.Event())
        self._running[container.name] = running
        container.status = "RUNNING"
        self._ecs.note(task)
        follow = threading.Thread(
            target=self._follow,
            args=(container, running, stream),
            name=container.name,
            daemon=True,
        )
        follow.start()

    def _follow(self, container: Container, running: _Running, stream: LogStream | None) -> None:
        """Send a container's log until it ends, and note how it did."""
        reader = threading.Thread(
            target=stream.follow if stream else _drain, args=(running.itself.output,), daemon=True
        )
        reader.start()
        code = running.itself.wait()
        reader.join()
        reason = running.itself.reason()
        running.done.set()
        with self._ecs.changed:
            if not self._gone.is_set():
                container.reason = reason
                self._note_end(container, running, code)

    def _note_end(self, container: Container, running: _Running, code: int) -> None:
        task = self._task
        policy = container.definition.get("restartPolicy") or {}
        if policy.get("enabled") and task.wanted == "RUNNING":
            period = float(policy.get("restartAttemptPeriod") or 300)
            ignored = policy.get("ignoredExitCodes") or ()
            if code not in ignored and time.monotonic() - running.since >= period:
                container.status = "PENDING"
                self._ecs.note(task)
                return
        container.status, container.exit_code = "STOPPED", code
        if container.essential:
            task.stop(ESSENTIAL, "Essential container in task exited")
        self._ecs.note(task)

    def _log(self, container: Container) -> LogStream | None:
        settings = container.definition.get("logConfiguration") or {}
        if settings.get("logDriver") != "awslogs":
            return None
        options = settings["options"]
        name = f"{options['awslogs-stream-prefix']}/{container.name}/{self._task.identity}"
        return LogStream(self._ecs.account, self._ecs.region, options["awslogs-group"], name)

    def _stop_in_order(self) -> None:
        """Stop the containers, those first that no other depends on."""
        task = self._task
        with self._ecs.changed:
            task.status = "DEACTIVATING" if task.status == "RUNNING" else "STOPPING"
            self._ecs.note(task)
        left = [each for each in task.containers if each.name in self._running]
        while left and not self._gone.is_set():
            needed = {name for each in left for name in each.dependencies}
            last = [each for each in left if each.name not in needed]
            stoppers = [threading.Thread(target=self._stop, args=(each,)) for each in last]
            for stopper in stoppers:
                stopper.start()
            for stopper in stoppers:
                stopper.join()
            left = [each for each in left if each not in last]
        with self._ecs.changed:
            task.status = "STOPPING"
            self._ecs.note(task)
            self._ecs.changed.wait_for(
                lambda: self._gone.is_set() or self._all_noted(), STOP_TIMEOUT
            )

    def _all_noted(self) -> bool:
        return all(
            each.status == "STOPPED" for each in self._task.containers if each.name in self._running
        )

    def _stop(self, container: Container) -> None:
        running = self._running[container.name]
        if running.done.is_set():
            return
        running.itself.terminate()
        timeout = float(container.definition.get("stopTimeout") or STOP_TIMEOUT)
        if not running.done.wait(timeout):
            running.itself.kill()
            running.done.wait()


def _drain(output: Any) -> None:
    for _ in output:
        pass


#: Makes the agent of a task that has just been placed.
MakeAgent = Callable[[Task], Agent]
