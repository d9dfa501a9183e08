"""EventBridge: events on the account's bus, and those of its rules' targets that moto lacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tfod_toolkit.rehearsal.gaps import put
from tfod_toolkit.rehearsal.records import Task

TASK_CHANGED = "ECS Task State Change"


class Events:
    """The bus of an account in a region."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region

    def install(self) -> None:
        """Let rules start state machines."""
        from moto.events.models import Rule

        put(Rule, "send_to_targets", with_state_machines(Rule.send_to_targets))

    def publish(self, source: str, kind: str, detail: dict[str, Any]) -> None:
        """Put an event on the bus."""
        from moto.events.models import events_backends

        events_backends[self._account][self._region].put_events(
            [{"Source": source, "DetailType": kind, "Detail": json.dumps(detail)}]
        )

    def task_changed(self, task: Task) -> None:
        """Tell of a task's change, beside whoever changed it."""
        words = ("aws.ecs", TASK_CHANGED, task.describe())
        threading.Thread(target=self.publish, args=words, daemon=True).start()


def with_state_machines(send: Callable[..., None]) -> Callable[..., None]:
    """``Rule.send_to_targets`` that knows state machines, too."""

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        machines = [each for each in self.targets if ":states:" in each["Arn"]]
        if not machines:
            send(self, original_event, transform_input)
            return
        if not self.event_pattern.matches_event(original_event):
            return
        for target in machines:
            _start(target, original_event)
        others = [each for each in self.targets if each not in machines]
        everything, self.targets = self.targets, others
        try:
            send(self, original_event, transform_input)
        finally:
            self.targets = everything

    return send_to_targets


def _start(target: dict[str, Any], event: dict[str, Any]) -> None:
    """Start a state machine with what a target makes of an event."""
    from moto.stepfunctions.responses import get_backend

    transformer = target.get("InputTransformer")
    words = transformed(transformer, event) if transformer else json.dumps(event)
    account, region = target["Arn"].split(":")[4], target["Arn"].split(":")[3]
    backend: Any = get_backend(account, region)
    backend.start_execution(target["Arn"], event["id"], words, "")


def transformed(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """What a target is given: its template, with values of the event as JSON where it names them.

    moto's own leaves a string without its quotes.
    """
    text = str(transformer["InputTemplate"])
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value[part]
        text = text.replace(f"<{name}>", json.dumps(value))
    return text
