"""What an AWS account says of a stack: who we are, what runs, what is kept, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tfod_toolkit.cloud.session import busy
from tfod_toolkit.cloud.stack.diagnostics import CLOCK, LOG_IN, SET_CLOCK
from tfod_toolkit.errors import ConfigError, DeniedError, TfodError, UnavailableError

#: Kind of purchase -> quota of vCPUs, by the letters that begin an instance type.
QUOTAS = {
    "on-demand": {
        "g": ("L-DB2E81BA", "Running On-Demand G and VT instances"),
        "p": ("L-417A185B", "Running On-Demand P instances"),
    },
    "spot": {
        "g": ("L-3819A6DF", "All G and VT Spot Instance Requests"),
        "p": ("L-7212CCBC", "All P Spot Instance Requests"),
    },
}
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
_REFUSED = ("InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")


@dataclass(frozen=True, slots=True)
class Quota:
    """vCPUs that an account may use at once.

    Attributes:
        kind: on-demand or spot.
        code: AWS's code of it.
        name: its name in the console.
        vcpus: what it allows.
        needed: what the smallest instance type of the stack takes.
    """

    kind: str
    code: str
    name: str
    vcpus: float
    needed: int


class Account:
    """An AWS account, seen through a profile, in a region.

    Raises:
        DeniedError: there is no such profile.
        ConfigError: there is no region.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        import boto3

        with explaining("AWS"):
            self._session = boto3.session.Session(profile_name=profile, region_name=region)
        self.region = self._session.region_name
        if not self.region:
            raise ConfigError(
                "no AWS region is given",
                'write region = "eu-west-1" into config.tfvars, or set AWS_REGION',
            )

    def client(self, service: str) -> Any:
        """A client of a service, which gives up in time for a person to wait."""
        from botocore.config import Config

        settings = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 3})
        return self._session.client(service, config=settings)

    def signature(self, url: str, service: str) -> dict[str, str]:
        """Headers that say who asks for a URL, where no client does the asking.

        Raises:
            DeniedError: there are no credentials, or they cannot be had.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        with explaining("AWS"):
            request = AWSRequest("GET", url)
            SigV4Auth(self._session.get_credentials(), service, self.region).add_auth(request)
        return dict(request.headers.items())

    def identity(self) -> str:
        """Who we are: an ARN.

        Raises:
            DeniedError: no credentials, expired ones, or refused ones.
            UnavailableError: AWS does not answer.
        """
        with explaining("AWS"):
            return str(self.client("sts").get_caller_identity()["Arn"])

    def registry_token(self) -> str:
        """What docker logs in to ECR with, in base 64."""
        with explaining("ECR"):
            answer = self.client("ecr").get_authorization_token()
        return str(answer["authorizationData"][0]["authorizationToken"])

    def tasks(self, cluster: str) -> list[dict[str, Any]]:
        """The tasks of a cluster that have not stopped."""
        with explaining(f"cluster {cluster}"), _nothing_if("ClusterNotFoundException"):
            ecs = self.client("ecs")
            arns = [
                arn
                for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster)
                for arn in page["taskArns"]
            ]
            found: list[dict[str, Any]] = []
            for start in range(0, len(arns), 100):
                some = arns[start : start + 100]
                found += ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]
            return found
        return []

    def stop(self, cluster: str, tasks: Sequence[dict[str, Any]]) -> None:
        """Stop tasks because their stack goes."""
        with explaining(f"cluster {cluster}"):
            ecs = self.client("ecs")
            for task in tasks:
                ecs.stop_task(cluster=cluster, task=task["taskArn"], reason="tfod: destroy")

    def hosts(self, cluster: str) -> list[str]:
        """ARNs of the container instances of a cluster."""
        with explaining(f"cluster {cluster}"), _nothing_if("ClusterNotFoundException"):
            pages = self.client("ecs").get_paginator("list_container_instances")
            return [
                arn
                for page in pages.paginate(cluster=cluster)
                for arn in page["containerInstanceArns"]
            ]
        return []

    def release_hosts(self, cluster: str) -> int:
        """Take every container instance out of a cluster, which cannot go while it has one."""
        hosts = self.hosts(cluster)
        with explaining(f"cluster {cluster}"):
            ecs = self.client("ecs")
            for arn in hosts:
                ecs.deregister_container_instance(
                    cluster=cluster, containerInstance=arn, force=True
                )
        return len(hosts)

    def unprotect(self, groups: Sequence[str]) -> None:
        """Let the instances of auto-scaling groups end with their groups."""
        with explaining("auto-scaling groups"):
            client = self.client("autoscaling")
            found = client.describe_auto_scaling_groups(AutoScalingGroupNames=list(groups))
            for group in found["AutoScalingGroups"]:
                ids = [each["InstanceId"] for each in group["Instances"]]
                if ids:
                    client.set_instance_protection(
                        AutoScalingGroupName=group["AutoScalingGroupName"],
                        InstanceIds=ids,
                        ProtectedFromScaleIn=False,
                    )

    def instances(self, groups: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of each auto-scaling group: how many instances it has, and wants."""
        with explaining("auto-scaling groups"):
            found = self.client("autoscaling").describe_auto_scaling_groups(
                AutoScalingGroupNames=list(groups)
            )
            return {
                group["AutoScalingGroupName"]: (len(group["Instances"]), group["DesiredCapacity"])
                for group in found["AutoScalingGroups"]
            }

    def is_empty(self, bucket: str) -> bool:
        """Whether a bucket holds nothing, old versions included."""
        with explaining(f"s3://{bucket}"), _nothing_if("NoSuchBucket"):
            page = self.client("s3").list_object_versions(Bucket=bucket, MaxKeys=1)
            return not page.get("Versions") and not page.get("DeleteMarkers")
        return True

    def empty(self, bucket: str) -> int:
        """Delete everything in a bucket, old versions included; how many that were."""
        count = 0
        with explaining(f"s3://{bucket}"), _nothing_if("NoSuchBucket"):
            s3 = self.client("s3")
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                if keys:
                    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
                    refused = told.get("Errors", [])
                    if refused:
                        raise DeniedError(
                            f"s3://{bucket}/{refused[0]['Key']}: cannot be deleted: "
                            f"{refused[0].get('Message', refused[0].get('Code'))}",
                            "ask for s3:DeleteObjectVersion on the bucket",
                        )
                count += len(keys)
        return count

    def require_bucket(self, bucket: str) -> str:
        """See that a bucket is there and ours to use; the region that it is in.

        Raises:
            ConfigError: there is none.
            DeniedError: it is not ours.
        """
        from botocore.exceptions import ClientError

        try:
            with explaining(f"s3://{bucket}"):
                answer = self.client("s3").head_bucket(Bucket=bucket)
        except UnavailableError as error:
            cause = error.__cause__
            status = str(getattr(cause, "response", {}).get("Error", {}).get("Code", ""))
            if isinstance(cause, ClientError) and status in {"404", "NoSuchBucket"}:
                raise ConfigError(
                    f"there is no bucket {bucket}",
                    f"make it first: aws s3 mb s3://{bucket}; and give it versions, so that no "
                    f"state is ever lost: aws s3api put-bucket-versioning --bucket {bucket} "
                    "--versioning-configuration Status=Enabled",
                ) from error
            raise
        return str(answer.get("BucketRegion") or self.region)

    def quotas(self, smallest_vcpus: dict[str, int]) -> list[Quota]:
        """The quotas that the stack's instances count against, where we may read them.

        Args:
            smallest_vcpus: family letter (g, p) -> vCPUs of the smallest type of it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        found = []
        service = self.client("service-quotas")
        for kind, families in QUOTAS.items():
            for letter, needed in smallest_vcpus.items():
                if letter not in families:
                    continue
                code, name = families[letter]
                try:
                    answer = service.get_service_quota(ServiceCode="ec2", QuotaCode=code)
                except (BotoCoreError, ClientError):
                    continue  # who may not read quotas is not kept from the rest
                found.append(Quota(kind, code, name, float(answer["Quota"]["Value"]), needed))
        return found


@contextmanager
def _nothing_if(*codes: str) -> Iterator[None]:
    """Go on after the block where AWS answers that what is asked about is not there."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in codes:
            raise


@contextmanager
def explaining(where: str) -> Iterator[None]:
    """Turn boto3's errors about ``where`` into ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explained(where, error) from error


def explained(where: str, error: Exception) -> TfodError:
    """What an error of boto3 means for ``where``."""
    from botocore import exceptions as raised

    code = str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))
    if isinstance(error, raised.InvalidRegionError):
        return ConfigError(f"{where}: {error}", "correct the region")
    if clock := re.search(CLOCK, str(error)):
        return ConfigError(
            f"{where}: this machine's clock is wrong; AWS says {clock[1]}", SET_CLOCK
        )
    if code in _DENIED:
        called = str(getattr(error, "operation_name", "it"))
        named = re.search(r"not authorized to perform: ([a-z0-9-]+:\w+)", str(error))
        asked = named[1] if named else called
        return DeniedError(f"{where}: {called} is not allowed", f"ask for {asked} on {where}")
    return (
        _credentials_fault(where, code, error)
        or busy(where, code, error)
        or UnavailableError(f"{where}: {error}", "check the network and the region; try again")
    )


def _credentials_fault(where: str, code: str, error: Exception) -> DeniedError | None:
    from botocore import exceptions as raised

    expired = (
        raised.SSOTokenLoadError,
        raised.UnauthorizedSSOTokenError,
        raised.TokenRetrievalError,
    )
    if isinstance(error, raised.NoCredentialsError | raised.PartialCredentialsError):
        return DeniedError(f"{where}: there are no AWS credentials", LOG_IN)
    if isinstance(error, raised.ProfileNotFound):
        hint = "name one of ~/.aws/config as profile in config.tfvars, or in AWS_PROFILE"
        return DeniedError(f"{where}: {error}", hint)
    if code in _EXPIRED or isinstance(error, expired):
        return DeniedError(f"{where}: the AWS credentials have expired", LOG_IN)
    if code in _REFUSED:
        return DeniedError(f"{where}: these AWS credentials are refused ({code})", LOG_IN)
    return None
