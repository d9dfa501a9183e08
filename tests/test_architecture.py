"""The floors of the house, read from the imports themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "tfod_toolkit"

#: Rooms by floor, the lowest first; an import goes down, or to a neighbour's face.
FLOORS = [
    {"errors"},
    {"odapi"},
    {"dataset", "zoo", "pipeline"},
    {"training", "evaluation", "export", "prediction"},
    {"runs"},
    {"cloud", "sidecar", "rehearsal", "doctor", "container"},
    {"cli", "web"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FLOOR["__main__"] = FLOOR["cli"]

#: Loaded by nobody who only asks for help.
HEAVY = ("tensorflow", "cv2", "boto3", "numpy", "matplotlib", "object_detection", "PIL")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        yield relative.parts[0].removesuffix(".py"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_floor():
    rooms = {room for room, _ in modules()} - {"__init__"}
    assert rooms <= set(FLOOR), rooms - set(FLOOR)


def test_imports_go_down():
    wrong = []
    for room, path in modules():
        if room == "__init__":
            continue
        for name in imports(path):
            parts = name.split(".")
            other = parts[1] if parts[0] == "tfod_toolkit" and len(parts) > 1 else None
            if other in FLOOR and FLOOR[other] > FLOOR[room]:
                wrong.append(f"{path.relative_to(PROJECT)} imports {name}")
    assert not wrong


def test_odapi_alone_imports_object_detection():
    wrong = [
        f"{path.relative_to(PROJECT)} imports {name}"
        for room, path in modules()
        if room != "odapi"
        for name in imports(path)
        if name.split(".")[0] == "object_detection"
    ]
    assert not wrong


def test_cloud_alone_imports_boto3():
    allowed = {"cloud", "sidecar", "rehearsal"}
    wrong = [
        str(path.relative_to(PROJECT))
        for room, path in modules()
        if room not in allowed
        and any(name.split(".")[0] in {"boto3", "botocore"} for name in imports(path))
    ]
    assert not wrong


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after ``code``."""
    program = f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


HELP = """
from tfod_toolkit.cli import main
try: main({words})
except SystemExit: pass
"""


@pytest.mark.parametrize(
    "words",
    [["--help"], *([verb, "--help"] for verb in ("train", "dataset", "predict", "evaluate"))],
)
def test_help_loads_nothing_heavy(words):
    assert loaded_by(HELP.format(words=words)) == set()


def test_configs_are_read_without_tensorflow():
    assert "tensorflow" not in loaded_by("import tfod_toolkit.odapi.protos, tfod_toolkit.pipeline")


def test_records_are_read_without_tensorflow_or_tfod():
    assert not loaded_by("import tfod_toolkit.dataset") & {"tensorflow", "object_detection"}
