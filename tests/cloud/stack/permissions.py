"""What policies allow, and what programs need: from a state, and from the programs' text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.conftest import PROJECT

#: Actions that AWS knows no resources for, and why each must be allowed.
NO_RESOURCE = {
    "ecr:GetAuthorizationToken": "a token is for all repositories that the account may read",
    "ecs:DiscoverPollEndpoint": "where the agent finds ECS, before it has a cluster",
    "ecs:ListTasks": "its only resource is a container instance; the cluster is a condition",
    "ssmmessages:CreateControlChannel": "channels of the SSM agent have no names",
    "ssmmessages:CreateDataChannel": "likewise",
    "ssmmessages:OpenControlChannel": "likewise",
    "ssmmessages:OpenDataChannel": "likewise, for the agent; a client's has its session's name",
    "autoscaling:DescribeScalingActivities": "a description: AWS knows no resource for it",
    "ec2:DescribeSpotPriceHistory": "prices are nobody's",
}
#: Actions of which no resource can be named beforehand, and why.
NO_NAME = {"ssm:UpdateInstanceInformation": "instances get their names when they start"}
#: A wildcard for all of a kind: instance/*, but not task/cluster/*.
_ALL_OF_A_KIND = re.compile(r"^([a-z-]+[/:])?[*]$")

#: Client -> what begins its permissions.
SERVICES = {
    "s3": "s3", "ecs": "ecs", "stepfunctions": "states", "logs": "logs", "ssm": "ssm",
    "autoscaling": "autoscaling", "ec2": "ec2", "service-quotas": "servicequotas",
    "pricing": "pricing", "sts": "sts", "ecr": "ecr", "iam": "iam",
}  # fmt: skip
#: Calls whose permission is called otherwise.
PERMISSIONS = {
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:UploadPart": ["s3:PutObject"],
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:ListParts": ["s3:ListMultipartUploadParts"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
}

ROOM = PROJECT / "tfod_toolkit"
TRANSFERS = [ROOM / "cloud" / f"{name}.py" for name in ("prefix", "transfer", "objects")]
#: What the two keep: who starts and follows runs, and the containers of one.
PROGRAMS = {
    "runner": [*TRANSFERS, *(p for d in ("task", "tunnel", "logs")
                             for p in (ROOM / "cloud" / d).glob("*.py"))],
    "task": [*TRANSFERS, ROOM / "cloud" / "lease.py", ROOM / "cloud" / "pictures.py",
             *(ROOM / "sidecar").glob("*.py")],
}  # fmt: skip
#: Of the shared files, what the sidecar alone calls.
SIDECARS = {"s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads"}
#: Needed without a call of that name.
BESIDES = {
    "runner": {
        "ecs:TagResource": "run_task with propagateTags",
        "iam:PassRole": "run_task gives the task its roles",
        "ssmmessages:OpenDataChannel": "the tunnel's websocket, which no client opens",
    },
    "task": {
        "ssmmessages:CreateControlChannel": "ECS Exec's agent in the container",
        "ssmmessages:CreateDataChannel": "likewise",
        "ssmmessages:OpenControlChannel": "likewise",
        "ssmmessages:OpenDataChannel": "likewise",
    },
    "runs": {
        "ecs:TagResource": "RunTask with PropagateTags",
        "iam:PassRole": "RunTask gives the task its roles",
    },
    "spot": {"ecs:DescribeTasks": "in one statement with StopTask, for all who find tasks"},
}


def faults(policy: dict) -> list[str]:
    """What of a policy allows more than it must."""
    return [
        fault
        for statement in each(policy["Statement"])
        if statement["Effect"] == "Allow"
        for fault in _faults(statement)
    ]


def _faults(statement: dict) -> Iterator[str]:
    for word in statement.keys() & {"NotAction", "NotResource", "NotPrincipal"}:
        yield f"{word} allows all but what it names"
    actions = each(statement.get("Action", []))
    for action in actions:
        if re.search(r"[*?]", action):
            yield f"the action {action} is a wildcard"
    principals = statement.get("Principal", {})
    if principals == "*" or "*" in str(principals):
        yield "anybody is a principal"
    for resource in each(statement.get("Resource", [])):
        narrowed = NO_RESOURCE if resource == "*" else NO_NAME
        parts = resource.split(":", 5)
        wide = resource == "*" or len(parts) < 6 or bool(_ALL_OF_A_KIND.match(parts[5]))
        # A tag tells ours from other instances.
        tagged = resource != "*" and "resourceTag" in json.dumps(statement.get("Condition", {}))
        if wide and not tagged:
            yield from (f"{a} of {resource}" for a in actions if a not in narrowed)
        if len(parts) == 6 and parts[2] == "s3" and re.match(r"^[^/]*[*]|^[^/]+/[*]$", parts[5]):
            yield f"all of the bucket {resource}"


def each(value):
    """One or several, as IAM has it."""
    return value if isinstance(value, list) else [value]


def actions(policy: dict) -> set[str]:
    """What a policy allows."""
    allowed = [told for told in each(policy["Statement"]) if told["Effect"] == "Allow"]
    return {action for told in allowed for action in each(told["Action"])}


def policies(state: dict) -> dict[str, dict]:
    """Every policy in a state, by terraform's name of where it is."""
    found = {}
    for resource in state["resources"]:
        for instance in resource["instances"]:
            key = instance.get("index_key", "")
            for name, value in instance["attributes"].items():
                if policy := _policy(value):
                    found[f"{resource['type']}.{resource['name']}.{key}.{name}"] = policy
    for name, output in state["outputs"].items():
        if policy := _policy(output["value"]):
            found[f"output.{name}"] = policy
    return found


def _policy(value: object) -> dict | None:
    if not isinstance(value, str) or '"Statement"' not in value:
        return None
    told = json.loads(value)
    return told if "Statement" in told else None


def calls_of(who: str) -> dict[str, str]:
    """What the programs of one of :data:`PROGRAMS` need."""
    found = needed(PROGRAMS[who])
    alone = SIDECARS if who == "runner" else set()
    return {name: where for name, where in found.items() if name not in alone}


def needed(paths: Iterable[Path]) -> dict[str, str]:
    """Permissions that the calls of AWS in some files need -> where."""
    known = _operations()
    found = {}
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            for name in _called(node):
                for operation in known.get(name, ()):
                    for permission in PERMISSIONS.get(operation, [operation]):
                        found[permission] = f"{path.name}:{node.lineno}"
    return found


def _operations() -> dict[str, set[str]]:
    """Method of a client -> what it calls, as ``service:Operation``."""
    import boto3
    from botocore import xform_name

    session = boto3.session.Session(region_name="eu-west-1")
    found: dict[str, set[str]] = {}
    for service, prefix in SERVICES.items():
        for name in session.client(service).meta.service_model.operation_names:
            found.setdefault(xform_name(name), set()).add(f"{prefix}:{name}")
    return found


def _called(node: ast.AST) -> list[str]:
    """What a call may be a call of: a client's method, or the word that names one."""
    if not isinstance(node, ast.Call):
        return []
    function = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    words = [word.value for word in node.args if isinstance(word, ast.Constant)]
    return [function, *(word for word in words if isinstance(word, str))]


def asked_by(machine: str) -> set[str]:
    """Permissions that the tasks of a state machine need."""
    found = set()
    for resource in re.findall(r'"Resource": "arn:[^"]*:states:::([^"]+)"', machine):
        *_, service, call = resource.removesuffix(".sync").split(":")
        found.add(f"{service}:{call[0].upper()}{call[1:]}")
        if resource.endswith("runTask.sync"):  # which looks after the task, through a rule
            found |= {"ecs:StopTask", "ecs:DescribeTasks", "events:PutTargets", "events:PutRule",
                      "events:DescribeRule"}  # fmt: skip
    return found
