"""numpy as one module of TFOD was written for, while everyone else keeps the real one."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class NumpyView(ModuleType):
    """numpy with a few functions of its own; set as the global ``np`` of a module of TFOD."""

    def __init__(self, **own: Any) -> None:
        super().__init__("numpy")
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        import numpy as np

        return getattr(np, name)
