"""The page in a real browser: headless Chromium with a camera that it makes up."""

from __future__ import annotations

import shutil
import threading

import pytest

from tests.conftest import require
from tests.prediction.conftest import encoded, scene


@pytest.fixture(scope="module")
def address(request, red_model, red_detector):
    """A service that listens."""
    import uvicorn

    from tfod_toolkit.export import load_exported
    from tfod_toolkit.web.service import create_app
    from tfod_toolkit.web.serving import listen

    app = create_app(red_detector, lambda: load_exported(red_model))
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    require("chromium", not missing, f"there is no {', '.join(missing)} here")
    from selenium import webdriver

    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for word in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "window-size=1100,800",
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
    ):
        options.add_argument(f"--{word}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    service = webdriver.ChromeService(programs["chromedriver"])
    driver = webdriver.Chrome(options=options, service=service)
    driver.downloads = downloads
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    until(browser, lambda: text(browser, "status") == "Ready")
    return browser


def until(browser, true):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60, 0.05).until(lambda _: true())


def text(browser, name):
    return browser.find_element("id", name).text


def listed(browser):
    return [item.text.split("\n") for item in browser.find_elements("css selector", "#found li")]


def fits(browser, width):
    """Whether nothing of a page lies beside a window as narrow as a telephone's."""
    size = browser.get_window_size()
    command = "Emulation.setDeviceMetricsOverride"
    words = {"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd(command, words)
    wide = browser.execute_script("return document.scrollingElement.scrollWidth")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_window_size() == size
    return wide <= width


def give(browser, path):
    browser.find_element("id", "file").send_keys(str(path))


def set_threshold(browser, value):
    browser.execute_script(
        "const it = document.getElementById('threshold'); it.value = arguments[0];"
        "it.dispatchEvent(new Event('input'))",
        value,
    )


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(scene()))
    return path


def test_a_picture_is_shown_with_what_is_in_it(page, photo):
    give(page, photo)
    until(page, lambda: listed(page) == [["ball", "90%"]])
    assert text(page, "status").startswith("160 \u00d7 120 pixels")
    red, green, blue = page.execute_script(
        "return [...document.getElementById('canvas').getContext('2d')"
        ".getImageData(70, 59, 1, 1).data].slice(0, 3)"
    )
    assert (red, green, blue) == (10, 132, 255)  # the ball's colour, on the box's lower edge


def test_the_pages_fit_a_narrow_window(page, photo, address):
    give(page, photo)
    until(page, lambda: listed(page) == [["ball", "90%"]])
    assert fits(page, 360)
    page.get(f"{address}docs")
    assert fits(page, 360)


def test_threshold_and_classes_choose_without_another_call(page, photo):
    give(page, photo)
    until(page, lambda: len(listed(page)) == 1)
    calls = (
        "return performance.getEntriesByType('resource')"
        ".filter((each) => each.name.includes('detect')).length"
    )
    assert page.execute_script(calls) == 1
    set_threshold(page, 20)
    assert listed(page) == [["ball", "90%"], ["brick", "30%"]]
    assert text(page, "percent") == "20%"
    page.find_elements("css selector", "#classes input")[1].click()
    assert listed(page) == [["brick", "30%"]]
    set_threshold(page, 50)
    assert text(page, "nothing") == "Nothing is that sure. The surest is brick, 30%."
    set_threshold(page, 20)
    assert not page.find_element("id", "nothing").is_displayed()
    assert page.execute_script(calls) == 1


def test_what_is_no_picture_is_said_and_the_next_one_works(page, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"<html>")
    give(page, broken)
    until(page, lambda: text(page, "error") == "broken.jpg is not a picture that can be shown.")
    give(page, photo)
    until(page, lambda: listed(page) == [["ball", "90%"]])
    assert not page.find_element("id", "error").is_displayed()


def test_a_picture_of_the_camera_is_looked_at(page):
    page.find_element("id", "camera").click()
    shoot = page.find_element("id", "shoot")
    until(page, shoot.is_displayed)
    shoot.click()
    until(page, lambda: "pixels" in text(page, "status"))
    assert page.find_element("id", "canvas").is_displayed()
    assert not page.find_element("id", "video").is_displayed()


def test_the_result_is_downloaded_as_it_is_shown(page, photo):
    from PIL import Image

    assert not page.find_element("id", "download").is_enabled()
    give(page, photo)
    until(page, lambda: listed(page) == [["ball", "90%"]])
    page.find_element("id", "download").click()
    path = page.downloads / "detections.png"
    until(page, path.is_file)
    with Image.open(path) as image:
        assert image.size == (160, 120)
        assert image.convert("RGB").getpixel((70, 59)) == (10, 132, 255)
