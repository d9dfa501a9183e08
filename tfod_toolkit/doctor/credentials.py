"""AWS credentials: whether there are any, without using them."""

from __future__ import annotations

import json
import sys

from tfod_toolkit.doctor.findings import Finding
from tfod_toolkit.doctor.programs import ask

SECONDS = 15.0

#: Run in a process of its own: botocore is heavy, and a profile may name a program that hangs.
PROBE = """
import json
import botocore.exceptions
import botocore.session
session = botocore.session.get_session()
found = {"profile": session.profile or "default"}
try:
    credentials = session.get_credentials()
    found["method"] = credentials.method if credentials else None
    found["region"] = session.get_config_variable("region")
except botocore.exceptions.BotoCoreError as error:
    found["error"] = str(error)
print(json.dumps(found))
"""

HOW = "`aws configure` or `aws sso login`, or set AWS_PROFILE, if you want to train in the cloud"


def credentials() -> Finding:
    """Where AWS's own rules of search would find credentials; nothing is sent to AWS.

    The address from which an EC2 instance gets a role's credentials is not asked.
    """
    answer = ask([sys.executable, "-c", PROBE], SECONDS, {"AWS_EC2_METADATA_DISABLED": "true"})
    try:
        found = json.loads(answer.output) if answer else {}
    except ValueError:
        found = {}
    if answer is None or not found:
        reason = answer.complaint if answer else "Python cannot be started"
        return Finding("AWS credentials", "warn", f"cannot be looked for: {reason}", HOW)
    if found.get("error"):
        return Finding("AWS credentials", "warn", found["error"], f"correct ~/.aws/config: {HOW}")
    if not found["method"]:
        return Finding("AWS credentials", "missing", "none found", HOW)
    text = f"from {found['method']}, profile {found['profile']}"
    if not found["region"]:
        return Finding(
            "AWS credentials",
            "warn",
            f"{text}, but no region",
            "set AWS_DEFAULT_REGION, or `aws configure set region eu-west-1`",
        )
    return Finding("AWS credentials", "ok", f"{text}, region {found['region']} (not tried)")
