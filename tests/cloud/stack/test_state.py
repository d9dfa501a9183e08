"""The state in S3: shared, locked, one for each stack. The stack here makes nothing."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.cloud.stack.conftest import REGION, Workplace
from tests.conftest import require
from tests.terraform.terraform import environment

BUCKET = "states"
STAND_IN = """
output "project" { value = terraform.workspace }
output "images" { value = {} }
output "cluster_name" { value = "none" }
output "autoscaling_groups" { value = {} }
"""


@pytest.fixture(scope="module")
def place(emulator, tmp_path_factory):
    require("terraform", shutil.which("terraform") is not None, "terraform is not installed")
    folder = tmp_path_factory.mktemp("state")
    (folder / "terraform").mkdir()
    (folder / "terraform" / "versions.tf").write_text(STAND_IN)
    where = {"LocationConstraint": REGION}
    emulator.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    kept = {k: v for k, v in environment(folder).items() if not k.startswith("AWS_")}
    return Workplace(folder / "terraform", kept | emulator.variables)


def keys(emulator):
    found = emulator.client("s3").list_objects_v2(Bucket=BUCKET)
    return {each["Key"] for each in found.get("Contents", [])}


def test_a_state_moves_to_s3_is_locked_there_and_comes_back(place, emulator):
    one, two = place.config('project = "one"\n'), place.config('project = "two"\n')
    assert place.tfod("apply", "--yes", config=one).returncode == 0
    moved = place.tfod("init", "--state", f"s3://{BUCKET}/team", config=one)
    assert moved.returncode == 0, moved.stderr
    assert "team/one/terraform.tfstate" in keys(emulator)
    # Known from there, and beside it another stack's.
    assert outputs(place, one)["project"]["value"] == "one"
    applied = place.tfod("apply", "--yes", config=two)
    assert applied.returncode == 0, applied.stderr
    assert {"team/one/terraform.tfstate", "team/two/terraform.tfstate"} <= keys(emulator)
    lock(emulator, "team/two/terraform.tfstate.tflock")
    refused = place.tfod("plan", config=two)
    assert refused.returncode == 69
    assert "the stack's state is locked by ann@laptop" in refused.stderr
    assert "force-unlock 1b2c" in refused.stderr
    stuck = place.tfod("init", "--state", "local", config=one)
    assert stuck.returncode == 69 and "force-unlock 1b2c" in stuck.stderr
    emulator.client("s3").delete_object(Bucket=BUCKET, Key="team/two/terraform.tfstate.tflock")
    back = place.tfod("init", "--state", "local", config=one)
    assert back.returncode == 0, back.stderr
    assert outputs(place, one)["project"]["value"] == "one"


def outputs(place, config):
    done = place.tfod("outputs", "--json", config=config)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lock(emulator, key):
    info = {
        "ID": "1b2c",
        "Operation": "OperationTypeApply",
        "Who": "ann@laptop",
        "Info": "",
        "Version": "1.11.4",
        "Created": "2026-01-01T10:00:00Z",
        "Path": f"{BUCKET}/{key}",
    }
    body = json.dumps(info).encode()
    emulator.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
