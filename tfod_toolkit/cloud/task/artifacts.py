"""Which runs a stack's bucket holds."""

from __future__ import annotations

from typing import Any

from tfod_toolkit.cloud.prefix import split_prefix
from tfod_toolkit.cloud.session import explained


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
