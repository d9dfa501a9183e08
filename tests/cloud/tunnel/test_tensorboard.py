"""TensorBoard itself through the tunnel, in headless Chromium."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.web.test_page import browser, until
from tfod_toolkit.cloud.tunnel import Pace

__all__ = ["browser"]


@pytest.fixture(scope="module")
def tensorboard(tmp_path_factory):
    """TensorBoard over a folder with one scalar; where it listens, or will soon."""
    from tensorboard.summary import Writer

    folder = tmp_path_factory.mktemp("training")
    writer = Writer(str(folder))
    for step in range(20):
        writer.add_scalar("total_loss", 1 / (step + 1), step)
    writer.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    words = ["--logdir", folder, "--host", address[0], "--port", str(address[1])]
    with (folder.parent / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *words], stdout=log, stderr=log
        )
    yield address
    process.terminate()
    process.wait(60)


@pytest.mark.slow
def test_its_page_loads_and_shows_a_curve(tensorboard, scene, browser):
    scene.far.targets["ecs:tfod_first1_runtime1"] = tensorboard
    tunnel = scene.tunnel_for(pace=Pace(probe=0.5))
    scene.said.until("TensorBoard is at", timeout=300)
    browser.get(f"{tunnel.url}#timeseries")
    until(browser, lambda: "total_loss" in browser.find_element("tag name", "body").text)
    until(browser, lambda: browser.find_elements("css selector", "scalar-card-component path"))
    scene.manager.cut()
    scene.said.until("is open again after")
    browser.refresh()
    until(browser, lambda: "total_loss" in browser.find_element("tag name", "body").text)
    until(browser, lambda: browser.find_elements("css selector", "scalar-card-component path"))
    curve = browser.find_element("css selector", "scalar-card-component path").get_attribute("d")
    assert curve.startswith("M")
