"""Ports, and what stands in the way of one."""

from __future__ import annotations

import pytest

from tests.conftest import tfod
from tfod_toolkit.errors import UnavailableError
from tfod_toolkit.web.serving import listen


def test_a_port_in_use_is_named():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} is in use") as error:
            listen("127.0.0.1", port)
    assert "--port" in error.value.hint


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(UnavailableError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_a_model_that_is_not_there_ends_in_66(tmp_path):
    result = tfod("serve", tmp_path / "absent", "--port", 0)
    assert result.returncode == 66
    assert "there is no exported model" in result.stderr
