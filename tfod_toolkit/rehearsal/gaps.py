"""What the stack asks of AWS and moto lacks, or does otherwise than AWS, apart from ECS.

- ``ValidateStateMachineDefinition`` is not in moto: here moto's own parser of the states language
  judges, which knows the grammar but not AWS's resources.
- ``ListStateMachineVersions`` is not in moto: here there are none, as none are published.
- A launch template's own tags come back as tags for what is launched: here they do not.
- A statement with a condition denies whatever the condition says, so that a bucket with a TLS-only
  policy takes nothing: here such statements are left out.
- ``GetServiceQuota`` knows no GPU quotas: here they are 8 vCPUs, or what the file QUOTA_FILE says.
- A spot instance costs nothing worth naming: here two fifths of the list price.
- Which types a region offers is moto's record of some years ago: no g6.
- Capacity providers are found though deleted.
- ``FilterLogEvents`` gives one stream after another: here all in order of their time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Call = Callable[..., Any]


def fill() -> None:
    """Put into moto what it lacks, for the rest of this process."""
    from moto.ec2.models import EC2Backend
    from moto.ec2.responses.spot_instances import SpotInstances
    from moto.iam.access_control import IAMPolicyStatement
    from moto.logs.models import LogGroup
    from moto.servicequotas.responses import ServiceQuotasResponse
    from moto.stepfunctions.responses import StepFunctionResponse

    put(StepFunctionResponse, "validate_state_machine_definition", validate_state_machine)
    put(StepFunctionResponse, "list_state_machine_versions", list_state_machine_versions)
    put(EC2Backend, "create_launch_template", untagged_template(EC2Backend.create_launch_template))
    put(
        IAMPolicyStatement,
        "is_action_permitted",
        without_conditions(IAMPolicyStatement.is_action_permitted),
    )
    put(ServiceQuotasResponse, "get_service_quota", get_service_quota)
    history = SpotInstances.describe_spot_price_history
    put(SpotInstances, "describe_spot_price_history", priced(history))
    put(LogGroup, "filter_log_events", interleaved(LogGroup.filter_log_events))


def put(place: type, name: str, call: Call) -> None:
    """Put a method of our own into one of moto's classes."""
    setattr(place, name, call)


def validate_state_machine(self: Any) -> Any:
    """OK where moto's interpreter can read the definition."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

    diagnostics = []
    try:
        AmazonStateLanguageParser.parse(self._get_param("definition"))
    except Exception as error:  # noqa: BLE001, RUF100 -- whatever it is, it is the answer
        diagnostics = [{"severity": "ERROR", "code": type(error).__name__, "message": str(error)}]
    return ActionResult({"result": "FAIL" if diagnostics else "OK", "diagnostics": diagnostics})


def list_state_machine_versions(self: Any) -> Any:  # noqa: ARG001, RUF100 -- moto's signature
    """None."""
    from moto.core.responses import ActionResult

    return ActionResult({"stateMachineVersions": []})


def untagged_template(create: Call) -> Call:
    """``create_launch_template`` without the template's own tags among those of its instances."""

    def create_launch_template(
        self: Any, name: str, description: str, template_data: Any, tag_spec: Any
    ) -> Any:
        specifications = template_data.get("TagSpecifications") or []
        template_data["TagSpecifications"] = [
            each for each in specifications if each.get("ResourceType") != "launch-template"
        ]
        return create(self, name, description, template_data, tag_spec)

    return create_launch_template


def without_conditions(is_action_permitted: Call) -> Call:
    """``IAMPolicyStatement.is_action_permitted`` that is neutral where there is a condition."""
    from moto.iam.access_control import PermissionResult

    def permitted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._statement.get("Effect") == "Deny" and "Condition" in self._statement:
            return PermissionResult.NEUTRAL
        return is_action_permitted(self, *args, **kwargs)

    return permitted


def get_service_quota(self: Any) -> Any:
    """The quotas of GPU instances, in vCPUs."""
    from moto.core.responses import ActionResult

    file = Path(os.environ.get("QUOTA_FILE", "/nonexistent"))
    quotas = json.loads(file.read_text()) if file.exists() else {}
    code = self._get_param("QuotaCode")
    quota = {"ServiceCode": "ec2", "QuotaCode": code, "Value": float(quotas.get(code, 8))}
    return ActionResult({"Quota": quota})


def priced(history: Call) -> Call:
    """``describe_spot_price_history`` with prices in the order of AWS's."""
    from tfod_toolkit.cloud.stack.costs import type_price

    def describe_spot_price_history(self: Any) -> Any:
        told = history(self)
        for each in told.result["SpotPriceHistory"]:
            listed = type_price(each["InstanceType"]).on_demand
            if listed is not None:
                each["SpotPrice"] = f"{listed * 0.4:.4f}"
        return told

    return describe_spot_price_history


def interleaved(filter_log_events: Call) -> Call:
    """``filter_log_events`` in order of time whether or not it is asked for, as AWS's is."""

    def in_order(self: Any, *words: Any) -> Any:
        return filter_log_events(self, *words[:-1], True)

    return in_order
