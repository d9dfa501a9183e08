"""Bad input: each a clear line with its remedy, and no traceback."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def refused(done, code):
    """The lines of a refusal: what it is, and what to do."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("error: "))
    assert lines[-1].startswith("hint: ")
    return "\n".join(lines[start:-1]).removeprefix("error: "), lines[-1].removeprefix("hint: ")


def a_terraform_that_says(folder, text):
    program = folder / "terraform"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def path_without_terraform():
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(each for each in folders if not (Path(each) / "terraform").exists())


def test_no_terraform(workplace):
    error, hint = refused(workplace.tfod("plan", PATH=path_without_terraform()), 78)
    assert error == "terraform is not on the PATH"
    assert hint.startswith("install terraform 1.10 or newer: https://")


@pytest.mark.parametrize(
    "said", ['{\n  "terraform_version": "1.5.7",\n  "platform": "x"\n}', "Terraform v0.12.31"]
)
def test_an_old_terraform(workplace, tmp_path, said):
    error, hint = refused(workplace.tfod("plan", **a_terraform_that_says(tmp_path, said)), 78)
    assert error.startswith(f"terraform {'1.5.7' if '1.5.7' in said else '0.12.31'} at ")
    assert error.endswith("is too old")
    assert hint.startswith("install terraform 1.10 or newer")


def test_a_terraform_that_is_something_else(workplace, tmp_path):
    error, _ = refused(workplace.tfod("plan", **a_terraform_that_says(tmp_path, "hello")), 69)
    assert error.endswith("does not say its version: hello")


def test_no_credentials(workplace, tmp_path):
    nowhere = str(tmp_path / "none")
    done = workplace.tfod(
        "apply",
        AWS_ACCESS_KEY_ID=None,
        AWS_SECRET_ACCESS_KEY=None,
        AWS_SHARED_CREDENTIALS_FILE=nowhere,
        AWS_CONFIG_FILE=nowhere,
    )
    error, hint = refused(done, 77)
    assert error == "AWS: there are no AWS credentials"
    assert "aws sso login" in hint


def test_a_profile_that_is_not_there(workplace):
    config = workplace.config('profile = "nobody"\n')
    error, hint = refused(workplace.tfod("plan", config=config), 77)
    assert "The config profile (nobody) could not be found" in error
    assert "config.tfvars" in hint


def test_no_region(workplace, tmp_path):
    done = workplace.tfod(
        "plan", AWS_REGION=None, AWS_DEFAULT_REGION=None, AWS_CONFIG_FILE=str(tmp_path / "none")
    )
    error, hint = refused(done, 78)
    assert error == "no AWS region is given"
    assert 'region = "eu-west-1"' in hint


@pytest.fixture
def sts_that_says():
    """An STS with one answer."""
    servers = []

    def start(code, message="no"):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = (
                    f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>"
                    "</ErrorResponse>"
                ).encode()
                self.send_response(403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_expired_credentials(workplace, sts_that_says):
    done = workplace.tfod("apply", AWS_ENDPOINT_URL=sts_that_says("ExpiredToken"))
    error, hint = refused(done, 77)
    assert error == "AWS: the AWS credentials have expired"
    assert hint.startswith("log in")


def test_refused_credentials(workplace, sts_that_says):
    done = workplace.tfod("status", AWS_ENDPOINT_URL=sts_that_says("InvalidClientTokenId"))
    error, _ = refused(done, 77)
    assert error == "AWS: these AWS credentials are refused (InvalidClientTokenId)"


def test_a_clock_that_is_wrong(workplace, sts_that_says):
    message = (
        "Signature expired: 20261121T104625Z is now earlier than 20261121T113904Z "
        "(20261121T114404Z - 5 min.)"
    )
    endpoint = sts_that_says("SignatureDoesNotMatch", message)
    error, hint = refused(workplace.tfod("status", AWS_ENDPOINT_URL=endpoint), 78)
    assert error == "AWS: this machine's clock is wrong; AWS says 20261121T114404Z"
    assert hint.startswith("set the clock")


def test_nobody_answers(workplace):
    done = workplace.tfod("plan", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    error, hint = refused(done, 69)
    assert "Could not connect" in error and "network" in hint


@pytest.mark.parametrize("name", ["My_Stack", "ecs-gpu", "awsome", "a", "x" * 21, "a--b", "9a"])
def test_a_name_aws_refuses(workplace, name):
    config = workplace.config(f'project = "{name}"\n')
    error, hint = refused(workplace.tfod("plan", config=config), 78)
    assert f"the project cannot be called {name!r}" in error
    assert "lower-case letters" in hint


def test_a_region_without_the_types(workplace):
    config = workplace.config('project = "none"\ninstance_types = ["p99.xlarge"]\n')
    error, hint = refused(workplace.tfod("apply", "--yes", config=config), 78)
    assert "Region eu-west-1 offers none of p99.xlarge: give others as instance_types" in error
    assert "config.tfvars" in hint


def test_a_value_that_the_stack_does_not_take(workplace):
    config = workplace.config('project = "none"\nmax_instances = 0\n')
    error, hint = refused(workplace.tfod("plan", config=config), 78)
    assert "max_instances must be a whole number from 1 to 100." in error
    assert hint == "correct it in config.tfvars"


def test_a_quota_of_no_gpus(workplace, emulator):
    config = workplace.config('project = "none"\ninstance_types = ["g5.xlarge", "g4dn.xlarge"]\n')
    emulator.quota_file.write_text(json.dumps({"L-DB2E81BA": 0, "L-3819A6DF": 2}))
    try:
        done = workplace.tfod("plan", config=config)
    finally:
        emulator.quota_file.unlink()
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert warnings[0].startswith(
        "warning: the quota 'Running On-Demand G and VT instances' (L-DB2E81BA) is 0 vCPUs in "
        "eu-west-1, and the smallest instance needs 4: no on-demand instance can start; ask for "
        "more at https://console.aws.amazon.com/servicequotas/"
    )
    assert "'All G and VT Spot Instance Requests' (L-3819A6DF) is 2 vCPUs" in warnings[1]


def test_a_state_that_is_locked(workplace):
    config = workplace.config('project = "busy"\n')
    folder = workplace.folder / "terraform.tfstate.d" / "busy"
    folder.mkdir(parents=True)
    state = folder / "terraform.tfstate"
    info = {"ID": "1b2c", "Operation": "OperationTypeApply", "Who": "ann@laptop", "Version": "1.11",
            "Created": "2026-01-01T10:00:00Z", "Path": str(state), "Info": ""}  # fmt: skip
    with state.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        (folder / ".terraform.tfstate.lock.info").write_text(json.dumps(info))
        done = workplace.tfod("plan", config=config)
    shutil.rmtree(folder)
    error, hint = refused(done, 69)
    assert "the stack's state is locked by ann@laptop since 2026-01-01" in error
    assert "force-unlock 1b2c" in hint


def test_a_state_in_a_bucket_that_is_not_there(workplace):
    error, hint = refused(workplace.tfod("init", "--state", "s3://nowhere/tfod"), 78)
    assert error == "there is no bucket nowhere"
    assert "aws s3 mb s3://nowhere" in hint


@pytest.mark.parametrize("place", ["nowhere", "gs://x", "s3://"])
def test_a_state_nowhere(workplace, place):
    error, hint = refused(workplace.tfod("init", "--state", place), 2)
    assert error == f"{place} is no place for a state"
    assert hint == "s3://BUCKET/PREFIX, or local"


def test_a_file_of_variables_that_is_not_there(workplace):
    error, hint = refused(workplace.tfod("plan", config="none.tfvars"), 66)
    assert error == "there is no file none.tfvars"
    assert "config.tfvars.example" in hint


def test_a_folder_without_terraform(workplace, tmp_path):
    error, hint = refused(workplace.tfod("plan", folder=tmp_path), 66)
    assert error == f"{tmp_path} holds no terraform of a stack"
    assert "--dir" in hint


def test_nothing_is_there_yet(workplace):
    config = workplace.config('project = "never"\n')
    error, hint = refused(workplace.tfod("outputs", config=config), 66)
    assert error == "there is no stack called never"
    assert hint == "provision it: make apply, or tfod stack apply"
    status = workplace.tfod("status", config=config)
    assert (status.returncode, status.stdout) == (66, "There is no stack never: make apply\n")
    gone = workplace.tfod("destroy", "--yes", config=config)
    assert (gone.returncode, gone.stdout) == (0, "There is no stack never.\n")


def test_no_is_an_answer(workplace):
    config = workplace.config('project = "maybe"\n')
    done = workplace.tfod("apply", config=config, answer="n\n")
    assert done.returncode == 1
    assert done.stdout.endswith("Provision this? [y/N]: Nothing was done.\n")
