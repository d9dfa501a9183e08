"""Import hooks, on modules made for the test."""

import importlib
import importlib.resources
import pkgutil
import runpy
import sys
from contextlib import contextmanager

import pytest

from tfod_toolkit.odapi.hooks import ImportHooks


@pytest.fixture
def hooks(monkeypatch):
    """Hooks that stand among the finders for one test."""
    hooks = ImportHooks()
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    hooks.install()
    return hooks


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a package ``hooked`` whose module ``part`` holds the source given."""
    (tmp_path / "hooked").mkdir()
    (tmp_path / "hooked" / "__init__.py").write_text("")
    (tmp_path / "hooked" / "notes.txt").write_text("data of the package")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source):
        (tmp_path / "hooked" / "part.py").write_text(source)
        return "hooked.part"

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "hooked"]:
        del sys.modules[name]


def test_after_is_called_with_the_loaded_module(hooks, module):
    name = module("value = 1")
    hooks.after(name, lambda loaded: setattr(loaded, "value", loaded.value + 1))
    assert importlib.import_module(name).value == 2


def test_after_is_called_at_once_where_the_module_is_loaded(hooks, module):
    name = module("value = 1")
    loaded = importlib.import_module(name)
    hooks.after(name, lambda loaded: setattr(loaded, "value", 5))
    assert loaded.value == 5


def test_before_is_called_before_the_module_runs(hooks, module):
    name = module("import sys; value = sys.hooked_flag")
    hooks.before(name, lambda: setattr(sys, "hooked_flag", "ready"))
    try:
        assert importlib.import_module(name).value == "ready"
    finally:
        del sys.hooked_flag


def test_during_surrounds_the_module_and_ends_with_it(hooks, module):
    events = []

    @contextmanager
    def surroundings():
        events.append("in")
        sys.modules["stand_in"] = sys
        try:
            yield
        finally:
            del sys.modules["stand_in"]
            events.append("out")

    name = module("import stand_in; value = stand_in.version")
    hooks.during(name, surroundings)
    assert importlib.import_module(name).value == sys.version
    assert events[-1] == "out"
    assert "stand_in" not in sys.modules


def test_surroundings_end_when_the_module_fails(hooks, module):
    left = []

    @contextmanager
    def surroundings():
        try:
            yield
        finally:
            left.append(True)

    name = module("raise RuntimeError('broken')")
    hooks.during(name, surroundings)
    with pytest.raises(RuntimeError, match="broken"):
        importlib.import_module(name)
    assert left
    assert name not in sys.modules


def test_the_module_keeps_its_own_loader_source_and_data(hooks, module):
    name = module("value = 1\n")
    hooks.after(name, lambda loaded: None)
    hooks.after("hooked", lambda loaded: None)
    loaded = importlib.import_module(name)
    assert type(loaded.__loader__).__name__ == "SourceFileLoader"
    assert loaded.__spec__.loader is loaded.__loader__
    assert loaded.__loader__.get_source(name) == "value = 1\n"
    assert pkgutil.get_data("hooked", "notes.txt") == b"data of the package"
    assert importlib.resources.files("hooked").joinpath("notes.txt").read_text().startswith("data")


def test_a_hooked_module_can_be_run_as_main(hooks, module):
    name = module("value = __name__")
    hooks.after(name, lambda loaded: None)
    assert runpy.run_module(name, run_name="__main__")["value"] == "__main__"


def test_other_modules_are_left_alone(hooks, module):
    hooks.after("something.else", lambda loaded: None)
    assert hooks.find_spec(module("value = 1"), None) is None


def test_a_hooked_module_that_does_not_exist_is_not_found(hooks):
    hooks.after("hooked_nowhere", lambda loaded: None)
    with pytest.raises(ModuleNotFoundError, match="hooked_nowhere"):
        importlib.import_module("hooked_nowhere")
