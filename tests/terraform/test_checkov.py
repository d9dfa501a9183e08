"""checkov finds nothing but what terraform/.checkov.yaml names, with a reason for each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

from tests.conftest import PROJECT, require
from tests.terraform.terraform import HCL

TOOL = PROJECT / ".tools" / "checkov" / "bin" / "checkov"


def test_no_check_fails_that_is_not_named_with_a_reason(tmp_path):
    program = os.environ.get("TFOD_CHECKOV") or shutil.which("checkov") or str(TOOL)
    found = shutil.which(program) is not None
    require("checkov", found, "checkov is not installed: make checkov brings it")
    words = ["-d", HCL, "--config-file", HCL / ".checkov.yaml", "-o", "json"]
    done = subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )
    summary = json.loads(done.stdout)
    summary = summary.get("summary", summary)
    assert (summary["failed"], summary["parsing_errors"]) == (0, 0), done.stdout[-3000:]
    assert summary["passed"] > 50


def test_every_check_that_is_left_out_has_its_reason():
    lines = (HCL / ".checkov.yaml").read_text().splitlines()
    skipped = [line for line in lines if re.match(r"  - CKV", line)]
    assert len(skipped) <= 15
    assert all(re.match(r"  - CKV2?_AWS_\d+ # \S", line) for line in skipped)
