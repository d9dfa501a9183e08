"""``tfod serve``: the service on a port."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfod_toolkit.errors import ConfigError, DeniedError, TfodError, UnavailableError
from tfod_toolkit.web.memory import give_back_large_blocks
from tfod_toolkit.web.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What ``tfod serve`` was asked for.

    Attributes:
        model: the exported model, the ``saved_model`` in it, or a run.
        host: the address to listen on.
        port: the port; 0: any that is free.
        labels: the label map, where it is not the model's own.
        runtime: ``auto``, ``tensorflow`` or ``openvino``.
        settings: how the service behaves.
    """

    model: Path
    host: str = "127.0.0.1"
    port: int = 8000
    labels: Path | None = None
    runtime: str = "auto"
    settings: ServiceSettings = field(default_factory=ServiceSettings)


def serve(request: ServeRequest, say: Callable[[str], None]) -> None:
    """Serve until a signal ends it; requests in work are answered first.

    Args:
        request: what to serve, and where.
        say: told the page's address once requests are answered.

    Raises:
        UnavailableError: the port is in use, or the address is not this machine's.
        DeniedError: the port needs privileges.
        ConfigError: a part of the installation is absent, or the model cannot be used.
        MissingInputError: there is no such model.
    """
    check_installed()
    import uvicorn

    from tfod_toolkit.export import load_exported
    from tfod_toolkit.prediction import Detector, Wanted
    from tfod_toolkit.web.service import create_app

    listening = listen(request.host, request.port)
    give_back_large_blocks()
    with listening:
        detector = Detector.load(
            request.model, request.labels, wanted=Wanted(request.runtime, floor=0.0)
        )
        warm_up(detector)
        app = create_app(
            detector, lambda: load_exported(request.model, request.labels), request.settings
        )
        say(f"{address(listening)} (Ctrl-C ends it)")
        config = uvicorn.Config(
            app, log_level=logging.WARNING, access_log=False, timeout_graceful_shutdown=30
        )
        uvicorn.Server(config).run(sockets=[listening])


def check_installed() -> None:
    """Refuse to serve without the packages for it.

    Raises:
        ConfigError: which is not there.
    """
    try:
        import uvicorn  # noqa: F401 -- is it there?
        from fastapi import FastAPI  # noqa: F401 -- as above
    except ImportError as error:
        raise ConfigError(
            f"the service needs {error.name}", "install it: `pip install 'tfod-toolkit[serve]'`"
        ) from error


def address(listening: socket.socket) -> str:
    """What a browser is told to find a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://{_shown(host)}:{port}/"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, taken before the model is loaded.

    Raises:
        UnavailableError: the port is in use, or the address is not this machine's.
        DeniedError: the port needs privileges.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise _refusal(host, port, error) from error


def _refusal(host: str, port: int, error: OSError) -> TfodError:
    place = f"{_shown(host)}:{port}"
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(f"{place} is in use", "choose another --port, or 0 for any")
    if error.errno == errno.EACCES:
        return DeniedError(f"{place} needs privileges", "choose a --port above 1023")
    return UnavailableError(
        f"cannot listen on {place}: {error.strerror or error}",
        "use --host 127.0.0.1, or 0.0.0.0 for every address of this machine",
    )


def warm_up(detector: object) -> None:
    """Run the model once, so that the first request does not wait for what happens only then."""
    import numpy as np

    from tfod_toolkit.prediction import Detector

    assert isinstance(detector, Detector)
    detector.detect([np.zeros((480, 640, 3), np.uint8)])


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
