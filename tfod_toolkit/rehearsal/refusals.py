"""What ECS refuses and moto takes: refused here too, by the rules that an apply is checked by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfod_toolkit.cloud.stack.rules import provider_faults, task_definition_faults
from tfod_toolkit.rehearsal.gaps import put


def install() -> None:
    """Refuse from now on."""
    from moto.ecs.responses import EC2ContainerServiceResponse as Ecs

    register, create = Ecs.register_task_definition, Ecs.create_capacity_provider
    put(Ecs, "register_task_definition", _checked(register, definition_faults))
    put(Ecs, "create_capacity_provider", _checked(create, capacity_faults))


def definition_faults(response: Any) -> list[str]:
    """What is wrong with a task definition that is asked for."""
    return task_definition_faults(response._get_params())


def capacity_faults(response: Any) -> list[str]:
    """What is wrong with a capacity provider that is asked for."""
    from moto.autoscaling.models import autoscaling_backends

    backend: Any = autoscaling_backends[response.current_account][response.region]
    groups = {
        group.arn: {"protected": group.new_instances_protected_from_scale_in}
        for group in backend.autoscaling_groups.values()
    }
    return provider_faults([response._get_params()], groups)


def _checked(
    call: Callable[[Any], Any], faults: Callable[[Any], list[str]]
) -> Callable[[Any], Any]:
    """A call that is answered with what is wrong, where something is."""
    from moto.ecs.exceptions import EcsClientException

    def checked(response: Any) -> Any:
        if found := faults(response):
            raise EcsClientException("; ".join(found))
        return call(response)

    return checked
