"""Runs in the cloud: started once, watched, stopped, paid for and brought home."""

from tfod_toolkit.cloud.task.artifacts import in_its_region
from tfod_toolkit.cloud.task.costs import (
    AttemptCost,
    HourPrice,
    attempts,
    cost_of,
    hour_prices,
)
from tfod_toolkit.cloud.task.fetch import Fetched, fetch
from tfod_toolkit.cloud.task.outputs import Outputs, read_outputs
from tfod_toolkit.cloud.task.reasons import Reason, why
from tfod_toolkit.cloud.task.runs import Cloud, Run, chosen
from tfod_toolkit.cloud.task.start import (
    CAPACITIES,
    Request,
    check_free,
    check_gpus,
    check_name,
    check_times,
    start,
    start_once,
)
from tfod_toolkit.cloud.task.tasks import Task, stage, task_of
from tfod_toolkit.cloud.task.upload import Uploads
from tfod_toolkit.cloud.task.watch import (
    CONTAINERS,
    Watch,
    clock,
    container_of,
    duration,
    facts,
    streams,
)

__all__ = [
    "CAPACITIES",
    "CONTAINERS",
    "AttemptCost",
    "Cloud",
    "Fetched",
    "HourPrice",
    "Outputs",
    "Reason",
    "Request",
    "Run",
    "Task",
    "Uploads",
    "Watch",
    "attempts",
    "check_free",
    "check_gpus",
    "check_name",
    "check_times",
    "chosen",
    "clock",
    "container_of",
    "cost_of",
    "duration",
    "facts",
    "fetch",
    "hour_prices",
    "in_its_region",
    "read_outputs",
    "stage",
    "start",
    "start_once",
    "streams",
    "task_of",
    "why",
]
