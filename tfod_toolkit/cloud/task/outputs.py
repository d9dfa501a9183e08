"""What a laptop knows of a stack: its outputs, as ``configs.json`` holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfod_toolkit.errors import BadDataError, ConfigError, MissingInputError

_WRITE = "write it anew: make runtask-config, or tfod stack outputs --out configs.json"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a stack; ``terraform/outputs.tf`` says what each is."""

    region: str
    profile: str
    project: str
    cluster_name: str
    task_definition: str
    log_group: str
    artifacts_bucket: str
    data_bucket: str
    capacity_providers: Mapping[str, str]
    autoscaling_groups: Mapping[str, str]
    instance_types: tuple[str, ...]
    gpus: int
    state_machine: str


def read_outputs(path: Path) -> Outputs:
    """A stack's outputs from a file, as terraform writes them or as plain values.

    Raises:
        MissingInputError: there is no such file.
        BadDataError: it is not JSON.
        ConfigError: it lacks an output, or an output is not what it should be.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise MissingInputError(
            f"there is no {path}, which says where the stack is",
            "make runtask-config writes it, beside the stack; make apply provisions one",
        ) from error
    except (OSError, ValueError) as error:
        raise BadDataError(f"{path} cannot be read as JSON: {error}", _WRITE) from error
    if not isinstance(content, dict):
        raise BadDataError(f"{path} holds no outputs of a stack", _WRITE)
    values = {
        name: each["value"] if isinstance(each, dict) and "value" in each else each
        for name, each in content.items()
    }
    return _outputs(path, values)


def _outputs(path: Path, values: Mapping[str, Any]) -> Outputs:
    kinds: dict[str, type] = {
        "capacity_providers": dict,
        "autoscaling_groups": dict,
        "instance_types": list,
        "gpus": int,
    }
    found: dict[str, Any] = {}
    for name in Outputs.__dataclass_fields__:
        value = values.get(name)
        if value is None and name == "profile":
            value = ""
        if value is None:
            raise ConfigError(f"{path} lacks {name}: it is of another stack, or an old one", _WRITE)
        kind = kinds.get(name, str)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f"{path}: {name} is {value!r}, not a {kind.__name__}", _WRITE)
        found[name] = value
    found["instance_types"] = tuple(found["instance_types"])
    outputs = Outputs(**found)
    if wrong := _wrong(outputs):
        raise ConfigError(f"{path}: {wrong}", _WRITE)
    return outputs


def _wrong(outputs: Outputs) -> str | None:
    """What of the outputs no stack has."""
    if not outputs.instance_types or not all(isinstance(e, str) for e in outputs.instance_types):
        return f"instance_types is {list(outputs.instance_types)!r}, not names of types"
    kinds = ("spot", "on-demand")
    if not all(isinstance(outputs.capacity_providers.get(kind), str) for kind in kinds):
        return (
            f"capacity_providers is {dict(outputs.capacity_providers)!r}, without spot, on-demand"
        )
    if not all(isinstance(name, str) for name in outputs.autoscaling_groups.values()):
        return f"autoscaling_groups is {dict(outputs.autoscaling_groups)!r}, not names of groups"
    if outputs.gpus < 1:
        return f"gpus is {outputs.gpus}"
    return None
