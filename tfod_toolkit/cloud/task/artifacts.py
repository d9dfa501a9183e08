"""A stack's buckets: which runs they hold, and that they are where the stack is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tfod_toolkit.cloud.prefix import split_prefix
from tfod_toolkit.cloud.session import ElsewhereError, explained
from tfod_toolkit.errors import ConfigError

if TYPE_CHECKING:
    from tfod_toolkit.cloud.task.outputs import Outputs


def runs_there(client: Any, root: str, beginning: str) -> list[str]:
    """Names of the runs below a prefix that begin in a way.

    Raises:
        TfodError: S3 refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = split_prefix(root)
    try:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix + beginning, Delimiter="/"
        )
        return [
            each["Prefix"].removeprefix(prefix).rstrip("/")
            for page in pages
            for each in page.get("CommonPrefixes", ())
        ]
    except (BotoCoreError, ClientError) as error:
        raise explained(root, error) from error


@contextmanager
def in_its_region(outputs: Outputs) -> Iterator[None]:
    """Say of a bucket that is elsewhere what a stack can do about it.

    Raises:
        ConfigError: a bucket is in another region than the stack.
    """
    try:
        yield
    except ElsewhereError as error:
        raise ConfigError(
            f"{error.message}, and the stack {outputs.project} is in {outputs.region}",
            "a stack reads and writes in its own region: copy what the bucket holds to one there "
            "(aws s3 sync), or make the stack where the bucket is",
        ) from error
