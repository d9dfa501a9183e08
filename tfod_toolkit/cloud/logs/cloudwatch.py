"""CloudWatch's events of some streams, page by page, through throttling and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfod_toolkit.cloud.logs.order import Event
from tfod_toolkit.cloud.stack.account import explained
from tfod_toolkit.errors import TfodError

_BUSY = (
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "LimitExceededException",
    "ServiceUnavailableException",
    "InternalFailure",
    "OperationAbortedException",
    "RequestLimitExceeded",
)
#: Seconds between tries, doubled each time, and the longest.
FIRST, LONGEST = 0.5, 15.0
#: Tries of one page before the caller hears of it.
TRIES = 12


class CloudWatch:
    """The events of a log group.

    Args:
        client: of CloudWatch Logs.
        group: the log group's name.
        wait: sleeps for some seconds.
    """

    def __init__(self, client: Any, group: str, wait: Callable[[float], object]) -> None:
        self._client, self._group, self._wait = client, group, wait

    def pages(self, streams: Sequence[str], start: int = 0) -> Iterator[list[Event]]:
        """Pages of the events of streams from a time on; streams that are not there have none.

        Raises:
            TfodError: CloudWatch refuses, or does not answer any more.
        """
        there = [stream for stream in streams if self._is_there(stream)]
        token: str | None = None
        while there:
            words: dict[str, Any] = {"nextToken": token} if token else {}
            if start:
                words["startTime"] = start
            answer = self._call(
                "filter_log_events", logGroupName=self._group, logStreamNames=there, **words
            )
            yield [
                Event(
                    f"{each['logStreamName']}/{each['eventId']}",
                    int(each["timestamp"]),
                    str(each["logStreamName"]),
                    str(each["message"]),
                )
                for each in answer.get("events", ())
            ]
            token = answer.get("nextToken")
            if not token:
                return

    def _is_there(self, stream: str) -> bool:
        # FilterLogEvents refuses all streams if one of them is not there yet.
        answer = self._call(
            "describe_log_streams",
            logGroupName=self._group,
            logStreamNamePrefix=stream,
            limit=1,
        )
        return any(each["logStreamName"] == stream for each in answer.get("logStreams", ()))

    def _call(self, name: str, **words: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        for number in range(TRIES):
            try:
                return getattr(self._client, name)(**words)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code == "ResourceNotFoundException" and name == "describe_log_streams":
                    raise explained(f"log group {self._group}", error) from error
                if code not in _BUSY or number == TRIES - 1:
                    raise explained(f"log group {self._group}", error) from error
            except BotoCoreError as error:
                raise explained(f"log group {self._group}", error) from error
            self._wait(min(LONGEST, FIRST * 2**number))
        raise TfodError("unreachable")
