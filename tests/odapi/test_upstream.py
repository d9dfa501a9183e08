"""The runner of TFOD's own tests: its judgement, and a few of their files for real."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

SCRIPT = PROJECT / "scripts" / "test_upstream.py"


@pytest.fixture(scope="module")
def upstream():
    spec = importlib.util.spec_from_file_location("upstream_runner", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def judged(upstream):
    """Judge one file's outcomes against a list of expectations."""

    def judge(tests, expected):
        result = upstream.FileResult("a_test.py", 1.0, tests, dict.fromkeys(tests, "why"))
        reasons = {
            f"a_test.py::{name}": upstream.Expectation("a reason", may_pass)
            for name, may_pass in expected.items()
        }
        return upstream.judge([result], reasons | {"b_test.py::T.x": upstream.Expectation("r", "")})

    return judge


def test_failures_on_the_list_are_expected_and_the_rest_are_not(judged):
    verdict = judged({"T.a": "passed", "T.b": "failed", "T.c": "errors"}, {"T.b": ""})
    assert verdict.unexpected == {"a_test.py::T.c": "why"}
    assert (verdict.now_passing, verdict.gone) == ([], [])
    assert verdict.ratio == pytest.approx(1 / 3)


def test_a_listed_test_that_passes_is_reported(judged):
    assert judged({"T.a": "passed"}, {"T.a": ""}).now_passing == ["a_test.py::T.a"]


def test_a_listed_test_that_may_pass_is_not(judged):
    assert judged({"T.a": "passed"}, {"T.a": "on a GPU"}).now_passing == []


def test_a_listed_test_that_is_no_more_is_reported(judged):
    assert judged({"T.a": "passed"}, {"T.gone": ""}).gone == ["a_test.py::T.gone"]


def test_skipped_tests_do_not_count(judged):
    assert judged({"T.a": "passed", "T.b": "skipped"}, {}).ratio == 1.0


def test_every_expectation_has_a_reason_and_no_test_stands_twice(upstream):
    groups = json.loads(upstream.EXPECTED.read_text())
    tests = [test for group in groups for test in group["tests"]]
    assert len(tests) == len(set(tests))
    assert all(len(group["reason"]) > 20 for group in groups)


def test_tensorflow_1s_tests_are_left_out(upstream, tmp_path):
    for name in ("core/box_test.py", "core/box_tf1_test.py", "nets/vgg_test.py", "core/box.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert upstream.test_files(tmp_path) == [tmp_path / "core/box_test.py"]


def test_a_file_that_never_ends_is_an_error(upstream, tmp_path, monkeypatch):
    (tmp_path / "endless_test.py").write_text("while True: pass")
    monkeypatch.setattr(upstream, "RUN_ONE", "while True: pass")
    result = upstream.run_file(tmp_path / "endless_test.py", tmp_path, 0.3, tmp_path)
    assert result.tests == {"(file)": "errors"}
    assert result.messages == {"(file)": "no answer in 0.3 s"}


def test_a_file_that_is_killed_is_an_error(upstream, tmp_path, monkeypatch):
    (tmp_path / "killed_test.py").write_text("")
    code = "import os, sys; open(sys.argv[-1].split('=')[1], 'w').close(); os.kill(os.getpid(), 9)"
    monkeypatch.setattr(upstream, "RUN_ONE", code)
    result = upstream.run_file(tmp_path / "killed_test.py", tmp_path, 60, tmp_path)
    assert result.tests == {"(file)": "errors"}


def test_a_file_that_cannot_be_imported_is_an_error_with_its_reason(
    upstream, tmp_path, monkeypatch
):
    (tmp_path / "broken_test.py").write_text("")
    monkeypatch.setattr(upstream, "RUN_ONE", "raise ImportError('no beam')")
    result = upstream.run_file(tmp_path / "broken_test.py", tmp_path, 60, tmp_path)
    assert result.messages == {"(file)": "ImportError: no beam"}


@pytest.mark.slow
def test_some_of_tfods_own_tests(tmp_path):
    """One file for each kind of repair that is quick to run."""
    files = (
        *("utils/metrics_test.py", "utils/visualization_utils_test.py"),
        *("dataset_tools/create_coco_tf_record_test.py", "dataset_tools/seq_example_util_test.py"),
        "metrics/oid_vrd_challenge_evaluation_utils_test.py",
    )
    words = [word for name in files for word in ("--only", name)]
    result = subprocess.run(
        [sys.executable, SCRIPT, "--workers", "2", "--results", tmp_path, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    outcomes = json.loads((tmp_path / "results.json").read_text())
    assert {each["file"] for each in outcomes} == set(files)
    assert sum(list(each["tests"].values()).count("passed") for each in outcomes) >= 35
