"""A client of S3, with its retries; and what its refusals mean, in words that help."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from tfod_toolkit.errors import (
    ConfigError,
    DeniedError,
    MissingInputError,
    TfodError,
    UnavailableError,
)

#: Seconds to connect, and to wait for the next bytes of an answer: what hangs is given up on.
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 20
#: Tries of one call before the caller hears of it; callers that run for long try again themselves.
TRIES = 3

ABSENT = ("NoSuchKey", "NoSuchBucket", "404", "NotFound", "NoSuchUpload")
CHANGED = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409", "InvalidRange", "416")
DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "403",
    "Forbidden",
    "UnauthorizedOperation",
    "AllAccessDisabled",
    "AccountProblem",
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_REFUSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure")
_ELSEWHERE = ("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "307")

#: Of any service of AWS's: calls come too fast; it fails itself.
_BUSY = (
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "503",
)
_FAILING = ("InternalFailure", "InternalError", "ServerException", "ServiceUnavailable", "500")


class ElsewhereError(ConfigError):
    """A bucket is in another region than it was asked for in."""


def s3_client(
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint: str | None = None,
    connections: int = 10,
) -> Any:
    """A client of S3 of its own session: safe to use from several threads.

    Args:
        region: where the bucket is; the environment's or the profile's otherwise.
        profile: a profile of the AWS configuration.
        endpoint: another S3 than Amazon's; ``AWS_ENDPOINT_URL`` otherwise.
        connections: how many calls may be under way at once.

    Raises:
        DeniedError: there is no such profile.
        ConfigError: the settings make no sense.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.handlers import add_expect_header

    tries: Any = {"total_max_attempts": TRIES, "mode": "standard"}
    settings = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_pool_connections=connections,
        # Readers of ranges, and of objects in parts, check what they put together themselves.
        response_checksum_validation="when_required",
        retries=None if "AWS_MAX_ATTEMPTS" in os.environ else tries,
    )
    try:
        # A session of its own: the default one is not to be shared between threads.
        session = boto3.session.Session(profile_name=profile, region_name=region)
        client = session.client("s3", endpoint_url=endpoint, config=settings)
    except (BotoCoreError, ValueError) as error:
        raise explained("S3", error) from error
    # "Expect: 100-continue" costs every upload a round trip.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    _keep_fresh(client, session, profile)
    return client


def _keep_fresh(client: Any, session: Any, profile: str | None) -> None:
    """Read credentials anew when S3 takes them no more: who logs in again need start nothing anew.

    Those of a role or of single sign-on renew themselves; those of a file are read but once.
    """
    import boto3
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError

    held = session.get_credentials()
    if type(held) is not Credentials:
        return

    def look(parsed: dict[str, Any], **_: Any) -> None:
        if str(parsed.get("Error", {}).get("Code")) not in (*_EXPIRED, *_REFUSED):
            return
        with suppress(BotoCoreError):  # half a file, say: what S3 said is said
            found = boto3.session.Session(profile_name=profile).get_credentials()
            if type(found) is Credentials:
                held.access_key, held.secret_key = found.access_key, found.secret_key
                held.token = found.token

    client.meta.events.register("after-call.s3", look)


def explained(where: str, error: Exception) -> TfodError:
    """What an error of boto3 means for ``where``, an object, a prefix or a bucket.

    An :class:`UnavailableError` is worth another try; the others are not, until somebody acts.
    """
    code = error_code(error)
    return (
        _credentials(where, code, error)
        or _missing(where, code)
        or _setting(where, code, error)
        or busy(where, code, error)
        or _silence(where, error)
        or UnavailableError(f"{where}: {error}", "try again later")
    )


def busy(where: str, code: str, error: Exception) -> UnavailableError | None:
    """What AWS's own troubles, and being asked too often, mean for ``where``."""
    response = getattr(error, "response", None) or {}
    message = str(response.get("Error", {}).get("Message") or "")
    said = f"{code}: {message}" if message else code
    if code in _BUSY:
        return UnavailableError(
            f"{where}: AWS is asked too often ({said})",
            "wait a minute, and try again; what others ask in the account counts, too",
        )
    if code in _FAILING:
        return UnavailableError(
            f"{where}: AWS itself fails ({said})",
            "try again in some minutes; https://health.aws.amazon.com says what is known",
        )
    return None


def error_code(error: BaseException | None) -> str:
    """S3's code for a refusal; empty for an error that S3 did not send."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _credentials(where: str, code: str, error: Exception) -> TfodError | None:
    """Who is asking, and what they may."""
    from botocore import exceptions as raised

    if isinstance(error, raised.NoCredentialsError | raised.PartialCredentialsError):
        return DeniedError(
            f"{where}: there are no AWS credentials", "log in: aws configure, or set AWS_PROFILE"
        )
    if isinstance(error, raised.ProfileNotFound):
        return DeniedError(f"{where}: {error}", "name one of ~/.aws/config in AWS_PROFILE")
    sso = raised.SSOTokenLoadError | raised.UnauthorizedSSOTokenError | raised.TokenRetrievalError
    if code in _EXPIRED or isinstance(error, sso):
        return DeniedError(
            f"{where}: the AWS credentials have expired", "log in again, with aws sso login say"
        )
    if code in _REFUSED:
        return DeniedError(
            f"{where}: these AWS credentials are refused ({code})", "use other credentials"
        )
    if code in DENIED:
        return DeniedError(
            f"{where}: {_operation(error)} is not allowed ({code})",
            f"ask for s3:{_permission(error)} on it, or use other credentials",
        )
    return None


def _missing(where: str, code: str) -> TfodError | None:
    if code == "NoSuchBucket":
        return MissingInputError(
            f"there is no bucket {_bucket(where)} (for {where})", "check its name, or create it"
        )
    if code in ABSENT:
        return MissingInputError(f"there is no object {where}", "check its bucket and key")
    return None


def _setting(where: str, code: str, error: Exception) -> TfodError | None:
    """The errors that a setting of this machine's cures."""
    from botocore import exceptions as raised

    wrong = raised.InvalidRegionError | raised.InvalidConfigError | raised.ParamValidationError
    if isinstance(error, wrong | ValueError):
        return ConfigError(f"{where}: {error}", "check the bucket, the region and the endpoint")
    if code == "InvalidBucketName":
        return ConfigError(f"{where}: {_bucket(where)} cannot be a bucket", "check its name")
    if code == "RequestTimeTooSkewed":
        told = _answer_header(error, "date")
        return ConfigError(
            f"{where}: this machine's clock is wrong{f'; S3 says {told}' if told else ''}",
            "set the clock: S3 takes no request that is more than 15 minutes off",
        )
    region = _answer_header(error, "x-amz-bucket-region") or _named_region(error)
    if code in _ELSEWHERE or (code == "400" and region):
        return ElsewhereError(
            f"{where}: the bucket {_bucket(where)} is in {region or 'another region'}",
            f"use --region {region}" if region else "name its region with --region",
        )
    return None


def _silence(where: str, error: Exception) -> TfodError | None:
    """What hangs: a call that nobody took, or an answer that stopped half-way."""
    from botocore import exceptions as raised

    if isinstance(error, raised.ReadTimeoutError | raised.ConnectTimeoutError):
        what = "connection" if isinstance(error, raised.ConnectTimeoutError) else "answer"
        return UnavailableError(
            f"{where}: no {what} came in time",
            "check the network and the endpoint, or try again later",
        )
    return None


def _bucket(where: str) -> str:
    return where.removeprefix("s3://").partition("/")[0]


def _named_region(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Region", ""))


def _answer_header(error: Exception, name: str) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(name, ""))


def _operation(error: Exception) -> str:
    return str(getattr(error, "operation_name", "") or "the call")


def _permission(error: Exception) -> str:
    """The permission that an operation needs, where it is not called like it."""
    name = _operation(error)
    if name.startswith("List"):
        return "ListBucket"
    if "Upload" in name or name == "CopyObject":
        return "PutObject"
    return {"HeadObject": "GetObject", "DeleteObjects": "DeleteObject"}.get(name, name)
