"""What is in S3 after a sidecar has looked at a folder."""

from __future__ import annotations

from tests.sidecar.servers import Trainer, restorable


def test_a_folder_is_kept(s3, tmp_path):
    trainer = Trainer(tmp_path / "training", shards=2)
    for step in (100, 200):
        trainer.save(step)
    (tmp_path / "training" / "metrics.jsonl").write_text('{"step": 1}\n')
    (tmp_path / "training" / "a name.txt").write_text("x")
    s3.keep(tmp_path)
    here = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert s3.files == here
    assert restorable(s3.files, "training/") == "ckpt-200"
