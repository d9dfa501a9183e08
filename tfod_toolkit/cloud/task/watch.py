"""A run that is watched from afar: its stages, its log, its end, through bad connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from tfod_toolkit.cloud.logs import CloudWatch, Follower, Line
from tfod_toolkit.cloud.task.costs import attempts, cost_of, hour_prices
from tfod_toolkit.cloud.task.outputs import Outputs
from tfod_toolkit.cloud.task.reasons import Reason, matched, why
from tfod_toolkit.cloud.task.runs import Cloud, Run
from tfod_toolkit.cloud.task.tasks import Task, stage
from tfod_toolkit.errors import DeniedError, UnavailableError

CONTAINERS = ("restore", "backup", "tfod", "tensorboard")
POLL = 5.0
#: Polls without an answer after which one gives up, and the run goes on alone: half an hour.
PATIENCE = 360


class Shown(Protocol):
    """Where a watched run is shown."""

    def say(self, text: str) -> None:
        """Something about the run."""

    def line(self, container: str, line: Line) -> None:
        """A line of its log."""


@dataclass(slots=True)
class _Attempt:
    """What was shown of one task."""

    number: int
    follower: Follower
    stage: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    ended: bool = False


class Watch:
    """Shows a run until it ends.

    Args:
        outputs: of its stack.
        run: its name.
        shown: where it is shown.
        wait: sleeps for some seconds.
        with_log: whether its log is shown too.
        patience: looks without an answer after which it gives up.
        make: makes the stack's account; again when credentials may have been renewed.
        see: shown the run at each look.
    """

    def __init__(  # noqa: PLR0913 -- named words of one call
        self,
        outputs: Outputs,
        run: str,
        shown: Shown,
        wait: Callable[[float], object],
        *,
        with_log: bool = True,
        patience: int = PATIENCE,
        make: Callable[[Outputs], Cloud] = Cloud,
        see: Callable[[Run], object] = lambda _: None,
    ) -> None:
        self._outputs, self._run, self._shown = outputs, run, shown
        self._wait, self._with_log, self._make = wait, with_log, make
        self._patience, self._see = patience, see
        self._cloud = make(outputs)
        self._attempts: dict[str, _Attempt] = {}
        self._silent = 0
        self._trouble = self._told_why = ""
        self.last: Run | None = None

    def until_end(self) -> Reason:
        """Show the run to its end, and say why it ended.

        Raises:
            DeniedError: AWS refused for too long; the run goes on.
            UnavailableError: AWS did not answer for too long; the run goes on.
        """
        while True:
            try:
                reason = self.poll()
            except (DeniedError, UnavailableError) as error:
                self._survive(error)
            else:
                self._recovered()
                if reason:
                    return reason
            self._wait(POLL)

    def stop(self, reason: str) -> None:
        """Stop the run so that it saves."""
        self._cloud.stop(self._cloud.find(self._run), reason)

    def usd(self) -> float | None:
        """What the run's attempts cost that are known; None where no price is."""
        if self.last is None:
            return None
        tasks = attempts(self._cloud, self.last)
        types = self._outputs.instance_types
        prices = {each.type: each for each in hour_prices(self._cloud, types)}
        known = [each.usd for each in cost_of(self._cloud, tasks, prices)]
        return None if None in known or not known else sum(each or 0.0 for each in known)

    def poll(self) -> Reason | None:
        """Look once, show what is new; why it ended, if it did."""
        run = self._cloud.find(self._run)
        self.last = run
        self._see(run)
        for task in run.tasks:
            self._show(task)
        if run.lives:
            self._say_why_none(run)
            return None
        error, told = self._cloud.error(run)
        last = run.task or told
        hosts = [] if last and last.instance else self._cloud.activities()
        return why(last, error, hosts)

    def _show(self, task: Task) -> None:
        attempt = self._attempts.get(task.arn)
        if attempt is None:
            attempt = self._attempts[task.arn] = self._begun(task)
        if attempt.ended:
            return
        now = stage(task)
        if now != attempt.stage:
            moment = datetime.now(timezone.utc)
            if attempt.stage:
                seconds = (moment - attempt.since).total_seconds()
                self._shown.say(f"{attempt.stage}: {duration(seconds)}")
            attempt.stage, attempt.since = now, moment
            self._shown.say(f"attempt {attempt.number}: {now}")
        if self._with_log:
            lines = attempt.follower.poll() if task.lives else attempt.follower.end()
            for line in lines:
                self._shown.line(container_of(line.stream), line)
        if not task.lives:
            self._end(task, attempt)

    def _begun(self, task: Task) -> _Attempt:
        source = CloudWatch(self._cloud.client("logs"), self._outputs.log_group, self._wait)
        return _Attempt(len(self._attempts) + 1, Follower(source, streams(task)))

    def _end(self, task: Task, attempt: _Attempt) -> None:
        if self._with_log:
            for gap in attempt.follower.gaps():
                begin, end = clock(gap.start), clock(gap.stop)
                self._shown.say(
                    f"between {begin} and {end} the log has {gap.there} lines, of which "
                    f"{gap.shown} were shown in time: tfod logs {self._run} shows all"
                )
        attempt.ended = True
        reason = why(task)
        self._shown.say(f"attempt {attempt.number} ended: {reason.what}")

    def _say_why_none(self, run: Run) -> None:
        """Say why no instance comes up, once for each reason."""
        task = run.task
        if task is None or task.instance or not task.lives:
            return
        reason = matched(self._cloud.activities())
        if reason and reason.what != self._told_why:
            self._told_why = reason.what
            self._shown.say(f"no instance yet: {reason.what}; {reason.hint}")

    def _survive(self, error: DeniedError | UnavailableError) -> None:
        self._silent += 1
        if error.message != self._trouble:
            self._trouble = error.message
            self._shown.say(f"{error.message}; {error.hint}. The run goes on; trying again")
        if self._silent >= self._patience:
            raise error
        if not isinstance(error, DeniedError):
            return
        # Credentials may be renewed beside us: a new session reads them again.
        self._cloud = self._make(self._outputs)
        source = CloudWatch(self._cloud.client("logs"), self._outputs.log_group, self._wait)
        for attempt in self._attempts.values():
            attempt.follower.source = source

    def _recovered(self) -> None:
        if self._trouble:
            self._shown.say("AWS answers again")
        self._silent, self._trouble = 0, ""


def streams(task: Task, containers: tuple[str, ...] = CONTAINERS) -> list[str]:
    """The names of a task's log streams."""
    return [f"task/{name}/{task.identity}" for name in containers]


def container_of(stream: str) -> str:
    """The container that writes a log stream."""
    return stream.split("/")[1] if stream.count("/") >= 2 else stream


def duration(seconds: float) -> str:
    """Seconds in words."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def clock(time: int) -> str:
    """Milliseconds since 1970 as the time of day, here."""
    return f"{datetime.fromtimestamp(time / 1000).astimezone():%H:%M:%S}"


def facts(run: Run) -> dict[str, Any]:
    """A run for JSON."""
    task = run.task
    return {
        "run": run.name,
        "status": run.status,
        "stage": stage(task) if task and run.lives else None,
        "started": run.started.isoformat() if run.started else None,
        "stopped": run.stopped.isoformat() if run.stopped else None,
        "attempts_known": len(run.tasks),
        "task": task.identity if task else None,
        "exit_code": task.exit_code("tfod") if task else None,
        "stopped_reason": (task.stopped_reason or None) if task else None,
    }
