"""Several devices and several workers, on this machine's CPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.conftest import PROJECT, tfod

pytestmark = pytest.mark.slow

CONFIG = PROJECT / "configs" / "ssd_mobilenet_v2_160.config"

#: Splits the CPU into two devices, which must come before anything else, then trains.
TWO_CPUS = """
import sys
import tfod_toolkit.odapi
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tfod_toolkit.cli import main
main(sys.argv[1:])
"""


def words(records, run, *more):
    return [
        *("train", "--config", CONFIG, "--records", records, "--run", run, "--steps", 4),
        *("--batch-size", 4, "--seed", 1, *more),
    ]


def losses(run):
    lines = (run / "training" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def on_two_cpus(*arguments):
    command = [sys.executable, "-c", TWO_CPUS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_two_devices_share_a_batch(sample_records, tmp_path):
    devices = ["--device", "CPU:0", "--device", "CPU:1"]
    result = on_two_cpus(*words(sample_records, tmp_path / "run", *devices))
    assert result.returncode == 0, result.stderr
    shared = losses(tmp_path / "run")
    assert len(shared) == 4
    # The loss is the mean over replicas: as large as one device's, not twice as large.
    assert 1 < shared[0] < 8


def test_a_batch_that_does_not_divide_is_refused_at_once(sample_records, tmp_path):
    devices = ["--device", "CPU:0", "--device", "CPU:1", "--batch-size", 5]
    result = on_two_cpus(*words(sample_records, tmp_path / "run", *devices))
    assert result.returncode == 78
    assert "a batch of 5 does not divide among 2 devices" in result.stderr
    assert "--batch-size 4 or 6" in result.stderr


def test_a_device_that_is_not_there_is_named(sample_records, tmp_path):
    result = on_two_cpus(*words(sample_records, tmp_path / "run", "--device", "GPU:7"))
    assert result.returncode == 78
    assert "there is no device GPU:7" in result.stderr
    assert "CPU:0, CPU:1" in result.stderr


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_two_workers_train_one_model(sample_records, tmp_path):
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    run, records = tmp_path / "run", tmp_path / "records"
    built = tfod("dataset", "build", sample_records.parent / "scenes", records, "--shards", 2)
    assert built.returncode == 0, built.stderr
    command = list(map(str, [sys.executable, "-m", "tfod_toolkit", *words(records, run)]))
    workers = []
    for index in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
        workers.append(
            subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    messages = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], messages
    assert len(losses(run)) == 4
    assert json.loads((run / "run.json").read_text())["attempts"] == 1
    assert (run / "exported_model" / "saved_model" / "saved_model.pb").is_file()
    assert "step 4 of 4" in messages[0]
    assert "step 4 of 4" not in messages[1]
