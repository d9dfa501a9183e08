"""Where a tunnel leads: into the container of a run's living task, or to its instance."""

from __future__ import annotations

from dataclasses import dataclass

from tfod_toolkit.cloud.task import Cloud, Run
from tfod_toolkit.errors import TfodError

CONTAINER = "tensorboard"


@dataclass(frozen=True, slots=True)
class Target:
    """A container to reach.

    Attributes:
        task: its task's id.
        name: what Session Manager calls it.
        instance: the ARN of its container instance.
        host_port: its port on that instance; 0 where it has none.
    """

    task: str
    name: str
    instance: str
    host_port: int


def target_of(run: Run, cluster: str, port: int) -> Target | None:
    """Where the last attempt of a run has TensorBoard; ``None`` where it does not run (yet)."""
    task = run.task
    if task is None or not task.lives:
        return None
    container = task.container(CONTAINER)
    if container is None or container.status != "RUNNING" or not container.runtime:
        return None
    name = f"ecs:{cluster}_{task.identity}_{container.runtime}"
    return Target(task.identity, name, task.instance, container.host_ports.get(port, 0))


def ended_early(run: Run) -> str | None:
    """What to say where TensorBoard's container has ended though its task lives."""
    task = run.task
    # Of a task that ends, it is the first to go.
    goes_on = task is not None and task.lives and task.status not in {"DEACTIVATING", "STOPPING"}
    container = task.container(CONTAINER) if task and goes_on else None
    if container is None or container.status != "STOPPED":
        return None
    code = "" if container.exit_code is None else f" with {container.exit_code}"
    return (
        f"TensorBoard ended{code} in the task {task.identity if task else ''}, so there is no "
        f"tunnel to it: tfod logs {run.name} --container {CONTAINER}"
    )


def instance_of(cloud: Cloud, target: Target) -> str | None:
    """The instance that a target runs on; ``None`` where its port is not to be had there."""
    if not target.instance or not target.host_port:
        return None
    try:
        with cloud.asking("the task's instance"):
            told = cloud.client("ecs").describe_container_instances(
                cluster=cloud.outputs.cluster_name, containerInstances=[target.instance]
            )
    except TfodError:
        return None
    found = [str(each.get("ec2InstanceId") or "") for each in told["containerInstances"]]
    return found[0] if found and found[0] else None
