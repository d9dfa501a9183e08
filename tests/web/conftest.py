"""The service over the detector of red things."""

from __future__ import annotations

import pytest

from tests.prediction.conftest import red_detector as red_detector  # noqa: PLC0414 -- a fixture
from tests.prediction.conftest import red_model as red_model  # noqa: PLC0414 -- a fixture
from tfod_toolkit.web.settings import Limits, ServiceSettings

LIMITS = Limits(body=300_000, pixels=1_000_000, side=2_000, waiting=20, seconds=20)


@pytest.fixture
def client_for(red_model, red_detector):
    """Makes a client of a service with given settings."""
    from fastapi.testclient import TestClient

    from tfod_toolkit.export import load_exported
    from tfod_toolkit.web.service import create_app

    clients = []

    def make(**settings):
        chosen = ServiceSettings(**{"limits": LIMITS, **settings})
        client = TestClient(create_app(red_detector, lambda: load_exported(red_model), chosen))
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__()


@pytest.fixture
def client(client_for):
    return client_for()
