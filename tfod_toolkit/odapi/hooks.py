"""Import hooks: a repair is applied when the module it concerns is loaded, and not before.

So importing the toolkit patches nothing by itself, a process that never loads TFOD's drawing never
touches Pillow, and nothing heavy is imported for the sake of a repair that is not needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: Entered around the creation of the module it is registered for, and around its execution.
Surroundings = Callable[[], AbstractContextManager[object]]


class ImportHooks(MetaPathFinder):
    """What is to happen when modules are loaded, by their full names.

    A finder that stands first in ``sys.meta_path``: it leaves finding to the finders behind it,
    and wraps the loader that they return for the modules it knows.
    """

    def __init__(self) -> None:
        self._after: dict[str, list[Callable[[Any], None]]] = {}
        self._during: dict[str, list[Surroundings]] = {}

    @property
    def installed(self) -> bool:
        """Whether the hooks stand among Python's finders."""
        return self in sys.meta_path

    def install(self) -> None:
        """Stand first among Python's finders."""
        sys.meta_path.insert(0, self)

    def after(self, name: str, patch: Callable[[Any], None]) -> None:
        """Call ``patch`` with the module ``name`` once it has run; now, where it already has."""
        loaded = sys.modules.get(name)
        if loaded is not None:
            patch(loaded)
        else:
            self._after.setdefault(name, []).append(patch)

    def before(self, name: str, prepare: Callable[[], None]) -> None:
        """Call ``prepare`` before the module ``name`` runs; now, where it already has."""
        if name in sys.modules:
            prepare()
            return

        @contextmanager
        def prepared() -> Iterator[None]:
            prepare()
            yield

        self._during.setdefault(name, []).append(prepared)

    def during(self, name: str, surroundings: Surroundings) -> None:
        """Create and run the module ``name`` inside the context that ``surroundings`` returns."""
        self._during.setdefault(name, []).append(surroundings)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give for a known module, with its loader wrapped."""
        if fullname not in self._after and fullname not in self._during:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        if spec.loader is not None:
            spec.loader = _Watched(
                spec.loader, self._during.get(fullname, ()), self._after.get(fullname, ())
            )
        return spec


class _Watched(Loader):
    """A loader with something to do around and after the one module it loads."""

    def __init__(
        self,
        loader: Loader,
        during: Sequence[Surroundings],
        after: Sequence[Callable[[Any], None]],
    ) -> None:
        self._loader = loader
        self._during = during
        self._after = after

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        with self._surrounded():  # an extension's library is loaded here
            return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Whoever asks the module for its source or data files gets the loader it would have had.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with self._surrounded():
            self._loader.exec_module(module)
        for patch in self._after:
            patch(module)

    @contextmanager
    def _surrounded(self) -> Iterator[None]:
        with ExitStack() as surroundings:
            for enter in self._during:
                surroundings.enter_context(enter())
            yield

    def __getattr__(self, name: str) -> Any:
        # ``runpy`` asks the loader of the module it is to run for its code, unexecuted.
        return getattr(self._loader, name)
