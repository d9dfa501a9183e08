"""A process that has imported all of TFOD that the toolkit uses, and what it says of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.odapi.fresh import run


@pytest.fixture(scope="session")
def imported() -> dict[str, Any]:
    """Facts about a fresh process after ``import tfod_toolkit.odapi.api``."""
    result = run("""
import tfod_toolkit.odapi.api, json, sys, numpy
facts = {
    "loaded": sorted(sys.modules),
    "numpy_has_float": hasattr(numpy, "float"),
}
import keras
print(json.dumps(facts | {"keras": keras.__version__}))
""")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) | {"stderr": result.stderr}
