"""Step Functions' way with ECS, in moto's interpreter of the states language.

The interpreter reads and carries out the whole language. What it asks of ECS goes to ours here;
and ``ecs:runTask.sync`` ends as at AWS: well where every container, essential or not, exited with
0, and otherwise with ``States.TaskFailed``, whose cause is the stopped task as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tfod_toolkit.rehearsal.ecs import Ecs
from tfod_toolkit.rehearsal.gaps import put

_SERVICE = "moto.stepfunctions.parser.asl.component.state.exec.state_task.service"


def install(ecs: Ecs) -> None:
    """Have state machines carried out, on this ECS."""
    from importlib import import_module

    from moto.core.config import default_user_config

    default_user_config["stepfunctions"]["execute_state_machine"] = True
    sdk = import_module(f"{_SERVICE}.state_task_service_aws_sdk").StateTaskServiceAwsSdk
    service = import_module(f"{_SERVICE}.state_task_service_ecs")
    allow_providers(service)
    put(sdk, "_eval_service_task", _sdk_call(ecs, sdk._eval_service_task))
    put(service.StateTaskServiceEcs, "_eval_service_task", _run_task(ecs))
    put(service.StateTaskServiceEcs, "_build_sync_resolver", _sync_resolver(ecs))


def allow_providers(service: Any) -> None:
    """Let ``runTask`` name capacity providers: AWS does, moto's list is that of an old page."""
    bindings = service._SUPPORTED_API_PARAM_BINDINGS
    bindings["runtask"] = bindings["runtask"] | {"CapacityProviderStrategy"}


def _sdk_call(ecs: Ecs, others: Callable[..., None]) -> Callable[..., None]:
    def call(self: Any, env: Any, normalised_parameters: Any, **more: Any) -> None:
        if self._get_boto_service_name() != "ecs":
            others(self, env=env, normalised_parameters=normalised_parameters, **more)
            return
        words = small(normalised_parameters)
        env.stack.append(camel(ecs.call(self._get_boto_service_action(), words)))

    return call


def _run_task(ecs: Ecs) -> Callable[..., None]:
    def run_task(self: Any, env: Any, normalised_parameters: Any, **_: Any) -> None:
        told = ecs.call(self._get_boto_service_action(), small(normalised_parameters))
        if told.get("failures"):
            raise failed(self, env, "ECS.AmazonECSException", json.dumps(camel(told)))
        env.stack.append(camel(told))

    return run_task


def _sync_resolver(ecs: Ecs) -> Callable[..., Callable[[], Any]]:
    def build(self: Any, env: Any, *_: Any, **__: Any) -> Callable[[], Any]:
        arn = env.stack.pop()["Tasks"][0]["TaskArn"]

        def ended() -> Any:
            with ecs.changed:
                task = ecs.tasks[arn]
                if task.lives:
                    return None
                told = camel(task.describe())
            if all(each.get("ExitCode") == 0 for each in told["Containers"]):
                return told
            raise failed(self, env, "States.TaskFailed", json.dumps(told))

        return ended

    return build


def failed(state: Any, env: Any, error: str, cause: str) -> Exception:
    """The failure of a task state, as the interpreter raises it."""
    from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name import (
        custom_error_name,
        failure_event,
        states_error_name,
        states_error_name_type,
    )
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    task_failed = states_error_name_type.StatesErrorNameType.StatesTaskFailed
    name: Any = (
        states_error_name.StatesErrorName(typ=task_failed)
        if error == "States.TaskFailed"
        else custom_error_name.CustomErrorName(error_name=error)
    )
    details = TaskFailedEventDetails(
        resource=state._get_sfn_resource(), resourceType="ecs", error=error, cause=cause
    )
    raised: Exception = failure_event.FailureEventException(
        failure_event.FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(  # type: ignore[typeddict-item]  # one of many is given
                taskFailedEventDetails=details
            ),
        )
    )
    return raised


def camel(value: Any, key: str = "") -> Any:
    """ECS's spelling to Step Functions': names begin large, times are in milliseconds."""
    if isinstance(value, dict):
        return {each[:1].upper() + each[1:]: camel(found, each) for each, found in value.items()}
    if isinstance(value, list):
        return [camel(each) for each in value]
    return round(value * 1000) if key.endswith("At") and isinstance(value, float) else value


def small(value: Any) -> Any:
    """Step Functions' spelling of names to ECS's own."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: small(each) for key, each in value.items()}
    return [small(each) for each in value] if isinstance(value, list) else value
