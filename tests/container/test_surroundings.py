"""What a job stands on: each fault is named, with what to do."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfod_toolkit.container import surroundings
from tfod_toolkit.errors import CannotWriteError, ConfigError, DeniedError, UnavailableError


def driver(code: int, count: int):
    """A driver that gives a code and a number of GPUs."""

    def count_of(pointer: object) -> int:
        ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] = count
        return 0

    return lambda name: SimpleNamespace(cuInit=lambda flags: code, cuDeviceGetCount=count_of)


def test_gpus_are_counted_by_the_driver():
    assert surroundings.gpu_count(driver(0, 2)) == 2


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (driver(100, 0), "the driver has none for this container"),
        (driver(0, 0), "the driver has none for this container"),
        (driver(803, 0), "does not work here (CUDA error 803)"),
    ],
)
def test_a_driver_without_a_gpu_says_what_to_check(load, said):
    with pytest.raises(ConfigError) as caught:
        surroundings.gpu_count(load)
    assert said in caught.value.message
    for word in ("nvidia-smi", "nvidia-container-toolkit", "--gpus all", "TFOD_ACCELERATOR=cpu"):
        assert word in caught.value.hint


def test_no_driver_at_all():
    def load(name: str):
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(ConfigError, match="no NVIDIA driver in this container"):
        surroundings.gpu_count(load)


@pytest.mark.parametrize(("gpus", "needed"), [(0, 16), (1, 16), (4, 1024)])
def test_shared_memory_is_asked_for_by_the_number_of_gpus(monkeypatch, tmp_path, gpus, needed):
    def with_free(mebibytes: int) -> None:
        usage = SimpleNamespace(free=mebibytes << 20)
        monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda folder: usage)

    with_free(needed)
    surroundings.check_shared_memory(gpus, tmp_path)
    with_free(needed - 1)
    with pytest.raises(ConfigError) as caught:
        surroundings.check_shared_memory(gpus, tmp_path)
    assert f"has {needed - 1} MiB free of the {needed}" in caught.value.message
    assert "--shm-size=2g" in caught.value.hint


def test_a_folder_is_made_and_left_empty(tmp_path):
    surroundings.check_writable(tmp_path / "experiments" / "training")
    assert list((tmp_path / "experiments" / "training").iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "training").write_text("")
    with pytest.raises(CannotWriteError, match=r"cannot write .*training"):
        surroundings.check_writable(tmp_path / "training")


def test_a_folder_of_the_root_is_not_mounted(monkeypatch, tmp_path):
    monkeypatch.setattr(
        surroundings.Path, "stat", lambda self, **_: SimpleNamespace(st_dev=1, st_mode=0o40755)
    )
    with pytest.raises(CannotWriteError) as caught:
        surroundings.check_writable(tmp_path, mounted=True)
    assert "is not mounted: what is written there would be gone" in caught.value.message


def test_a_place_for_temporary_files(monkeypatch, tmp_path):
    surroundings.check_scratch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(CannotWriteError) as caught:
        surroundings.check_scratch()
    assert "--tmpfs /tmp" in caught.value.hint


def test_records_that_may_not_be_read(monkeypatch, tmp_path):
    def refuse(self: Path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(surroundings.Path, "iterdir", refuse)
    with pytest.raises(DeniedError) as caught:
        surroundings.check_readable(tmp_path)
    assert f"belongs to user {os.geteuid()}, and this is user" in caught.value.message
    assert "--user $(id -u):$(id -g)" in caught.value.hint


def test_a_port_in_use_is_named_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError) as caught:
            surroundings.check_port("127.0.0.1", port)
    assert caught.value.message == f"TensorBoard's port 127.0.0.1:{port} is in use"
    assert "0: no TensorBoard" in caught.value.hint
