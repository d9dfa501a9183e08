"""What a killed sidecar had sent and not named yet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sidecar.servers import Trainer, restorable
from tests.sidecar.test_backup import contents
from tfod_toolkit.sidecar.actions import Actions


class Killed(BaseException):
    """As a kill: nothing cleans up."""


def killed_before_naming(s3, folder, monkeypatch, keep=1, **options):
    """A trainer whose sidecar named its step 100, sent 200 and was killed; a minute passes."""
    from moto.s3.models import s3_backends

    def die(*_):
        raise Killed

    trainer = Trainer(folder, keep=keep)
    trainer.save(100)
    s3.keep(folder, **options)
    trainer.save(200)
    with monkeypatch.context() as patch:
        patch.setattr(Actions, "_write_state", die)
        with pytest.raises(Killed):
            s3.keep(folder)
    keys = s3_backends["123456789012"]["aws"].buckets["artifacts"].keys
    keys["project/a run/checkpoint"].last_modified -= timedelta(minutes=1)
    return trainer


def test_what_a_killed_sidecar_had_not_named_yet_does_not_stay(s3, tmp_path, monkeypatch):
    trainer = killed_before_naming(s3, tmp_path, monkeypatch)
    assert {"ckpt-100.index", "ckpt-200.index"} <= s3.files.keys()
    s3.proxy.calls.clear()
    trainer.save(300)
    s3.keep(tmp_path)
    assert s3.files == contents(tmp_path)
    names = [path.rpartition("/")[2] for path in s3.proxy.written()]
    data = ".data-00000-of-00001"
    assert names[:5] == [f"ckpt-300{data}", "ckpt-300.index", "ckpt-200.index", f"ckpt-200{data}",
                         "checkpoint"]  # fmt: skip


def test_what_a_killed_sidecar_had_not_named_stays_while_it_is_the_newest(
    s3, tmp_path, monkeypatch
):
    killed_before_naming(s3, tmp_path / "one", monkeypatch, attempt="1")
    s3.restore(tmp_path / "two")
    other = Trainer(tmp_path / "two", keep=1)
    other.save(150)
    s3.keep(tmp_path / "two", attempt="2")
    assert "ckpt-200.index" in s3.files
    assert restorable(s3.files) == "ckpt-150"


def test_what_is_named_after_all_is_pruned_like_any_other(s3, tmp_path, monkeypatch):
    trainer = killed_before_naming(s3, tmp_path, monkeypatch, keep=2)
    seen: list[str | None] = []
    s3.proxy.fault = lambda method, path: (
        seen.append(restorable(s3.reader)) if method in ("PUT", "DELETE") else None
    )
    made = s3.backup(tmp_path)
    made._begin()
    made._look(final=True)
    for step in (300, 400):
        trainer.save(step)
        made._look(final=True)
    assert set(seen) == {"ckpt-100", "ckpt-200", "ckpt-300", "ckpt-400"}
    assert s3.files == contents(tmp_path)


def test_what_another_training_left_stays(s3, tmp_path):
    Trainer(tmp_path / "one").save(500)
    s3.keep(tmp_path / "one")
    trainer = Trainer(tmp_path / "two", keep=1)
    for step in (1, 400, 600):
        trainer.save(step)
        s3.keep(tmp_path / "two", take_over=True)
    assert {"ckpt-500.index", "ckpt-600.index"} <= s3.files.keys()
