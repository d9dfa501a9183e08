"""What terraform's errors come to: what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfod_toolkit.cloud.stack.diagnostics import AlreadyThereError, Diagnostic, raised
from tfod_toolkit.errors import ConfigError, DeniedError, UnavailableError

FOLDER = Path("terraform")
LOCK = """ConditionalCheckFailedException: The conditional request failed
Lock Info:
  ID:        9db590f1
  Path:      bucket/tfod.tfstate
  Operation: OperationTypeApply
  Who:       ann@laptop
  Version:   1.11.4
  Created:   2026-01-01 10:00:00 UTC
  Info:

Terraform acquires a state lock to protect the state."""


@pytest.mark.parametrize(
    ("summary", "detail", "kind", "said", "hint"),
    [
        ("Error acquiring the state lock", LOCK, UnavailableError,
         "locked by ann@laptop since 2026-01-01 10:00:00 UTC", "force-unlock 9db590f1"),
        ("reading IAM Role", "ExpiredToken: The security token included in the request is expired",
         DeniedError, "the AWS credentials have expired", "aws sso login"),
        ("reading EC2 VPC", "SignatureDoesNotMatch: Signature not yet current: 20261121T092200Z is "
         "still later than 20261121T092115Z (20261121T091615Z + 5 min.)", ConfigError,
         "this machine's clock is wrong", "set the clock"),
        ("No valid credential sources found", "Please see ...", DeniedError,
         "there are no AWS credentials", "aws configure"),
        ("creating IAM Role", "AccessDenied: User: arn:aws:iam::1:user/ann is not authorized to "
         "perform: iam:CreateRole on resource: x", DeniedError,
         "may not do iam:CreateRole", "ask an administrator for iam:CreateRole"),
        ("deleting S3 Bucket (x)", "BucketNotEmpty: The bucket you tried to delete is not empty",
         ConfigError, "the bucket is not empty", "--empty-buckets"),
        ("creating EC2 VPC", "VpcLimitExceeded: The maximum number of VPCs has been reached.",
         ConfigError, "The maximum number of VPCs has been reached", "Service Quotas"),
        ("Failed to query available provider packages", "could not connect to registry",
         UnavailableError, "the AWS provider cannot be fetched", "TFOD_TERRAFORM_PLUGINS"),
        ("something", "quite new", UnavailableError, "something: quite new", "the same command"),
    ],
)  # fmt: skip
def test_an_error_is_explained(summary, detail, kind, said, hint):
    error = raised("apply", [Diagnostic(summary, detail)], "", FOLDER)
    assert type(error) is kind
    assert said in error.message
    assert hint in error.hint


def test_several_errors_are_told_each_once():
    found = [
        Diagnostic("a", "1"),
        Diagnostic("a", "1"),
        *[Diagnostic("b", str(n)) for n in range(5)],
    ]
    error = raised("apply", found, "", FOLDER)
    assert error.message.splitlines() == [
        "terraform apply: a: 1", "b: 0", "b: 1", "b: 2", "and 2 more",
    ]  # fmt: skip


def test_errors_in_a_box_are_read():
    box = "╷\n│ Error: Backend initialization required\n│ \n│ Reason: Initial configuration\n╵\n"
    error = raised("plan", [], box, FOLDER)
    assert error.message == (
        "terraform plan: Backend initialization required: Reason: Initial configuration"
    )


def test_what_is_there_already_is_named():
    found = [
        Diagnostic("creating IAM Role", "EntityAlreadyExists: Role with name x", "aws_iam_role.a"),
        Diagnostic("creating Subnet", "InvalidSubnet.Conflict: The CIDR conflicts", "aws_subnet.b"),
        Diagnostic("other", "something else", "aws_vpc.c"),
    ]
    error = raised("apply", found, "", FOLDER)
    assert isinstance(error, AlreadyThereError)
    assert error.addresses == ("aws_iam_role.a", "aws_subnet.b")
