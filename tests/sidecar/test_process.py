"""The command as a user runs it: bad input, signals, and what it loads."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from urllib.request import urlopen

import pytest

from tests.conftest import tfod
from tests.sidecar.conftest import BUCKET
from tests.sidecar.servers import Trainer, restorable
from tests.test_architecture import loaded_by
from tfod_toolkit.cli.sidecar import command
from tfod_toolkit.sidecar.place import place_of_environment

URL = f"s3://{BUCKET}/project/a run"


def refused(code: str, **headers: str) -> tuple[int, list[tuple[str, str]], bytes]:
    status = {"PermanentRedirect": 301, "NoSuchBucket": 404, "ExpiredToken": 400}.get(code, 403)
    return status, list(headers.items()), f"<Error><Code>{code}</Code></Error>".encode()


def started(*words: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "tfod_toolkit", "sidecar", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.split(" ", 1)[1].rstrip())
        if text in line:
            return lines
    raise AssertionError((lines, process.stderr and process.stderr.read()))


def test_it_waits_for_its_folder_and_flushes_when_told_to_stop(s3, tmp_path):
    folder = tmp_path / "later"
    process = started("backup", folder, URL, "--port", 18763)
    assert lines_until(process, "waiting") == [f"waiting for {folder}"]
    trainer = Trainer(folder, size=100_000)
    trainer.save(100)
    assert lines_until(process, "ckpt-100")[-1].startswith("ckpt-100  0.1 MB  ")
    with urlopen("http://127.0.0.1:18763/healthz") as answer:
        assert json.load(answer)["healthy"] == 1
    with urlopen("http://127.0.0.1:18763/metrics") as answer:
        assert "tfod_sidecar_checkpoints_saved_total 1\n" in answer.read().decode()
    trainer.save(200)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "saved 2 checkpoints; sent 4 files, 0.2 MB" in out
    assert restorable(s3.files) == "ckpt-200"


def test_a_folder_that_goes_away_is_waited_for(s3, tmp_path):
    trainer = Trainer(tmp_path / "run")
    trainer.save(100)
    process = started("backup", tmp_path / "run", URL)
    lines_until(process, "ckpt-100")
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    (tmp_path / "run").rmdir()
    assert lines_until(process, "waiting")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert restorable(s3.files) == "ckpt-100"


def test_a_stop_while_s3_does_not_answer_yet_is_heard(s3, tmp_path):
    asked = threading.Event()

    def fault(method, path):
        asked.set()
        return "503"

    s3.proxy.fault = fault
    Trainer(tmp_path / "run").save(100)
    process = started("backup", tmp_path / "run", URL, "--stop-time", 2)
    assert asked.wait(60)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode not in (0, -signal.SIGTERM)
    assert errors.startswith("error: ")
    assert "ckpt-100" in errors or URL in errors


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (refused("NoSuchBucket"), 66, [
            f"error: there is no bucket {BUCKET} (for {URL}/.sidecar/lease.json)",
            "hint: check its name, or create it"]),
        (refused("ExpiredToken"), 77, [
            f"error: {URL}/.sidecar/lease.json: the AWS credentials have expired",
            "hint: log in again, with aws sso login say"]),
        (refused("InvalidAccessKeyId"), 77, [
            f"error: {URL}/.sidecar/lease.json: these AWS credentials are refused "
            "(InvalidAccessKeyId)", "hint: use other credentials"]),
        (refused("AccessDenied"), 77, [
            f"error: {URL}/.sidecar/lease.json: GetObject is not allowed (AccessDenied)",
            "hint: ask for s3:GetObject on it, or use other credentials"]),
        (refused("PermanentRedirect", **{"x-amz-bucket-region": "eu-west-3"}), 78, [
            f"error: {URL}/.sidecar/lease.json: the bucket {BUCKET} is in eu-west-3",
            "hint: use --region eu-west-3"]),
        (refused("RequestTimeTooSkewed", date="Sat, 21 Nov 2026 12:00:00 GMT"), 78, [
            f"error: {URL}/.sidecar/lease.json: this machine's clock is wrong",
            "hint: set the clock: S3 takes no request that is more than 15 minutes off"]),
    ],
)  # fmt: skip
def test_what_s3_refuses_is_said(s3, tmp_path, answer, code, said):
    s3.proxy.fault = lambda method, path: answer
    result = tfod("sidecar", "backup", tmp_path, URL)
    assert re.sub("; S3 says .* GMT", "", result.stderr).splitlines() == said
    assert result.returncode == code


def test_a_bucket_that_may_not_be_written_is_said(s3, tmp_path):
    s3.proxy.fault = lambda method, path: refused("AccessDenied") if method == "PUT" else None
    result = tfod("sidecar", "backup", tmp_path, URL)
    assert result.stderr.splitlines() == [
        f"error: {URL}/.sidecar/lease.json: PutObject is not allowed (AccessDenied)",
        "hint: ask for s3:PutObject on it, or use other credentials",
    ]


@pytest.mark.parametrize(
    ("words", "about"),
    [
        (("restore", URL, "DIR"), URL),
        (("backup", "DIR", URL), f"{URL}/.sidecar/lease.json"),
        (("backup", "DIR", URL, "--once"), f"{URL}/.sidecar/lease.json"),
        (("backup", "DIR", URL, "--dry-run"), URL),
    ],
)
def test_no_credentials_are_said(s3, tmp_path, monkeypatch, words, about):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    Trainer(tmp_path).save(100)
    result = tfod("sidecar", *(tmp_path if word == "DIR" else word for word in words))
    assert result.stderr.splitlines() == [
        f"error: {about}: there are no AWS credentials",
        "hint: log in: aws configure, or set AWS_PROFILE",
    ]
    assert result.returncode == 77
    assert s3.proxy.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup",), "no folder is named"),
        (("backup", "x"), "no place in S3 is named"),
        (("backup", "x", "y"), "y is not a place in S3"),
        (("restore", "s3://", "x"), "s3:// is not a place in S3"),
    ],
)
def test_words_that_are_off_are_said(words, said):
    result = tfod("sidecar", *words)
    assert result.stderr.splitlines()[0] == f"error: {said}"
    assert result.returncode == 2


@pytest.mark.parametrize(
    ("folder", "words", "said"),
    [
        ("a file", (), "is not a folder"),
        ("a file", ("--once",), "is not a folder"),
        ("a file", ("--dry-run",), "is not a folder"),
        ("none", ("--once",), "is not there"),
        ("none", ("--dry-run",), "is not there"),
    ],
)
def test_a_folder_that_nobody_will_wait_for_is_said(proxy, tmp_path, folder, words, said):
    (tmp_path / "a file").write_text("x")
    result = tfod("sidecar", "backup", tmp_path / folder, URL, *words)
    assert result.stderr.splitlines() == [
        f"error: the folder {tmp_path / folder} {said}",
        "hint: check its name",
    ]
    assert result.returncode == 66
    assert proxy.calls == []


def test_the_original_s_variables_are_understood(tmp_path):
    told = {
        "M1L0_WORKING_DIR": "/opt/tfod/experiments/training",
        "M1L0_OUTPUT": "s3://bucket/",
        "M1L0_FAMILY": "object-detector",
        "M1L0_JOBID": "07156fbd/training",
    }
    folder, url = place_of_environment(None, None, told)
    assert str(folder) == "/opt/tfod/experiments/training"
    assert url == "s3://bucket/object-detector/07156fbd/training"
    assert place_of_environment(tmp_path, "s3://x/y", told) == (tmp_path, "s3://x/y")
    region = next(each for each in command.commands["backup"].params if each.name == "region")
    assert "M1L0_REGION" in region.envvar


def test_a_dry_run_writes_nothing(s3, tmp_path):
    trainer = Trainer(tmp_path, keep=1)
    trainer.save(100)
    s3.keep(tmp_path)
    trainer.save(200)
    s3.proxy.calls.clear()
    result = tfod("sidecar", "backup", tmp_path, URL, "--dry-run")
    assert result.stdout.splitlines() == [
        "would send ckpt-200.data-00000-of-00001 (0.0 MB)",
        "would send ckpt-200.index (0.0 MB)",
        "would send checkpoint (0.0 MB)",
        "would delete ckpt-100.index",
        "would delete ckpt-100.data-00000-of-00001",
        "would send checkpoint (0.0 MB)",
        "would send 4 files, 0.0 MB",
    ]
    assert [call for call in s3.proxy.calls if call.writes] == []


def test_it_loads_no_tensorflow():
    code = "import tfod_toolkit.sidecar.service, tfod_toolkit.cli.sidecar"
    assert loaded_by(code) == set()
