"""Local images to the stack's repositories, by docker; what tasks run is their digest."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from tfod_toolkit.errors import ConfigError, MissingInputError, UnavailableError, writing

if TYPE_CHECKING:
    from tfod_toolkit.cloud.stack.account import Account
    from tfod_toolkit.cloud.stack.stack import Stack


def push_images(
    stack: Stack, account: Account, images: Mapping[str, str], say: Callable[[str], None]
) -> dict[str, str]:
    """Push images, note their digests beside the stack, and return the references.

    Args:
        stack: whose repositories.
        account: that the stack is in.
        images: name (tfod, backup) -> a local image.
        say: gets a line for each step.

    Raises:
        ConfigError: there is no docker.
        MissingInputError: there is no stack, or no such image.
        UnavailableError: docker or ECR fails.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise ConfigError("docker is not on the PATH", "install docker, or push from where it is")
    repositories = stack.outputs()["repositories"]["value"]
    for image in images.values():
        if _run([docker, "image", "inspect", image]) is None:
            raise MissingInputError(
                f"there is no local image {image}", "build it first: make image-cuda"
            )
    _log_in(docker, account, next(iter(repositories.values())).partition("/")[0])
    # Tags are immutable in the repositories, so each push has its own.
    tag = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    references = {}
    for name, image in images.items():
        target = f"{repositories[name]}:{tag}"
        say(f"pushing {image} to {target}")
        _must([docker, "tag", image, target])
        _must([docker, "push", "--quiet", target])
        references[name] = _digest(docker, target, repositories[name])
    file = stack.settings.images
    with writing(file):
        found = {f"{name}_image": reference for name, reference in references.items()}
        file.write_text(json.dumps(found, indent=1) + "\n")
    return references


def _log_in(docker: str, account: Account, registry: str) -> None:
    token = account.registry_token()
    user, _, password = base64.b64decode(token).decode().partition(":")
    _must([docker, "login", "--username", user, "--password-stdin", registry], password)


def _digest(docker: str, target: str, repository: str) -> str:
    listed = _must(
        [
            docker,
            "image",
            "inspect",
            "--format",
            "{{range .RepoDigests}}{{println .}}{{end}}",
            target,
        ]
    )
    for reference in listed.split():
        if reference.startswith(f"{repository}@sha256:"):
            return reference
    raise UnavailableError(f"docker does not say the digest of {target}", "push again")


def _must(command: list[str], given: str | None = None) -> str:
    out = _run(command, given)
    if out is None:
        words = " ".join(command[1:3])
        raise UnavailableError(
            f"docker {words} failed", f"try it by hand: docker {' '.join(command[1:])}"
        )
    return out


def _run(command: list[str], given: str | None = None) -> str | None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None
