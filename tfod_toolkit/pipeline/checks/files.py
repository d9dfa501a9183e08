"""Paths: placeholders left, and files that are not there."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from tfod_toolkit.pipeline.fields import leaves
from tfod_toolkit.pipeline.findings import Finding, error
from tfod_toolkit.pipeline.paths import PLACEHOLDER, is_remote
from tfod_toolkit.pipeline.protos import Proto

_RECORDS = "--records FOLDER, as `tfod dataset build` makes it"


def check_placeholders(config: Proto) -> Iterator[Finding]:
    """Paths that nobody has filled in."""
    fields: dict[str, list[str]] = {}
    for path, text in leaves(config):
        if PLACEHOLDER in text:
            fields.setdefault(_remedy(path), []).append(path)
    for remedy, paths in fields.items():
        verb = "is" if len(paths) == 1 else "are"
        yield error(paths[0], f"{', '.join(paths)} {verb} still {PLACEHOLDER}", remedy)


def _remedy(path: str) -> str:
    if path.endswith("fine_tune_checkpoint"):
        return (
            "name a checkpoint: --set train_config.fine_tune_checkpoint=FOLDER/ckpt-0; or train "
            "from nothing: --set train_config.fine_tune_checkpoint="
        )
    if "input_reader" in path:
        return _RECORDS
    return f"--set {path}=PATH"


def check_files(config: Proto) -> Iterator[Finding]:
    """Records, label maps and checkpoints that are named but are not there."""
    readers = {"train_input_reader": config.train_input_reader}
    for number, reader in enumerate(config.eval_input_reader):
        readers[f"eval_input_reader[{number}]"] = reader
    lacking = [lack for field, reader in readers.items() for lack in _lacking(field, reader)]
    if not config.eval_input_reader:
        lacking.append("eval_input_reader")
    if lacking:
        yield error(lacking[0], f"the config does not name {', '.join(lacking)}", _RECORDS)
    for field, reader in readers.items():
        yield from _reader(reader, field)
    yield from _checkpoint(config.train_config.fine_tune_checkpoint)
    if config.model.HasField("center_net"):
        field = "model.center_net.keypoint_label_map_path"
        yield from _file(field, config.model.center_net.keypoint_label_map_path)


def _lacking(field: str, reader: Proto) -> Iterator[str]:
    """What a reader must name and does not."""
    if not reader.HasField("external_input_reader"):
        if not reader.tf_record_input_reader.input_path:
            yield f"{field}.tf_record_input_reader.input_path"
        if not reader.label_map_path:
            yield f"{field}.label_map_path"


def _reader(reader: Proto, field: str) -> Iterator[Finding]:
    if reader.HasField("external_input_reader"):
        yield error(
            f"{field}.external_input_reader", f"{field} reads no records of TFOD's", _RECORDS
        )
        return
    for pattern in reader.tf_record_input_reader.input_path:
        # The pattern may be absolute, which Path.glob does not take.
        if _local(pattern) and not glob.glob(pattern):  # noqa: PTH207
            yield error(
                f"{field}.tf_record_input_reader.input_path",
                f"{field}: there are no records at {pattern}",
                _RECORDS,
            )
    yield from _file(f"{field}.label_map_path", reader.label_map_path)


def _file(field: str, path: str) -> Iterator[Finding]:
    if path and _local(path) and not Path(path).is_file():
        yield error(field, f"{field}: there is no file {path}", f"--set {field}=PATH")


def _checkpoint(prefix: str) -> Iterator[Finding]:
    field = "train_config.fine_tune_checkpoint"
    if not prefix or not _local(prefix):
        return
    given = Path(prefix)
    if given.is_dir():
        if not list(given.glob("*.index")):
            yield error(field, f"{field}: {prefix} holds no checkpoint", f"--set {field}=PREFIX")
        return
    given = given.with_suffix("") if given.suffix == ".index" else given
    for ending in (".index", ".data-?????-of-?????"):
        if not list(given.parent.glob(glob.escape(given.name) + ending)):
            yield error(
                field,
                f"{field}: {prefix}{ending} is not there",
                "a checkpoint is an .index file and its .data files side by side; name what "
                "stands before .index",
            )
            return


def _local(path: str) -> bool:
    return PLACEHOLDER not in path and not is_remote(path)
