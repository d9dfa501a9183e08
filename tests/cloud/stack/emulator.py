"""moto's server, with the few things that terraform's AWS provider asks for and moto lacks.

usage: python -m tests.cloud.stack.emulator PORT_FILE

Runs until its standard input is closed, which happens when whoever started it goes.

Where it stands in for AWS, and how it differs:

- ``ValidateStateMachineDefinition`` is not in moto: here moto's own parser of the states language
  judges, which knows the grammar but not AWS's resources.
- ``ListStateMachineVersions`` is not in moto: here there are none, as none are published.
- A launch template's own tags come back as tags for what is launched: here they do not.
- A statement with a condition denies whatever the condition says, so that a bucket with a TLS-only
  policy takes nothing: here such statements are left out.
- ``GetServiceQuota`` knows no GPU quotas: here they are 8 vCPUs, or what the file QUOTA_FILE says.
- Which types a region offers is moto's record of some years ago: no g6.
- Capacity providers are found though deleted, and instances of a group never join the cluster.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"


def validate_state_machine_definition(self: Any) -> Any:
    """OK where moto's interpreter can read the definition."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

    diagnostics = []
    try:
        AmazonStateLanguageParser.parse(self._get_param("definition"))
    except Exception as error:
        diagnostics = [{"severity": "ERROR", "code": type(error).__name__, "message": str(error)}]
    return ActionResult({"result": "FAIL" if diagnostics else "OK", "diagnostics": diagnostics})


def list_state_machine_versions(self: Any) -> Any:
    """None."""
    from moto.core.responses import ActionResult

    return ActionResult({"stateMachineVersions": []})


def untagged_template(create: Any) -> Any:
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


def without_conditions(is_action_permitted: Any) -> Any:
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


def main() -> None:
    """Serve, and write the port to the file that was named."""
    from moto.ec2.models import EC2Backend
    from moto.iam.access_control import IAMPolicyStatement
    from moto.server import ThreadedMotoServer
    from moto.servicequotas.responses import ServiceQuotasResponse
    from moto.stepfunctions.responses import StepFunctionResponse

    StepFunctionResponse.validate_state_machine_definition = validate_state_machine_definition
    StepFunctionResponse.list_state_machine_versions = list_state_machine_versions
    EC2Backend.create_launch_template = untagged_template(EC2Backend.create_launch_template)
    IAMPolicyStatement.is_action_permitted = without_conditions(
        IAMPolicyStatement.is_action_permitted
    )
    ServiceQuotasResponse.get_service_quota = get_service_quota
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port_file = Path(sys.argv[1])
    beside = port_file.with_suffix(".new")
    beside.write_text(str(server.get_host_and_port()[1]))
    beside.rename(port_file)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
