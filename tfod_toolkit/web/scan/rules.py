"""Rules: what is done when something has been in sight for a while."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tfod_toolkit.errors import UsageError
from tfod_toolkit.prediction import Wish
from tfod_toolkit.web.scan.sightings import Sighting, as_text

#: Seconds after which a command or a webhook is given up.
PATIENCE = 30.0
_FORM = "write CLASS:SECONDS:COMMAND, or CLASS:SECONDS:https://... : cat:3:./ring-the-bell.sh"


@dataclass(frozen=True, slots=True)
class Rule:
    """Something in sight for a while, and what is done then.

    Attributes:
        name: of the class.
        seconds: how long it must be in sight.
        action: a command line, or the address of a webhook.
    """

    name: str
    seconds: float
    action: str

    @property
    def is_webhook(self) -> bool:
        """Whether an address is called, no command."""
        return self.action.startswith(("http://", "https://"))


def parse_rule(word: str, names: Iterable[str] | None = None) -> Rule:
    """``CLASS:SECONDS:ACTION`` as a rule.

    Args:
        word: the rule.
        names: the classes that there are; ``None``: they are not known yet.

    Raises:
        UsageError: it is not in that form, or there is no such class.
    """
    name, _, rest = word.partition(":")
    number, _, action = rest.partition(":")
    try:
        seconds = float(number.strip().removesuffix("s"))
        command = shlex.split(action)
    except ValueError:
        raise UsageError(f"{word!r} is no rule", _FORM) from None
    if not name.strip() or not 0 <= seconds < 1e6 or not command:
        raise UsageError(f"{word!r} is no rule", _FORM)
    if names is not None:
        Wish(classes=[name.strip()]).check(names)
    return Rule(name.strip(), seconds, action.strip())


@dataclass(slots=True)
class Rules:
    """The rules of one watch; each acts once for a sighting.

    Attributes:
        rules: the rules.
        note: told of the class, the action and what came of it, from other threads.
    """

    rules: Sequence[Rule]
    note: Callable[[str, str, str], None]
    _fired: set[tuple[int, int]] = field(default_factory=set)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="rule")
    )

    def observe(self, in_sight: Sequence[Sighting]) -> None:
        """Act where something is in sight for long enough."""
        self._fired &= {(i, s.number) for i in range(len(self.rules)) for s in in_sight}
        for place, rule in enumerate(self.rules):
            for sighting in in_sight:
                key = (place, sighting.number)
                due = sighting.name == rule.name and sighting.seconds >= rule.seconds
                if due and key not in self._fired:
                    self._fired.add(key)
                    self._pool.submit(self._act, rule, _event(rule, sighting))

    def close(self) -> None:
        """Let what was due be done, also where its thread has not begun yet."""
        self._pool.shutdown(wait=True)

    def _act(self, rule: Rule, event: dict[str, Any]) -> None:
        outcome = _call(rule, event) if rule.is_webhook else _run(rule, event)
        self.note(rule.name, rule.action, outcome)


def _event(rule: Rule, sighting: Sighting) -> dict[str, Any]:
    return {
        "class": sighting.name,
        "seconds": round(sighting.seconds, 3),
        "began": as_text(sighting.began),
        "best_score": round(sighting.best, 4),
        "at_once": sighting.most,
        "rule": f"{rule.name} for {rule.seconds:g} s",
    }


def _run(rule: Rule, event: dict[str, Any]) -> str:
    """Run a command; the event is in its environment, and on its standard input as JSON."""
    variables = {f"TFOD_{name.upper()}": str(value) for name, value in event.items()}
    try:
        done = subprocess.run(
            shlex.split(rule.action),
            input=json.dumps(event),
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"ended after {PATIENCE:g} s: it took too long"
    except OSError as error:
        return f"cannot be run: {error.strerror or error}"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return f"failed with {done.returncode}{': ' if last else ''}{last[:200]}"
    return "done"


def _call(rule: Rule, event: dict[str, Any]) -> str:
    """Send the event to a webhook as JSON."""
    request = urllib.request.Request(  # noqa: S310 -- http(s), named by the user
        rule.action, json.dumps(event).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 -- as above
            return f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"answered {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"cannot be called: {error}"
