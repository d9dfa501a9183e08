"""Run TFOD's own tests through the repairs: the measure of how complete they are.

Every ``*_test.py`` of the installed ``object_detection`` that is not TensorFlow 1's runs in a
process of its own (in one process their flags collide), as ``absl.testing`` would run it, with
downloads refused so that the outcome is the same on every machine. What fails is compared with
``tests/odapi/upstream_expected.json``, which gives the reason for each test that cannot pass. The
exit code is 0 when the tests on that list fail and no others.

TensorFlow 1's are the files named ``*_tf1_test.py``, and those in the folders that the wheel takes
from TF-Slim (``nets`` and its companions): they test graphs of placeholders, import their package
by another name (``nets``) than it is installed under, and TFOD on TensorFlow 2 uses none of it.

    python scripts/test_upstream.py                      # everything, 15 minutes on two free cores
    python scripts/test_upstream.py --only metrics/      # files whose path holds a pattern
    python scripts/test_upstream.py --failed             # the files that failed the last time
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
EXPECTED = PROJECT / "tests" / "odapi" / "upstream_expected.json"
RESULTS = PROJECT / "build" / "upstream"
BAR = 0.98

#: What one process runs. A file without a ``__main__`` block holds base classes for others, and
#: absl would run none of its tests; only a ``_tf2_test`` without one has lost it by accident.
RUN_ONE = """
import runpy, sys
import tfod_toolkit.odapi
name, has_main = sys.argv.pop(1), sys.argv.pop(1) == "main"
if has_main:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
elif name.endswith("_tf2_test"):
    from absl.testing import absltest
    absltest.main(module=name)
"""

#: No test may reach the network: one that downloads fails everywhere, not only offline.
NO_DOWNLOADS = dict.fromkeys(
    ("http_proxy", "https_proxy", "ftp_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
) | {"no_proxy": "", "NO_PROXY": ""}

OUTCOMES = ("passed", "failed", "errors", "skipped")
TROUBLE = {"failed", "errors"}

#: TF-Slim's folders inside ``object_detection``.
SLIM = ("datasets", "deployment", "nets", "preprocessing")


@dataclass
class FileResult:
    """What one test file did: outcome by test, and the last lines where it failed."""

    file: str
    seconds: float
    tests: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)


def test_files(package: Path) -> list[Path]:
    """The tests of ``object_detection`` that are not for TensorFlow 1, the longest first."""
    files = [
        path
        for path in package.rglob("*_test.py")
        if not path.name.endswith("_tf1_test.py") and path.relative_to(package).parts[0] not in SLIM
    ]
    return sorted(files, key=lambda path: (-path.stat().st_size, path))


def run_file(path: Path, package: Path, timeout: float, logs: Path) -> FileResult:
    """Run one file in a process of its own and read what each of its tests did."""
    name = path.relative_to(package).as_posix()
    module = "object_detection." + name.removesuffix(".py").replace("/", ".")
    log = logs / (name.replace("/", "-") + ".log")
    result, started = FileResult(name, 0.0), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="upstream-") as scratch:
        report = Path(scratch) / "report.xml"
        has_main = "__main__" in path.read_text(encoding="utf-8")
        words = [module, "main" if has_main else "-", f"--xml_output_file={report}"]
        code = run_process([sys.executable, "-c", RUN_ONE, *words], scratch, log, timeout)
        with contextlib.suppress(OSError, ET.ParseError):  # killed before it could write all of it
            read_report(report, result)
    result.seconds = round(time.monotonic() - started, 1)
    if code != 0 and not TROUBLE.intersection(result.tests.values()):
        result.tests["(file)"] = "errors"
        text = log.read_text(encoding="utf-8", errors="replace")
        result.messages["(file)"] = (
            last_line(text) if code is not None else f"no answer in {timeout:g} s"
        )
    return result


def run_process(command: list[str], scratch: str, log: Path, timeout: float) -> int | None:
    """The exit code of ``command``, run in ``scratch`` with its output to ``log``; None: late."""
    environment = NO_DOWNLOADS | {"TEST_TMPDIR": scratch, "KERAS_HOME": scratch}
    with log.open("wb") as output:
        try:
            return subprocess.run(
                command,
                check=False,
                cwd=scratch,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def last_line(text: str) -> str:
    """The last line that is not blank: of a traceback, the error itself."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def read_report(report: Path, result: FileResult) -> None:
    """Add the outcomes in absl's JUnit report to ``result``."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 -- our own process wrote it
        cls = case.get("classname", "").rsplit(".", 1)[-1]
        # Parameterised tests carry their arguments' repr, addresses included.
        test = f"{cls}.{case.get('name', '').split(' ', 1)[0]}"
        outcome, trouble = "passed", None
        for kind, element in (("failed", "failure"), ("errors", "error")):
            found = case.find(element)
            if found is not None:
                outcome, trouble = kind, found
        if case.get("status") == "notrun":
            outcome = "skipped"
        if result.tests.get(test) in TROUBLE:
            continue  # one of several subtests failed before
        result.tests[test] = outcome
        if trouble is not None:
            result.messages[test] = last_line(trouble.text or "") or trouble.get("message", "")


@dataclass
class Verdict:
    """What the run says against the list of tests that cannot pass."""

    counts: Counter[str]
    unexpected: dict[str, str]
    now_passing: list[str]
    gone: list[str]

    @property
    def ratio(self) -> float:
        """Passed over passed, failed and errors."""
        ran = sum(self.counts[kind] for kind in ("passed", "failed", "errors"))
        return self.counts["passed"] / ran if ran else 0.0


@dataclass(frozen=True)
class Expectation:
    """Why a test cannot pass, and where it may all the same (empty: nowhere)."""

    reason: str
    may_pass: str


def read_expected(path: Path) -> dict[str, Expectation]:
    """The checked-in list, by test."""
    groups = json.loads(path.read_text(encoding="utf-8"))
    return {
        test: Expectation(group["reason"], group.get("may_pass", ""))
        for group in groups
        for test in group["tests"]
    }


def judge(results: list[FileResult], expected: dict[str, Expectation]) -> Verdict:
    """Compare outcomes with the list; of the list, only files that ran are judged."""
    outcomes = {f"{r.file}::{test}": o for r in results for test, o in r.tests.items()}
    messages = {f"{r.file}::{test}": m for r in results for test, m in r.messages.items()}
    troubled = {test for test, outcome in outcomes.items() if outcome in TROUBLE}
    ran = {result.file for result in results}
    must_fail = {
        test
        for test, expectation in expected.items()
        if test.split("::", 1)[0] in ran and not expectation.may_pass
    }
    return Verdict(
        counts=Counter(outcomes.values()),
        unexpected={test: messages.get(test, "") for test in sorted(troubled - set(expected))},
        now_passing=sorted(t for t in must_fail - troubled if outcomes.get(t) == "passed"),
        gone=sorted(t for t in must_fail - troubled if outcomes.get(t) != "passed"),
    )


def summary(verdict: Verdict, expected: dict[str, Expectation], seconds: float) -> str:
    """The verdict as text for a person."""
    counts = ", ".join(f"{verdict.counts[kind]} {kind}" for kind in OUTCOMES)
    lines = [f"{counts} in {seconds:.0f} s", f"ratio {verdict.ratio:.4f} (bar {BAR})"]
    lines += [f"unexpected: {test}: {text}" for test, text in verdict.unexpected.items()]
    lines += [f"listed, but passes: {t} ({expected[t].reason})" for t in verdict.now_passing]
    lines += [f"listed, but did not run: {t} ({expected[t].reason})" for t in verdict.gone]
    return "\n".join(lines)


def chosen_files(args: argparse.Namespace, package: Path) -> list[Path]:
    """The files that the call asks for."""
    files = test_files(package)
    if args.failed:
        last = json.loads((args.results / "results.json").read_text(encoding="utf-8"))
        failed = {r["file"] for r in last if TROUBLE.intersection(r["tests"].values())}
        files = [path for path in files if path.relative_to(package).as_posix() in failed]
    if args.only:
        files = [
            path
            for path in files
            if any(text in path.relative_to(package).as_posix() for text in args.only)
        ]
    return files


def save(results: list[FileResult], folder: Path) -> None:
    """Keep the outcomes, those of files not run this time included, for ``--failed``."""
    path = folder / "results.json"
    kept = {r["file"]: r for r in json.loads(path.read_text("utf-8"))} if path.exists() else {}
    kept |= {result.file: asdict(result) for result in results}
    path.write_text(json.dumps([kept[name] for name in sorted(kept)], indent=1), encoding="utf-8")


def run_files(files: list[Path], package: Path, args: argparse.Namespace) -> list[FileResult]:
    """Run ``files``, some at once, and print a line for each."""
    results: list[FileResult] = []
    with ThreadPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(run_file, path, package, args.timeout, args.results) for path in files]
        for number, job in enumerate(as_completed(jobs), 1):
            result = job.result()
            results.append(result)
            save([result], args.results)  # what is known outlives a run that is ended early
            counts = Counter(result.tests.values())
            told = ", ".join(f"{counts[kind]} {kind}" for kind in OUTCOMES if counts[kind])
            where = f"[{number}/{len(files)}] {result.file}"
            print(f"{where}: {told or 'no tests'} ({result.seconds} s)", flush=True)
    return results


def arguments() -> argparse.Namespace:
    """The words of the call."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--only", action="append", metavar="TEXT", help="part of a file's path")
    parser.add_argument("--failed", action="store_true", help="only what failed the last time")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one file")
    parser.add_argument("--expected", type=Path, default=EXPECTED)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for logs, outcomes")
    return parser.parse_args()


def main() -> int:
    """Run, compare, report; the exit code."""
    args = arguments()
    spec = importlib.util.find_spec("object_detection")
    if spec is None or spec.origin is None:
        print("error: object_detection is not installed\nhint: run `make setup`", file=sys.stderr)
        return 78
    package = Path(spec.origin).parent
    args.results.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    results = run_files(chosen_files(args, package), package, args)
    expected = read_expected(args.expected)
    verdict = judge(results, expected)
    print(summary(verdict, expected, time.monotonic() - started))
    print(f"logs and outcomes: {args.results}")
    if verdict.unexpected or verdict.now_passing or verdict.gone:
        return 1
    return 0 if verdict.ratio >= BAR or args.only or args.failed else 1


if __name__ == "__main__":
    sys.exit(main())
