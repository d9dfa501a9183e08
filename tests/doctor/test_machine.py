import os
import platform

import pytest

from tfod_toolkit.doctor import machine


@pytest.fixture
def cgroup(tmp_path):
    """The limits of a container."""

    def limits(**files):
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path

    return limits


def test_a_quota_of_processors(cgroup):
    assert machine.usable_processors(cgroup(cpu_max="50000 100000\n")) == 0.5


def test_no_quota_of_processors(cgroup):
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert machine.usable_processors(cgroup(cpu_max="max 100000\n")) == own


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX is x86's")
def test_processors_without_avx_cannot_train(tmp_path):
    (tmp_path / "cpuinfo").write_text("flags : fpu sse4_2 popcnt\n")
    found = machine.cpu(tmp_path / "cpuinfo", tmp_path)
    assert (found.state, found.needed) == ("missing", True)
    assert "without AVX" in found.text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX is x86's")
def test_processors_with_avx(tmp_path):
    (tmp_path / "cpuinfo").write_text("flags : fpu avx avx2\n")
    assert machine.cpu(tmp_path / "cpuinfo", tmp_path).state == "ok"


def test_the_containers_limit_is_its_memory(cgroup):
    found = machine.memory(cgroup(memory_max=str(2**30)))
    assert (found.state, found.text) == ("warn", "1.0 GB (the container's limit)")
    assert "--batch-size" in found.remedy


def test_memory_without_a_limit(cgroup, monkeypatch):
    monkeypatch.setattr(machine, "physical_memory", lambda: 16 * 2**30)
    assert machine.memory(cgroup(memory_max="max\n")).text == "16.0 GB"


def test_a_disk_nearly_full(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 2**30})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    found = machine.disk(tmp_path)
    assert (found.state, found.text) == ("warn", f"1.0 GB free in {tmp_path}")
    assert "--run" in found.remedy


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert "where you may not write" in machine.disk(tmp_path).text
